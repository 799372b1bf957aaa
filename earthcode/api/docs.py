"""The API's own description: the OpenAPI document, and a page that shows it to people.

The page is drawn here from the same document. Viewers made for OpenAPI are script from other hosts, or a package larger
than the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny


class Schema(SpectacularAPIView):
    """The OpenAPI document. Public: it says nothing that the source code does not say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


@dataclass(frozen=True)
class Field:
    """A parameter of an address, or a field of a body."""

    name: str
    type: str
    required: bool
    text: str


@dataclass(frozen=True)
class Endpoint:
    """One method on one address."""

    method: str
    path: str
    summary: str
    text: str
    public: bool
    parameters: Sequence[Field]
    body: Sequence[Field]
    anchor: str


@dataclass(frozen=True)
class Section:
    """The endpoints of one kind of thing."""

    title: str
    endpoints: Sequence[Endpoint]


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Every endpoint, what it takes and who may call it."""
    return TemplateResponse(request, "api/docs.html", {"sections": sections()})


@cache
def sections() -> tuple[Section, ...]:
    """The document, cut up for reading. It only changes with the code, so it is made once in a process."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    endpoints: dict[str, list[Endpoint]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            title = operation.get("tags", [""])[0]
            endpoints.setdefault(title, []).append(_endpoint(document, method, path, operation))
    return tuple(Section(title, tuple(found)) for title, found in sorted(endpoints.items()))


def _endpoint(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        method=method.upper(),
        path=path,
        summary=operation.get("summary") or operation["operationId"].replace("_", " ").capitalize(),
        text=operation.get("description", ""),
        # ``{}`` among the alternatives: a token is not needed.
        public=not operation.get("security") or {} in operation["security"],
        parameters=tuple(
            Field(
                parameter["name"],
                _type(document, parameter["schema"]),
                parameter.get("required", False),
                parameter.get("description", ""),
            )
            for parameter in operation.get("parameters", [])
        ),
        body=tuple(_body(document, operation.get("requestBody", {}))),
        anchor=operation["operationId"],
    )


def _body(document: Mapping[str, Any], request_body: Mapping[str, Any]) -> Iterator[Field]:
    content = request_body.get("content", {}).get("application/json")
    if content is None:
        return
    schema = _resolved(document, content["schema"])
    for name, field in schema.get("properties", {}).items():
        required = name in schema.get("required", [])
        yield Field(name, _type(document, field), required, _resolved(document, field).get("description", ""))


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """In a word or two: ``string (date)``, ``one of draft, in_review``."""
    schema = _resolved(document, schema)
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    written_as = f" ({schema['format']})" if "format" in schema else ""
    return f"{schema.get('type', 'object')}{written_as}"


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a ``$ref`` stands for. With something beside it, it is wrapped in ``allOf``."""
    if len(schema.get("allOf", [])) == 1:
        schema = {**_resolved(document, schema["allOf"][0]), **{k: v for k, v in schema.items() if k != "allOf"}}
    if "$ref" in schema:
        found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema
