"""The OpenAPI document of ``/ogc/``. Parameters come from ``query``, which also reads them; bodies are OGC's schemas."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from earthcode.api.ogc.query import FORMAT, PARAMETERS, Parameter
from earthcode.api.ogc.standard import CATALOG, GEOJSON, JSON, OPENAPI, schema_of
from earthcode.api.public import address
from earthcode.lib.http.problems import CONTENT_TYPE as PROBLEM

Json = dict[str, Any]

_NOTHING_ELSE = {"type": "object"}


def document(request: HttpRequest) -> Json:
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Offerings of the Network of Resources, as OGC API – Records",
            "version": "1.0.0",
            "description": "Public: no account and no token. Answers carry an ETag; ask again with If-None-Match.",
        },
        "servers": [{"url": address(request, "ogc_landing").rstrip("/")}],
        "paths": {
            "/": _get("landing_page", "The landing page", JSON, schema_of("features", "landingPage")),
            "/api": _get("describe", "This document", OPENAPI, _NOTHING_ELSE),
            "/conformance": _get("conformance", "What this conforms to", JSON, schema_of("features", "confClasses")),
            "/collections": _get("list_collections", "The collections", JSON, schema_of("records", "catalogs")),
            "/collections/{collectionId}": _get(
                "read_collection", "One collection", CATALOG, schema_of("records", "catalog"), path=("collectionId",)
            ),
            "/collections/{collectionId}/items": _get(
                "find_records",
                "Find records",
                GEOJSON,
                schema_of("records", "recordCollectionGeoJSON"),
                path=("collectionId",),
                query=PARAMETERS,
            ),
            "/collections/{collectionId}/items/{recordId}": _get(
                "read_record",
                "One record",
                GEOJSON,
                schema_of("records", "recordGeoJSON"),
                path=("collectionId", "recordId"),
            ),
        },
        "components": {
            "responses": {"refused": _problem("A parameter cannot be used"), "absent": _problem("Not here")}
        },
    }


def _get(
    operation: str,
    summary: str,
    media_type: str,
    schema: Json,
    *,
    path: tuple[str, ...] = (),
    query: tuple[Parameter, ...] = (),
) -> Json:
    responses: Json = {
        "200": {"description": summary, "content": {media_type: {"schema": schema}}},
        "304": {"description": "Unchanged since the answer that the request names"},
        "400": {"$ref": "#/components/responses/refused"},
    }
    if path:
        responses["404"] = {"$ref": "#/components/responses/absent"}
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": [_in_path(name) for name in path] + [_in_query(each) for each in (*query, FORMAT)],
            "responses": responses,
        }
    }


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description,
        "schema": parameter.schema,
        "style": "form",
        "explode": False,
    }


def _problem(description: str) -> Json:
    return {"description": description, "content": {PROBLEM: {"schema": schema_of("features", "exception")}}}
