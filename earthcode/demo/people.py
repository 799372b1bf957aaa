"""The people of the demo, as the demo single sign-on knows them.

``DEMO_PERSONAS`` may name a JSON file with other people. It is read whenever the single sign-on issues claims, so that
a group taken away in the file is gone at the next sign-in.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: The provider whose administrator Petra is: a slug of the catalogue.
PROVIDER_SLUG = "demo-hub-provider"


@dataclass(frozen=True)
class Persona:
    """A person with the claims that the single sign-on makes about them.

    ``subject`` is who they are for ever; a username and an e-mail address may be given to somebody else one day.
    """

    username: str
    subject: str
    name: str
    email: str
    about: str
    groups: Sequence[str] = ()
    #: Sent as ``realm_access.roles``, the way Keycloak does.
    roles: Sequence[str] = ()
    #: Sent as ``eduperson_entitlement``, the way research federations do.
    entitlements: Sequence[str] = ()
    #: Added to the claims, or in place of them.
    claims: Mapping[str, Any] = field(default_factory=dict)


PEOPLE: Sequence[Persona] = (
    Persona(
        username="alice",
        subject="3f1c7a52-8e0b-4d55-9c1e-6a2b70d4e101",
        name="Alice Martin",
        email="alice.martin@science.example",
        about="Scientist. Leads a project and asks for its credits.",
    ),
    Persona(
        username="ben",
        subject="8b64d0f7-21c9-4b3e-a7f2-0d9e5c38a202",
        name="Ben Okafor",
        email="ben.okafor@science.example",
        about="Scientist. A member of Alice’s team.",
    ),
    Persona(
        username="petra",
        subject="c2e95b18-6f34-4a0d-8d77-51b0f9ae3303",
        name="Petra Novak",
        email="petra.novak@provider.example",
        about="Administrator of a provider. Looks after its platforms and offerings.",
        groups=(f"nor-provider-{PROVIDER_SLUG}",),
    ),
    Persona(
        username="maria",
        subject="57a8e3c6-94bd-4f12-b6a0-e83d1f26c404",
        name="Maria Rossi",
        email="maria.rossi@esa.example",
        about="ESA manager. Decides on requests.",
        groups=("nor-esa-managers",),
    ),
    Persona(
        username="marc",
        subject="e90d4b71-3a58-47c6-92fb-7c61a5d8f505",
        name="Marc Dubois",
        email="marc.dubois@esa.example",
        about="ESA manager. The second pair of eyes.",
        groups=("nor-esa-managers",),
    ),
    Persona(
        username="tomas",
        subject="1d73f6a9-c80e-42b5-8e49-b25f07e1a606",
        name="Tomas Lindberg",
        email="tomas.lindberg@esa.example",
        about="ESA Technical Officer. Endorses requests of the projects in his care.",
        groups=("nor-technical-officers",),
    ),
)


def personas() -> Sequence[Persona]:
    """Everybody the single sign-on knows now."""
    file = os.environ.get("DEMO_PERSONAS")
    return read(Path(file)) if file else PEOPLE


def by_username(username: str) -> Persona | None:
    return next((persona for persona in personas() if persona.username == username), None)


def by_subject(subject: str) -> Persona | None:
    return next((persona for persona in personas() if persona.subject == subject), None)


def read(file: Path) -> Sequence[Persona]:
    return [Persona(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


def write(file: Path, people: Sequence[Persona]) -> None:
    """Put these people in the file, all at once: a reader sees the old ones or the new ones."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(json.dumps([asdict(persona) for persona in people], indent=1), encoding="utf-8")
    fresh.replace(file)
