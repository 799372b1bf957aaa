"""What OGC API – Records, Part 1 (OGC 20-004r1) and the parts of Features it builds on ask of an answer's shape.

Restated as JSON Schema from the standard and its schemas; where versions of those differ, the stricter is taken: a record
needs a time and a geometry, both of which may be null. OGC's own files are written for OpenAPI 3.0, whose "nullable" JSON
Schema does not know.
"""

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_URI: Schema = {"type": "string", "pattern": r"^https?://[^\s]+$"}
_MOMENT: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"}


def _thing(required: list[str], **members: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": members}


def _list(of: Schema, *, least: int = 0) -> Schema:
    return {"type": "array", "items": of, "minItems": least}


_LINK = _thing(
    ["href", "rel"], href=_URI, rel=_TEXT, type=_TEXT, hreflang=_TEXT, title=_TEXT, length={"type": "integer"}
)
_LINKS = _list(_LINK)
_LANGUAGE = _thing(
    ["code"], code=_TEXT, name={"type": "string", "minLength": 1}, dir={"enum": ["ltr", "rtl", "ttb", "btt"]}
)
_CONCEPT = _thing(["id"], id=_TEXT, title=_TEXT, description=_TEXT, url=_URI)
_THEME = _thing(["concepts", "scheme"], concepts=_list(_CONCEPT, least=1), scheme=_TEXT)
_EXTERNAL_ID = _thing(["value"], scheme=_TEXT, value=_TEXT)
_ROLES = _list(_TEXT, least=1)
_ADDRESS = _thing(
    [], deliveryPoint=_TEXTS, city=_TEXT, administrativeArea=_TEXT, postalCode=_TEXT, country=_TEXT, roles=_ROLES
)
_CONTACT: Schema = {
    **_thing(
        [],
        identifier=_TEXT,
        name=_TEXT,
        organization=_TEXT,
        addresses=_list(_ADDRESS),
        links=_list({"allOf": [_LINK, {"required": ["type"]}]}),
        roles=_ROLES,
    ),
    "anyOf": [{"required": ["name"]}, {"required": ["organization"]}],
}
_COMMON = {
    "created": _MOMENT,
    "updated": _MOMENT,
    "conformsTo": _TEXTS,
    "type": {"type": "string", "maxLength": 64},
    "title": _TEXT,
    "description": _TEXT,
    "keywords": _TEXTS,
    "themes": _list(_THEME, least=1),
    "language": _LANGUAGE,
    "languages": _list(_LANGUAGE),
    "externalIds": _list(_EXTERNAL_ID),
    "contacts": _list(_CONTACT),
    "license": _TEXT,
    "rights": _TEXT,
}
_POINT = _thing(
    ["type", "coordinates"],
    type={"const": "Point"},
    coordinates={"type": "array", "items": {"type": "number"}, "minItems": 2},
)
# Of the times a record is about, only the universal ones have a form.
_UNIVERSAL: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$"}
_DAY_OR_MOMENT: Schema = {"anyOf": [{"pattern": r"^\d{4}-\d{2}-\d{2}$"}, _UNIVERSAL, {"const": ".."}]}
_TIME = _thing(
    [],
    date={"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    timestamp=_UNIVERSAL,
    interval={"type": "array", "items": _DAY_OR_MOMENT, "minItems": 2, "maxItems": 2},
    resolution=_TEXT,
)
_EXTENT = _thing(
    [],
    spatial=_thing(
        [],
        bbox=_list({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}, least=1),
        crs={"const": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
    ),
)

LANDING_PAGE = _thing(["links"], title=_TEXT, description=_TEXT, links=_LINKS)
CONFORMANCE = _thing(["conformsTo"], conformsTo=_list(_URI, least=1))
COLLECTION = _thing(
    ["id", "title", "links", "itemType", "type"],
    **{
        **_COMMON,
        "id": {"type": "string", "minLength": 1},
        "type": {"const": "Collection"},
        "itemType": {"enum": ["record", "catalog"]},
        "crs": _TEXTS,
        "extent": _EXTENT,
        "links": _LINKS,
    },
)
COLLECTIONS = _thing(["links", "collections"], links=_LINKS, collections=_list(COLLECTION))
RECORD = _thing(
    ["id", "type", "time", "geometry", "properties", "links"],
    id={"type": "string", "minLength": 1},
    type={"const": "Feature"},
    time={"oneOf": [{"type": "null"}, _TIME]},
    geometry={"oneOf": [{"type": "null"}, _POINT]},
    conformsTo=_TEXTS,
    properties=_thing(["type", "title"], **_COMMON),
    links=_LINKS,
)
RECORDS = _thing(
    ["type", "features"],
    type={"const": "FeatureCollection"},
    features=_list(RECORD),
    links=_LINKS,
    timeStamp=_MOMENT,
    numberMatched={"type": "integer", "minimum": 0},
    numberReturned={"type": "integer", "minimum": 0},
)
EXCEPTION = _thing(["code"], code=_TEXT, description=_TEXT)


def problems(answer: object, schema: Schema) -> list[str]:
    """Where the answer is not as the standard asks."""
    Draft202012Validator.check_schema(schema)
    found = Draft202012Validator(schema).iter_errors(answer)
    return [f"{error.json_path}: {error.message}" for error in found]
