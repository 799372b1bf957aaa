"""Becoming a provider, and what providers do."""

from django.urls import URLPattern, path

from earthcode.web.provider import administrators, application, desk, drafts, offerings, orders, statements, usage

urlpatterns: list[URLPattern] = [
    path("providers/", application.providers, name="providers"),
    path("applications/new/", application.application_new, name="application_new"),
    path("applications/<slug:reference>/", application.application, name="application"),
    path("applications/<slug:reference>/about/", application.application_about, name="application_about"),
    path("applications/<slug:reference>/items/<slug:code>/", application.application_item, name="application_item"),
    path("applications/<slug:reference>/send/", application.application_send, name="application_send"),
    path("applications/<slug:reference>/withdraw/", application.application_withdraw, name="application_withdraw"),
    path("applications/<slug:reference>/check/", application.application_check, name="application_check"),
    path("provider/orders/", orders.orders, name="orders"),
    path("provider/tasks/", desk.tasks, name="desk"),
    path("provider/tasks/<int:pk>/", desk.task, name="desk_task"),
    path("provider/<slug:slug>/administrators/", administrators.administrators, name="administrators"),
    path("provider/<slug:slug>/administrators/add/", administrators.administrator_add, name="administrator_add"),
    path(
        "provider/<slug:slug>/administrators/remove/", administrators.administrator_remove, name="administrator_remove"
    ),
    path("provider/usage/", usage.usage, name="usage"),
    path("provider/usage/reports/<int:pk>/", usage.report, name="usage_report"),
    path("provider/usage/waiting/", usage.waiting, name="usage_waiting"),
    path("provider/usage/waiting/again/", usage.waiting_again, name="usage_waiting_again"),
    path("provider/usage/template/<slug:slug>/", usage.template, name="usage_template"),
    path("provider/earnings/", statements.earnings, name="earnings"),
    path("statements/<slug:number>/", statements.statement, name="statement"),
    path("statements/<slug:number>/lines.csv", statements.statement_csv, name="statement_csv"),
    path("provider/offerings/", offerings.offerings, name="offerings"),
    path("provider/offerings/new/", offerings.offering_new, name="offering_new"),
    path("provider/offerings/trail/", offerings.provider_trail, name="provider_trail"),
    path("provider/offerings/maintenance/", offerings.maintenance, name="maintenance"),
    path("provider/offerings/maintenance/<int:pk>/", offerings.maintenance_window, name="maintenance_window"),
    path("provider/offerings/of/<slug:slug>/", offerings.offering_manage, name="offering_manage"),
    path("provider/offerings/of/<slug:slug>/edit/", offerings.offering_edit, name="offering_edit"),
    path("provider/offerings/of/<slug:slug>/announce/", offerings.offering_announce, name="offering_announce"),
    path("provider/offerings/of/<slug:slug>/retire/", offerings.offering_retire, name="offering_retire"),
    path("provider/offerings/of/<slug:slug>/keep/", offerings.offering_keep, name="offering_keep"),
    path("provider/offerings/drafts/<int:pk>/", drafts.offering_draft, name="offering_draft"),
    path("provider/offerings/drafts/<int:pk>/check/", drafts.offering_draft_check, name="offering_draft_check"),
    path("provider/offerings/drafts/<int:pk>/plans/", drafts.offering_draft_plan, name="offering_draft_plan_new"),
    path(
        "provider/offerings/drafts/<int:pk>/plans/<slug:slug>/", drafts.offering_draft_plan, name="offering_draft_plan"
    ),
    path(
        "provider/offerings/drafts/<int:pk>/plans/<slug:slug>/remove/",
        drafts.offering_draft_plan_remove,
        name="offering_draft_plan_remove",
    ),
    path(
        "provider/offerings/drafts/<int:pk>/section/<slug:section>/",
        drafts.offering_draft_section,
        name="offering_draft_section",
    ),
    path(
        "provider/offerings/drafts/<int:pk>/step/<slug:step>/", drafts.offering_draft_step, name="offering_draft_step"
    ),
]
