"""Asking for credits."""

from django.urls import URLPattern, path

from earthcode.web.requests import check_task, hub, listing, new, page, platforms_task

urlpatterns: list[URLPattern] = [
    path("requests/", listing.request_list, name="requests"),
    path("requests/new/", new.request_new, name="request_new"),
    path("requests/<slug:reference>/", page.request_page, name="request"),
    path("requests/<slug:reference>/withdraw/", page.request_withdraw, name="request_withdraw"),
    path("requests/<slug:reference>/answer/", page.request_answer, name="request_answer"),
    path("requests/<slug:reference>/endorse/", page.request_endorse, name="request_endorse"),
    path("requests/<slug:reference>/copy/", page.request_copy, name="request_copy"),
    path("requests/<slug:reference>/edit/", hub.hub, name="request_edit"),
    path("requests/<slug:reference>/edit/project/", hub.project_task, name="request_edit_project"),
    path("requests/<slug:reference>/edit/platforms/", platforms_task.platforms_task, name="request_edit_platforms"),
    path("requests/<slug:reference>/edit/period/", hub.period_task, name="request_edit_period"),
    path("requests/<slug:reference>/edit/case/", hub.case_task, name="request_edit_case"),
    path("requests/<slug:reference>/edit/check/", check_task.check_task, name="request_edit_check"),
]
