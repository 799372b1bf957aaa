"""The contracts of the layers hold, and each of them notices when it is broken."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]

#: From the top layer to the bottom; siblings share a row. The same table as in pyproject.toml, for foreign keys.
LAYERS = (
    {"web", "api", "demo"},
    {"settlement"},
    {"provisioning"},
    {"sponsorship", "onboarding", "publishing", "science"},
    {"catalogue"},
    {"identity", "ledger", "notifications"},
    {"audit"},
)
DOMAIN = (
    "settlement",
    "provisioning",
    "sponsorship",
    "onboarding",
    "publishing",
    "science",
    "catalogue",
    "identity",
    "ledger",
    "notifications",
    "audit",
    "lib",
)
HTTP = ("rest_framework", "django.http", "django.shortcuts")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy_of_the_project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "earthcode", tmp_path / "earthcode", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_contracts_hold(copy_of_the_project: Path) -> None:
    result = lint_imports(copy_of_the_project)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("lib/errors.py", "import earthcode.audit.actions", "The layers"),
        ("ledger/actions.py", "import earthcode.identity.roles", "The layers"),
        ("sponsorship/actions.py", "import earthcode.provisioning.models", "The layers"),
        ("provisioning/actions.py", "import earthcode.ledger.models", "Only the ledger"),
        ("connectors/base.py", "import earthcode.lib.claim", "Connectors know no database"),
        ("web/parts/lists.py", "import earthcode.web.catalogue.listing", "The pages by audience"),
        ("web/catalogue/estimates.py", "import earthcode.web.requests.words", "The pages by audience"),
        ("web/provider/orders.py", "import earthcode.web.requests.listing", "The pages by audience"),
        ("web/requests/page.py", "import earthcode.web.projects.allocation", "The pages by audience"),
        ("web/projects/pages.py", "import earthcode.web.review.queues", "The pages by audience"),
        ("web/review/queues.py", "import earthcode.web.site.dashboard", "The pages by audience"),
    ],
)
def test_a_broken_contract_is_noticed(copy_of_the_project: Path, module: str, line: str, contract: str) -> None:
    path = copy_of_the_project / "earthcode" / module
    path.write_text(path.read_text() + f"\n{line}\n")

    result = lint_imports(copy_of_the_project)

    assert result.returncode == 1, result.stdout + result.stderr
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), result.stdout


@pytest.mark.parametrize("parent", ["earthcode", "earthcode/web"])
def test_a_package_without_a_layer_is_noticed(copy_of_the_project: Path, parent: str) -> None:
    package = copy_of_the_project / parent / "newcomer"
    package.mkdir()
    (package / "__init__.py").touch()

    assert lint_imports(copy_of_the_project).returncode == 1


def test_foreign_keys_point_down_the_layers() -> None:
    depth = {app: number for number, row in enumerate(LAYERS) for app in row}
    wrong = []
    for model in apps.get_models():
        if not model.__module__.startswith("earthcode."):
            continue
        for field in model._meta.get_fields():
            target = getattr(field, "remote_field", None) and field.related_model
            if not target or field.auto_created or not target.__module__.startswith("earthcode."):
                continue
            here, there = model._meta.app_label, target._meta.app_label
            if here != there and depth[here] >= depth[there]:
                wrong.append(f"{model._meta.label}.{field.name} → {target._meta.label}")
    assert wrong == []


def test_the_domain_does_not_know_http() -> None:
    wrong = []
    for package in DOMAIN:
        for path in (ROOT / "earthcode" / package).rglob("*.py"):
            if path.is_relative_to(ROOT / "earthcode" / "lib" / "http"):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
                else:
                    continue
                wrong += [f"{path.relative_to(ROOT)}: {name}" for name in names if name.startswith(HTTP)]
    assert wrong == []


def test_templates_and_tests_have_the_names_of_the_pages() -> None:
    """A page is found in three places under one name: its view, its templates, its tests."""
    audiences = {path.parent.name for path in (ROOT / "earthcode" / "web").glob("*/urls.py")} - {"sso"}
    assert len(audiences) == 7
    for place in ("templates", "tests/web"):
        missing = audiences - {path.name for path in (ROOT / place).iterdir() if path.is_dir()}
        assert not missing, place


@pytest.mark.parametrize(
    "package", sorted((ROOT / "earthcode" / "web").glob("*/urls.py")), ids=lambda path: path.parent.name
)
def test_a_package_of_pages_names_its_own_views_only(package: Path) -> None:
    name = f"earthcode.web.{package.parent.name}"
    for node in ast.walk(ast.parse(package.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("earthcode."):
            assert node.module == name
