"""Asking for credits."""

from django.urls import URLPattern, path

from earthcode.web.requests import calls, check_task, hub, listing, new, page, platforms_task, quotations

urlpatterns: list[URLPattern] = [
    path("calls/", calls.call_list, name="calls"),
    path("calls/<slug:slug>/", calls.call_page, name="call"),
    path("requests/", listing.request_list, name="requests"),
    path("requests/new/", new.request_new, name="request_new"),
    path("requests/<slug:reference>/", page.request_page, name="request"),
    path("requests/<slug:reference>/withdraw/", page.request_withdraw, name="request_withdraw"),
    path("requests/<slug:reference>/answer/", page.request_answer, name="request_answer"),
    path("requests/<slug:reference>/endorse/", page.request_endorse, name="request_endorse"),
    path("requests/<slug:reference>/accept/", page.request_accept, name="request_accept"),
    path("requests/<slug:reference>/decline/", page.request_decline, name="request_decline"),
    path("requests/<slug:reference>/copy/", page.request_copy, name="request_copy"),
    path("requests/<slug:reference>/edit/", hub.hub, name="request_edit"),
    path("requests/<slug:reference>/edit/project/", hub.project_task, name="request_edit_project"),
    path("requests/<slug:reference>/edit/platforms/", platforms_task.platforms_task, name="request_edit_platforms"),
    path("requests/<slug:reference>/edit/price/", quotations.ask_price, name="ask_price"),
    path("quotations/", quotations.quotation_list, name="quotations"),
    path("quotations/<slug:reference>/", quotations.quotation_page, name="quotation"),
    path("quotations/<slug:reference>/<slug:step>/", quotations.quotation_step, name="quotation_step"),
    path("quotations/<slug:reference>/documents/<int:pk>/", quotations.quotation_document, name="quotation_document"),
    path("requests/<slug:reference>/edit/period/", hub.period_task, name="request_edit_period"),
    path("requests/<slug:reference>/edit/case/", hub.case_task, name="request_edit_case"),
    path("requests/<slug:reference>/edit/check/", check_task.check_task, name="request_edit_check"),
]
