"""A workflow or an experiment as search engines read it: JSON-LD in the words of schema.org."""

from __future__ import annotations

from typing import Any

from earthcode.science.models import Kind, Record

Json = dict[str, Any]


def document_of(record: Record, *, url: str) -> Json:
    """The record at this address, which comes with its workflow. What is not stated is left out."""
    code = [link["url"] for link in record.links if link["role"] == "code"]
    document: Json = {
        "@context": "https://schema.org",
        "@type": "SoftwareSourceCode" if record.kind == Kind.WORKFLOW else "CreativeWork",
        "@id": url,
        "url": url,
        "name": record.title,
        "description": record.description,
        "keywords": [*record.keywords, *record.themes],
        "license": record.license,
        "sameAs": record.source_url,
        "dateModified": f"{record.updated_at:%Y-%m-%d}" if record.updated_at else "",
    }
    if record.kind == Kind.WORKFLOW:
        document["programmingLanguage"] = record.languages
        document["runtimePlatform"] = record.application_type
        document["codeRepository"] = code[0] if code else ""
    elif record.workflow is not None:
        document["isBasedOn"] = {
            "@type": "SoftwareSourceCode",
            "name": record.workflow.title,
            "sameAs": record.workflow.source_url,
        }
    return {name: value for name, value in document.items() if value not in ("", [])}
