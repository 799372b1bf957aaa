"""What a browser loads: one stylesheet in production, nothing from elsewhere, light enough for a slow line."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command

from earthcode.web.site.gallery import SWATCHES
from earthcode.web.static_storage import inline_imports

STATIC = Path(settings.BASE_DIR) / "static"
WEIGHT_MAX = 100_000
SCRIPT_MAX = 6_000
#: htmx comes in a wheel and is its own; these are ours.
OURS = ("css/nor.css", "js/nor.js", "img/icons.svg", "img/ground-track.svg", "img/favicon.svg")
FONTS = ("fonts/titillium-600.woff2", "fonts/atkinson-next.woff2")
#: Fetched only by pages with a letter like Č.
LATIN_EXT = ("fonts/titillium-600-latin-ext.woff2", "fonts/atkinson-next-latin-ext.woff2")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What ``collectstatic`` makes with the production storage."""
    from django.test import override_settings

    root = tmp_path_factory.mktemp("static")
    storages = {**settings.STORAGES, "staticfiles": {"BACKEND": "earthcode.web.static_storage.StaticStorage"}}
    with override_settings(STATIC_ROOT=root, STORAGES=storages):
        call_command("collectstatic", interactive=False, verbosity=0)
        yield root


def manifest(root: Path) -> dict[str, str]:
    paths: dict[str, str] = json.loads((root / "staticfiles.json").read_text(encoding="utf-8"))["paths"]
    return paths


def test_imports_are_replaced_by_their_files() -> None:
    sheet = '@layer a, b;\n\n@import url("one.css");\n@import url("two.css");\n'

    assert inline_imports(sheet, {"one.css": "a {}\n", "two.css": "b {}\n"}) == "@layer a, b;\n\na {}\n\nb {}\n\n"


def test_an_import_of_a_file_that_is_not_there_fails() -> None:
    with pytest.raises(KeyError):
        inline_imports('@import url("gone.css");\n', {})


def test_production_serves_the_stylesheet_in_one_piece(collected: Path) -> None:
    sheet = (collected / manifest(collected)["css/nor.css"]).read_text(encoding="utf-8")

    parts = [part for part in STATIC.glob("css/*.css") if part.name not in {"nor.css", "gallery.css"}]
    assert "@import" not in sheet
    assert sheet.index("@layer reset, tokens, base, layout, components, pages, utilities, print;") < sheet.index(
        "@font-face"
    )
    assert [
        part.name for part in parts if without_urls(part.read_text(encoding="utf-8")).strip() not in without_urls(sheet)
    ] == []


def without_urls(sheet: str) -> str:
    """File names are different in production: the content's hash is in them."""
    return re.sub(r'url\("[^"]+"\)', "url()", sheet)


def test_the_stylesheet_names_files_by_their_content(collected: Path) -> None:
    sheet = (collected / manifest(collected)["css/nor.css"]).read_text(encoding="utf-8")

    urls = re.findall(r'url\("([^"]+)"\)', sheet)
    assert len(urls) == len(FONTS) + len(LATIN_EXT) + 1
    for url in urls:
        assert re.search(r"\.[0-9a-f]{12}\.(woff2|svg)$", url)
        assert (collected / "css" / url).resolve().is_file()


def test_collecting_twice_gives_the_same(collected: Path) -> None:
    before = manifest(collected)["css/nor.css"]

    call_command("collectstatic", interactive=False, verbosity=0)

    assert manifest(collected)["css/nor.css"] == before


def test_what_a_first_visit_loads_is_light(collected: Path) -> None:
    paths = manifest(collected)
    htmx = next(name for name in paths if name.endswith("htmx-2.min.js"))
    weight = {name: len(gzip.compress((collected / paths[name]).read_bytes())) for name in (*OURS, htmx)}
    # Fonts are compressed already and are sent as they are.
    weight |= {name: (collected / paths[name]).stat().st_size for name in FONTS}

    assert sum(weight.values()) < WEIGHT_MAX, weight


def test_the_script_is_small() -> None:
    assert (STATIC / "js/nor.js").stat().st_size < SCRIPT_MAX


def test_every_part_of_the_stylesheet_is_imported_once() -> None:
    imported = re.findall(r'@import url\("([^"]+)"\);', (STATIC / "css/nor.css").read_text(encoding="utf-8"))

    assert sorted(imported) == sorted(
        part.name for part in STATIC.glob("css/*.css") if part.name not in {"nor.css", "gallery.css"}
    )


def test_every_colour_of_the_gallery_has_its_swatch() -> None:
    sheet = (STATIC / "css/gallery.css").read_text(encoding="utf-8")

    assert [name for name, _use in SWATCHES if f".swatch.{name} {{" not in sheet] == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in (*STATIC.glob("css/*.css"), *STATIC.glob("js/*.js")):
        assert not re.search(r"(url\(|import|fetch\()[^;]*(https?:)?//", file.read_text(encoding="utf-8")), file.name


def test_every_variable_that_is_used_is_defined() -> None:
    sheets = "\n".join(file.read_text(encoding="utf-8") for file in STATIC.glob("css/*.css"))

    assert set(re.findall(r"var\((--[\w-]+)", sheets)) - set(re.findall(r"(--[\w-]+):", sheets)) == set()


def test_the_files_of_others_are_the_ones_that_are_written_down() -> None:
    written = dict(
        re.findall(r"\| `(fonts/[\w.-]+)` \|.*`([0-9a-f]{64})`", (STATIC / "VENDOR.md").read_text(encoding="utf-8"))
    )

    found = {
        file.relative_to(STATIC).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in STATIC.glob("fonts/*.woff2")
    }
    assert written == found


def test_the_fonts_have_their_licence_beside_them() -> None:
    for name in ("titillium", "atkinson"):
        text = (STATIC / f"fonts/OFL-{name}.txt").read_text(encoding="utf-8")
        assert "SIL OPEN FONT LICENSE Version 1.1" in text
        assert text.startswith("Copyright")


def test_development_finds_the_same_stylesheet() -> None:
    assert finders.find("css/nor.css") == str(STATIC / "css/nor.css")
