"""The addresses for machines: the API, records of the catalogue by OGC's standard, feeds, and what search engines read."""

from django.urls import URLPattern, path

from earthcode.api import discovery
from earthcode.api import docs as api_docs
from earthcode.api.errors import no_such_address
from earthcode.api.ogc import views as ogc
from earthcode.api.v1 import allocations as api_allocations
from earthcode.api.v1 import charges as api_charges
from earthcode.api.v1 import estimates as api_estimates
from earthcode.api.v1 import offerings as api_offerings
from earthcode.api.v1 import resource_requests as api_requests
from earthcode.api.v1 import usage_reports as api_usage_reports
from earthcode.api.v1.me import Me

urlpatterns: list[URLPattern] = [
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
    path("api/v1/allocations/<slug:reference>/charges", api_charges.Charges.as_view(), name="api_allocation_charges"),
    path("api/v1/charges/<int:pk>/refund", api_charges.refund, name="api_charge_refund"),
    path("api/v1/statements", api_charges.Statements.as_view(), name="api_statements"),
    path("api/v1/statements/<slug:number>", api_charges.StatementDetail.as_view(), name="api_statement"),
    path("api/v1/usage_reports", api_usage_reports.UsageReports.as_view(), name="api_usage_reports"),
    path("api/v1/usage_reports/<int:pk>", api_usage_reports.UsageReportDetail.as_view(), name="api_usage_report"),
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
