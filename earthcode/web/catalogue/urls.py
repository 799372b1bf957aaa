"""Finding, comparing and pricing what platforms offer."""

from django.urls import URLPattern, path, re_path

from earthcode.web.catalogue import compare, estimates, listing, offering, science, versions

urlpatterns: list[URLPattern] = [
    path("catalogue/", listing.catalogue, name="catalogue"),
    path("catalogue/<slug:slug>/", offering.offering, name="offering"),
    path("catalogue/<slug:slug>/versions/", versions.versions, name="offering_versions"),
    path("catalogue/<slug:slug>/versions/<int:number>/", versions.version, name="offering_version"),
    path("science/", science.science, name="science"),
    re_path(r"^science/workflows/(?P<osc_id>[\w.()+~,-]+)/$", science.workflow, name="workflow"),
    re_path(r"^science/experiments/(?P<osc_id>[\w.()+~,-]+)/$", science.experiment, name="experiment"),
    path("compare/", compare.compare, name="compare"),
    path("estimates/new/", estimates.new, name="estimate_new"),
    path("estimates/<slug:token>/", estimates.estimate, name="estimate"),
    path("estimates/", estimates.own, name="estimates"),
]
