"""Environments are made from their lock and nothing else, whatever pip the Python brought and whatever came out since."""

import shutil
from pathlib import Path

import pytest

from earthcode.lib import environments
from earthcode.lib.environments import NotInstalled, requirements
from tests.support.wheels import pinned, wheel

pytestmark = pytest.mark.slow


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks into as well."""
    folder = tmp_path / "releases"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return folder


@pytest.fixture
def lock(tmp_path: Path, releases: Path) -> Path:
    """``nor-user``, which asks for an extra of ``nor-thing``; the lock names the older of its two releases, plainly."""
    user = wheel(releases, "nor-user", "1.0", needs=["nor-thing[fast]>=1"])
    thing = wheel(releases, "nor-thing", "1.0", extras=["fast"])
    wheel(releases, "nor-thing", "2.0", extras=["fast"], needs=["nor-nobody-made-this"])
    lock = tmp_path / "some.lock"
    lock.write_text("# some\n" + pinned(thing, "nor-thing==1.0") + pinned(user, "nor-user==1.0"), "utf-8")
    return lock


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it but the installer, to copy."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "nothing.lock").write_text("", "utf-8")
    environments.make(folder / "made", folder / "nothing.lock")
    return folder / "made"


@pytest.fixture
def made(tmp_path: Path, empty: Path) -> Path:
    shutil.copytree(empty, tmp_path / "made", symlinks=True)
    return tmp_path / "made"


def _installed(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("lib/*/site-packages/*.dist-info")}


def test_a_newer_release_changes_nothing(made: Path, lock: Path) -> None:
    pip = requirements(environments.PIP_LOCK.read_text("utf-8"))["pip"][0].split()[0].removeprefix("pip==")

    assert environments.make(made, lock)

    assert _installed(made) >= {"nor_thing-1.0.dist-info", "nor_user-1.0.dist-info", f"pip-{pip}.dist-info"}
    assert not environments.make(made, lock)


def test_a_changed_lock_is_installed(made: Path, lock: Path, releases: Path) -> None:
    environments.make(made, lock)
    newer = wheel(releases, "nor-thing", "3.0", extras=["fast"])
    user = releases / "nor_user-1.0-py3-none-any.whl"
    lock.write_text(pinned(newer, "nor-thing[fast]==3.0") + pinned(user, "nor-user==1.0"), "utf-8")

    assert environments.make(made, lock)

    assert "nor_thing-3.0.dist-info" in _installed(made)
    assert "nor_thing-1.0.dist-info" not in _installed(made)


def test_a_lock_that_is_not_whole_is_refused_and_tried_again_the_next_time(
    made: Path, lock: Path, releases: Path
) -> None:
    whole = lock.read_text("utf-8")
    lock.write_text(pinned(releases / "nor_user-1.0-py3-none-any.whl", "nor-user==1.0"), "utf-8")

    for _ in range(2):
        with pytest.raises(NotInstalled, match=r"nor-user 1\.0 requires nor-thing, which is not installed"):
            environments.make(made, lock)

    lock.write_text(whole, "utf-8")
    assert environments.make(made, lock)


def test_another_file_than_the_lock_says_is_refused(made: Path, lock: Path, releases: Path) -> None:
    wheel(releases, "nor-thing", "1.0", extras=["fast", "another"])

    with pytest.raises(NotInstalled, match=r"(?i)hash"):
        environments.make(made, lock)

    assert "nor_thing-1.0.dist-info" not in _installed(made)


def test_an_environment_whose_python_is_gone_is_made_anew(made: Path, lock: Path) -> None:
    environments.make(made, lock)
    for program in (made / "bin").glob("python*"):
        program.unlink()

    assert environments.make(made, lock)

    assert "nor_thing-1.0.dist-info" in _installed(made)


def test_a_line_that_names_no_package_is_refused() -> None:
    with pytest.raises(NotInstalled, match="--index-url"):
        requirements("--index-url https://packages.example/\n")
