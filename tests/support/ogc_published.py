"""The schemas of OGC API – Records as OGC publishes them, read from where ``OGC_SCHEMAS`` says (``make check-ogc``).

They are not ours to ship, and tests ask no other host for anything; so the ordinary tests compare with ``ogc_schemas``, which
says the same in our words. OGC writes for OpenAPI 3.0, whose "nullable" JSON Schema does not know: it is translated.
"""

import os
from typing import Any
from urllib.request import urlopen

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

#: Where they are, ending in a slash: an address, or ``file:///…/`` for a folder. Empty: they are not asked for.
PLACE = os.environ.get("OGC_SCHEMAS", "")


def problems(answer: object, name: str) -> list[str]:
    """Where the answer is not as the published schema of that name (``recordGeoJSON.yaml``) asks."""
    registry: Registry[Any] = Registry(retrieve=_retrieve)
    validator = Draft202012Validator(
        {"$ref": PLACE + name}, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer)]


def _retrieve(uri: str) -> Resource[Any]:
    with urlopen(uri, timeout=30) as response:  # noqa: S310  # the tester's own choice of an address
        return DRAFT202012.create_resource(_for_json_schema(yaml.safe_load(response)))


def _for_json_schema(schema: Any, *, choice: bool = False) -> Any:
    """The same without "nullable". ``choice``: it is one of several of which exactly one holds, so only one may be null."""
    if isinstance(schema, list):
        return [_for_json_schema(each, choice=choice) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("nullable") and choice:
        schema = {"type": "null"} if set(schema) == {"type", "nullable"} else schema
    elif schema.get("nullable"):
        schema = {**schema, "type": [schema["type"], "null"]}
    return {key: _for_json_schema(value, choice=key == "oneOf") for key, value in schema.items()}
