"""Requests on the site: their addresses, and what people say when they send one."""

from earthcode.sponsorship.models import ResourceRequest

#: What a browser shows for the narrow space in numbers.
NARROW = "\u202f"


def url(resource_request: ResourceRequest, rest: str = "") -> str:
    return f"/requests/{resource_request.reference}/{rest}"


def stored(resource_request: ResourceRequest) -> ResourceRequest:
    return ResourceRequest.objects.get(pk=resource_request.pk)


ANSWERS = {"non_commercial": "on", "no_provider_tie": "on", "will_publish": "on"}
