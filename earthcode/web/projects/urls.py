"""Projects, their credits, and the access these pay for."""

from django.urls import URLPattern, path

from earthcode.web.projects import allocation, allocations, awards, pages, simulated, usage

urlpatterns: list[URLPattern] = [
    path("allocations/", allocations.allocations, name="allocations"),
    path("allocations/<slug:reference>/", allocation.allocation, name="allocation"),
    path("allocations/<slug:reference>/usage.csv", usage.usage_csv, name="allocation_usage_csv"),
    path("allocations/<slug:reference>/close-usage/", usage.close_usage, name="allocation_close_usage"),
    path("allocations/<slug:reference>/end/", allocation.end, name="allocation_end"),
    path("allocations/<slug:reference>/operations/<int:pk>/retry/", allocation.retry, name="operation_retry"),
    path("awards/<slug:reference>/", awards.award, name="award"),
    path("awards/<slug:reference>/move/", awards.move_credits, name="move_credits"),
    path("credits/use/", awards.use_credits, name="use_credits"),
    path("go/<slug:reference>/", allocation.go, name="go"),
    path("simulated-platform/<slug:reference>/", simulated.simulated_platform, name="simulated_platform"),
    path("projects/", pages.project_list, name="projects"),
    path("projects/new/", pages.project_new, name="project_new"),
    path("projects/<slug:slug>/", pages.project_page, name="project"),
    path("projects/<slug:slug>/edit/", pages.project_edit, name="project_edit"),
    path("projects/<slug:slug>/members/add/", pages.project_add_member, name="project_add_member"),
    path("projects/<slug:slug>/members/remove/", pages.project_remove_member, name="project_remove_member"),
]
