"""Every address of the site, by audience."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from earthcode.api import discovery
from earthcode.api import docs as api_docs
from earthcode.api.errors import no_such_address
from earthcode.api.ogc import views as ogc
from earthcode.api.v1 import allocations as api_allocations
from earthcode.api.v1 import estimates as api_estimates
from earthcode.api.v1 import offerings as api_offerings
from earthcode.api.v1 import resource_requests as api_requests
from earthcode.api.v1.me import Me
from earthcode.web import (
    accounts,
    administrators,
    allocations,
    applications,
    audit,
    awards,
    catalogue,
    compare,
    dashboard,
    drafts,
    estimates,
    gallery,
    help,
    home,
    ledger,
    notifications,
    offerings,
    onboarding,
    preferences,
    projects,
    request_hub,
    requests,
    review,
    science,
    simulated,
    versions,
)

# Everybody.
urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.public_home, name="public_home"),
    path("catalogue/", catalogue.catalogue, name="catalogue"),
    path("catalogue/<slug:slug>/", catalogue.offering, name="offering"),
    path("catalogue/<slug:slug>/versions/", versions.versions, name="offering_versions"),
    path("catalogue/<slug:slug>/versions/<int:number>/", versions.version, name="offering_version"),
    path("science/", science.science, name="science"),
    re_path(r"^science/workflows/(?P<osc_id>[\w.-]+)/$", science.workflow, name="workflow"),
    re_path(r"^science/experiments/(?P<osc_id>[\w.-]+)/$", science.experiment, name="experiment"),
    path("providers/", onboarding.providers, name="providers"),
    path("compare/", compare.compare, name="compare"),
    path("estimates/new/", estimates.new, name="estimate_new"),
    path("estimates/<slug:token>/", estimates.estimate, name="estimate"),
    path("help/", help.how_it_works, name="help"),
    path("accessibility/", help.accessibility, name="accessibility"),
    path("privacy/", help.privacy, name="privacy"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("theme/", preferences.set_theme, name="set_theme"),
    path("shortcuts/", preferences.set_shortcuts, name="set_shortcuts"),
    path("audience/", preferences.set_audience, name="set_audience"),
    path("accounts/", include("earthcode.web.sso.urls")),
]

# Everybody who is signed in.
urlpatterns += [
    path("account/", accounts.account, name="account"),
    path("notifications/", notifications.messages_list, name="notifications"),
    path("notifications/read/", notifications.mark_read, name="notifications_read"),
    path("notifications/<int:pk>/", notifications.open_message, name="notification"),
    path("home/", dashboard.home, name="home"),
    path("estimates/", estimates.own, name="estimates"),
    path("allocations/", allocations.allocations, name="allocations"),
    path("allocations/<slug:reference>/", allocations.allocation, name="allocation"),
    path("allocations/<slug:reference>/end/", allocations.end, name="allocation_end"),
    path("allocations/<slug:reference>/operations/<int:pk>/retry/", allocations.retry, name="operation_retry"),
    path("awards/<slug:reference>/", awards.award, name="award"),
    path("awards/<slug:reference>/move/", awards.move_credits, name="move_credits"),
    path("awards/<slug:reference>/statement.csv", ledger.award_csv, name="award_csv"),
    path("credits/use/", awards.use_credits, name="use_credits"),
    path("go/<slug:reference>/", allocations.go, name="go"),
    path("simulated-platform/<slug:reference>/", simulated.simulated_platform, name="simulated_platform"),
]

# Those who ask.
urlpatterns += [
    path("projects/", projects.project_list, name="projects"),
    path("projects/new/", projects.project_new, name="project_new"),
    path("projects/<slug:slug>/", projects.project_page, name="project"),
    path("projects/<slug:slug>/edit/", projects.project_edit, name="project_edit"),
    path("projects/<slug:slug>/members/add/", projects.project_add_member, name="project_add_member"),
    path("projects/<slug:slug>/members/remove/", projects.project_remove_member, name="project_remove_member"),
    path("requests/", requests.request_list, name="requests"),
    path("requests/new/", requests.request_new, name="request_new"),
    path("requests/<slug:reference>/", requests.request_page, name="request"),
    path("requests/<slug:reference>/withdraw/", requests.request_withdraw, name="request_withdraw"),
    path("requests/<slug:reference>/answer/", requests.request_answer, name="request_answer"),
    path("requests/<slug:reference>/endorse/", requests.request_endorse, name="request_endorse"),
    path("requests/<slug:reference>/copy/", requests.request_copy, name="request_copy"),
    path("requests/<slug:reference>/edit/", request_hub.hub, name="request_edit"),
    path("requests/<slug:reference>/edit/project/", request_hub.project_task, name="request_edit_project"),
    path("requests/<slug:reference>/edit/platforms/", request_hub.platforms_task, name="request_edit_platforms"),
    path("requests/<slug:reference>/edit/period/", request_hub.period_task, name="request_edit_period"),
    path("requests/<slug:reference>/edit/case/", request_hub.case_task, name="request_edit_case"),
    path("requests/<slug:reference>/edit/check/", request_hub.check_task, name="request_edit_check"),
]

# Those who want to run platforms.
urlpatterns += [
    path("applications/new/", onboarding.application_new, name="application_new"),
    path("applications/<slug:reference>/", onboarding.application, name="application"),
    path("applications/<slug:reference>/about/", onboarding.application_about, name="application_about"),
    path("applications/<slug:reference>/items/<slug:code>/", onboarding.application_item, name="application_item"),
    path("applications/<slug:reference>/send/", onboarding.application_send, name="application_send"),
    path("applications/<slug:reference>/withdraw/", onboarding.application_withdraw, name="application_withdraw"),
    path("applications/<slug:reference>/check/", onboarding.application_check, name="application_check"),
]

# Those who decide.
urlpatterns += [
    # Before the requests, whose references would swallow it.
    path("review/applications/", applications.applications, name="applications"),
    path("review/applications/<slug:reference>/", applications.review_application, name="review_application"),
    path("review/applications/<slug:reference>/items/<slug:code>/", applications.review_item, name="review_item"),
    path("review/", review.review, name="review"),
    path("review/offerings/", drafts.offering_approvals, name="offering_approvals"),
    path("review/offerings/<int:pk>/", drafts.offering_approval, name="offering_approval"),
    path("review/<slug:reference>/", review.review_request, name="review_request"),
]

# Those who run platforms.
urlpatterns += [
    path("provider/orders/", allocations.orders, name="orders"),
    path("provider/<slug:slug>/administrators/", administrators.administrators, name="administrators"),
    path("provider/<slug:slug>/administrators/add/", administrators.administrator_add, name="administrator_add"),
    path(
        "provider/<slug:slug>/administrators/remove/", administrators.administrator_remove, name="administrator_remove"
    ),
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

# Those who may read the trail.
urlpatterns += [
    path("audit/", audit.trail, name="audit"),
    path("ledger/", ledger.ledger, name="ledger"),
    path("ledger/accounts/<str:code>/", ledger.account, name="ledger_account"),
    path("ledger/accounts/<str:code>/statement.csv", ledger.account_csv, name="ledger_account_csv"),
]

# Machines.
urlpatterns += [
    path("api/schema/", api_docs.Schema.as_view(), name="api_schema"),
    path("api/docs/", api_docs.docs, name="api_docs"),
    path("api/v1/me", Me.as_view(), name="api_me"),
    path("api/v1/offerings", api_offerings.Offerings.as_view(), name="api_offerings"),
    path("api/v1/offerings/<slug:slug>", api_offerings.OfferingDetail.as_view(), name="api_offering"),
    path("api/v1/estimates", api_estimates.Estimates.as_view(), name="api_estimates"),
    path("api/v1/estimates/<slug:token>", api_estimates.EstimateDetail.as_view(), name="api_estimate"),
    path("api/v1/resource_requests", api_requests.ResourceRequests.as_view(), name="api_resource_requests"),
    path(
        "api/v1/resource_requests/<slug:reference>",
        api_requests.ResourceRequestDetail.as_view(),
        name="api_resource_request",
    ),
    *(
        path(f"api/v1/resource_requests/<slug:reference>/{name}", step, name=f"api_resource_request_{name}")
        for name, step in api_requests.STEPS.items()
    ),
    path("api/v1/allocations", api_allocations.Allocations.as_view(), name="api_allocations"),
    path("api/v1/allocations/<slug:reference>", api_allocations.AllocationDetail.as_view(), name="api_allocation"),
    path("api/v1/allocations/<slug:reference>/end", api_allocations.end, name="api_allocation_end"),
    path("api/v1/operations/<uuid:key>/retry", api_allocations.retry, name="api_operation_retry"),
    # Whatever of the API is not above; the last of its addresses.
    path("api/<path:path>", no_such_address),
    path("ogc/", ogc.landing, name="ogc_landing"),
    path("ogc/api", ogc.api, name="ogc_openapi"),
    path("ogc/conformance", ogc.conformance, name="ogc_conformance"),
    path("ogc/collections", ogc.collections, name="ogc_collections"),
    path("ogc/collections/<str:collection_id>", ogc.collection, name="ogc_collection"),
    path("ogc/collections/<str:collection_id>/items", ogc.items, name="ogc_items"),
    path("ogc/collections/<str:collection_id>/items/<str:record_id>", ogc.item, name="ogc_item"),
    path("catalogue/<slug:slug>.jsonld", discovery.offering_linked_data, name="offering_linked_data"),
    path("catalogue/platforms.json", discovery.platforms, name="catalogue_platforms"),
    path("catalogue/feed.atom", discovery.feed, name="catalogue_feed"),
    path("sitemap.xml", discovery.sitemap, name="sitemap"),
    path("robots.txt", discovery.robots, name="robots"),
]

handler400 = "earthcode.web.errors.bad_request"
handler403 = "earthcode.web.errors.permission_denied"
handler404 = "earthcode.web.errors.not_found"
handler500 = "earthcode.web.errors.server_error"
