"""What ESA decides."""

from django.urls import URLPattern, path

from earthcode.web.review import applications, calls, filters, offerings, requests, statements

urlpatterns: list[URLPattern] = [
    # Before the requests, whose references would swallow it.
    path("review/applications/", applications.applications, name="applications"),
    path("review/applications/<slug:reference>/", applications.review_application, name="review_application"),
    path("review/applications/<slug:reference>/items/<slug:code>/", applications.review_item, name="review_item"),
    path("review/calls/new/", calls.call_new, name="call_new"),
    path("review/calls/<slug:slug>/", calls.call_manage, name="call_manage"),
    path("review/calls/<slug:slug>/change/", calls.call_edit, name="call_edit"),
    path("review/calls/<slug:slug>/<slug:step>/", calls.call_step, name="call_step"),
    path("review/calls/<slug:slug>/credits/<int:pk>/<slug:step>/", calls.funding_step, name="funding_step"),
    path("review/requests.csv", filters.review_csv, name="review_csv"),
    path("review/", requests.review, name="review"),
    path("review/offerings/", offerings.offering_approvals, name="offering_approvals"),
    path("review/offerings/<int:pk>/", offerings.offering_approval, name="offering_approval"),
    path("review/statements/", statements.statement_list, name="statements"),
    path("review/<slug:reference>/", requests.review_request, name="review_request"),
]
