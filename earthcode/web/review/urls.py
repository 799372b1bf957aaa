"""What ESA decides."""

from django.urls import URLPattern, path

from earthcode.web.review import applications, offerings, requests, statements

urlpatterns: list[URLPattern] = [
    # Before the requests, whose references would swallow it.
    path("review/applications/", applications.applications, name="applications"),
    path("review/applications/<slug:reference>/", applications.review_application, name="review_application"),
    path("review/applications/<slug:reference>/items/<slug:code>/", applications.review_item, name="review_item"),
    path("review/", requests.review, name="review"),
    path("review/offerings/", offerings.offering_approvals, name="offering_approvals"),
    path("review/offerings/<int:pk>/", offerings.offering_approval, name="offering_approval"),
    path("review/statements/", statements.statement_list, name="statements"),
    path("review/<slug:reference>/", requests.review_request, name="review_request"),
]
