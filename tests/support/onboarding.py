"""What an applicant writes."""

from collections.abc import Mapping
from typing import Any

from earthcode.onboarding.requirements import REQUIREMENTS, Form

#: A new organisation with an infrastructure platform.
START: Mapping[str, Any] = {
    "organisation_name": "Glacier Cloud",
    "platform_name": "Glacier Cubes",
    "is_open_science": False,
    "is_infrastructure": True,
    "country": "CH",
}

_ANSWERS = {
    Form.TEXT: "It is there, and it works.",
    Form.LINE: "Every day",
    Form.ADDRESS: "https://glacier.example/",
    Form.CHOICE: "other",
}

#: Code of the item → answers to all that has to be answered.
EVIDENCE: Mapping[str, Mapping[str, str]] = {
    each.code: {
        field.name: _ANSWERS[field.form] for field in each.fields if field.required or field.name in each.one_of[:1]
    }
    for each in REQUIREMENTS.values()
}
