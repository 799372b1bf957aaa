"""The Open Science Catalog's files, read with all their variants.

The catalogue is written by many hands and tools: a title beside the properties or in them, one language or a list of them,
``true`` or ``"true"`` or ``["true"]``, relations that no registry knows. All of that is understood. What makes a record
useless (no id, no title, another kind than its folder) is told with its file and line, and nothing is guessed.

People are left out: no contacts are read, and e-mail addresses in texts are blanked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urljoin, urlsplit

from earthcode.catalogue.vocabulary import all_normalised, normalised
from earthcode.lib.reading import (
    YEAR_MAX,
    YEAR_MIN,
    Unreadable,
    flag,
    is_beyond_the_calendar,
    json_of,
    mapping,
    moment,
    sequence,
)
from earthcode.lib.text import line, lines, without_addresses
from earthcode.science.linking import MADE, NAMED, OPENS
from earthcode.science.models import Kind

#: Records that come with this site, made up, for the demonstration.
DEMONSTRATION: Final = Path(__file__).parent / "data" / "demonstration.json"
#: Where the catalogue publishes its files; links in records are relative to their own.
BASE_URL: Final = "https://esa-earthcode.github.io/open-science-catalog-metadata/"

#: Roles of links that are kept, in the order in which they are shown.
ROLES: Final = ("open", "application", "code", "documentation", "download", "input", "environment", "result", "related")

FOLDERS: Final = {"workflows": Kind.WORKFLOW, "experiments": Kind.EXPERIMENT}

_ROLE_OF_RELATION: Final = {
    "application": "application",
    "jupyter-notebook": "application",
    "process_graph": "application",
    "git": "code",
    "vcs": "code",
    "code": "code",
    "documentation": "documentation",
    "download": "download",
    "input": "input",
    "environment": "environment",
    "via": "open",
    "preprint": "related",
    "related publication": "related",
    "additional required dataset": "input",
}
_ROLE_OF_PLATFORM: Final = {"application-platform": NAMED, "application-originating-platform": MADE}
_TYPE_OF_MEDIA: Final = {
    "application/x-ipynb+json": "Jupyter notebook",
    "application/x-argo-workflow-yaml": "Argo workflow",
    "application/cwl": "OGC application package",
    "application/cwl+yaml": "OGC application package",
    "application/cwl+json": "OGC application package",
}
_OPENEO: Final = "openEO process graph"
_OPENEO_EDITOR: Final = "editor.openeo.org"
_THEMES: Final = {"ocean": "oceans"}

#: Wider than what the catalogue's own tools write: people name records by hand, with parentheses for a place or a year.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._()+~,-]{0,119}")
_RECORD = re.compile(r"/(workflows|experiments)/([^/]+)/record\.json$")
_PRODUCT = re.compile(r"/products/([^/]+)/collection\.json$")
_THEME = re.compile(r"/themes/([^/]+)/catalog\.json$")


@dataclass(frozen=True)
class OscRecord:
    """What a file says, ready to be stored. ``workflow`` and ``experiments`` are ids of the other side of the link."""

    kind: Kind
    osc_id: str
    values: dict[str, Any]
    workflow: str = ""
    experiments: tuple[str, ...] = ()
    #: Of its file, by which others link to it; often but not always its id.
    folder: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind.value, self.osc_id)


@dataclass
class Reading:
    """What was read. ``problems``: one sentence for each fault, with file and line.

    ``complete``: kinds of which all records were among the files, so that those that are not there are gone.
    ``unusable``: records that are there but cannot be used; they are not gone.
    """

    records: list[OscRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    complete: set[Kind] = field(default_factory=set)
    unusable: set[tuple[str, str]] = field(default_factory=set)
    #: Addresses of their files, for those that do not even say their id.
    unusable_addresses: set[str] = field(default_factory=set)


def read(paths: Iterable[Path], *, base_url: str = BASE_URL) -> Reading:
    """The records below a checkout of the catalogue's metadata, or in JSON files with one or many."""
    reading = Reading()
    for path in paths:
        if path.is_dir():
            _read_folder(path, reading, base_url)
        else:
            _read_file(path, path.name, None, reading, base_url)
    reading.records = _named_by_id(reading.records)
    return reading


def _named_by_id(records: Iterable[OscRecord]) -> list[OscRecord]:
    """Records link to folders; what is stored names ids."""
    found = list(records)
    ids = {(each.kind, each.folder): each.osc_id for each in found}
    return [
        replace(
            each,
            workflow=ids.get((Kind.WORKFLOW, each.workflow), each.workflow),
            experiments=tuple(ids.get((Kind.EXPERIMENT, name), name) for name in each.experiments),
        )
        for each in found
    ]


# --- files ------------------------------------------------------------------------------------------------------------


def _read_folder(path: Path, reading: Reading, base_url: str) -> None:
    folders = {path / name: kind for name, kind in FOLDERS.items() if (path / name).is_dir()}
    if path.name in FOLDERS and not folders:
        folders = {path: FOLDERS[path.name]}
    if not folders:
        reading.problems.append(f"{path}: holds neither “workflows” nor “experiments”")
    for folder, kind in folders.items():
        files = sorted(folder.glob("*/record.json"))
        if not files:
            # More likely the wrong folder than a catalogue that has lost everything.
            reading.problems.append(f"{folder}: holds no record.json")
            continue
        reading.complete.add(kind)
        for file in files:
            _read_file(file, f"{folder.name}/{file.parent.name}/{file.name}", kind, reading, base_url)


def _read_file(path: Path, name: str, kind: Kind | None, reading: Reading, base_url: str) -> None:
    """``kind``: what the folder says it is; None for a file by itself."""
    folder = path.parent.name if kind is not None else ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = json_of(text)
    except (OSError, UnicodeDecodeError, Unreadable) as error:
        at = f", line {line}" if (line := getattr(error, "line_number", 0)) else ""
        why = error if isinstance(error, Unreadable) else f"cannot be read ({error})"
        reading.problems.append(f"{name}{at}: {why}")
        if kind is not None:
            reading.unusable.add((kind.value, folder))
            reading.unusable_addresses.add(_address(base_url, kind, folder))
        return
    many = document
    if isinstance(document, dict) and isinstance(document.get("features"), list):
        many = document["features"]
    found = []
    start = 0
    for number, each in enumerate(many if isinstance(many, list) else [document], start=1):
        where = _Where(text, name, number)
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            start = where.begin(each["id"], start)
        record = _record(each, kind, where, base_url, folder)
        reading.problems += where.problems
        if record is not None and any(record.key == other.key for other in reading.records):
            reading.problems.append(f"{where.line('id')}: there is another record of this kind with this id")
        elif record is not None:
            found.append(record)
            reading.records.append(record)
        else:
            names = {each["id"]} if isinstance(each, dict) and isinstance(each.get("id"), str) else set()
            reading.unusable |= {(each_kind.value, name) for each_kind in Kind for name in names | {folder}}
            if kind is not None:
                reading.unusable_addresses.add(_address(base_url, kind, folder))
    if isinstance(many, list):
        reading.complete |= {record.kind for record in found}
        if not many:
            reading.problems.append(f"{name}: holds no records")
            if kind is not None:
                reading.unusable_addresses.add(_address(base_url, kind, folder))


class _Where:
    """Where in a file a record is, and what is wrong with it."""

    def __init__(self, text: str, file: str, number: int) -> None:
        self._text = text
        self._file = file
        self._start = 0
        self._number = number
        self._id = ""
        self.problems: list[str] = []

    def begin(self, osc_id: str, after: int) -> int:
        """Find the record with this id; returns where the next one can begin."""
        self._id = osc_id
        found = re.compile(r'"id"\s*:\s*' + re.escape(json.dumps(osc_id, ensure_ascii=False))).search(self._text, after)
        if found is None:
            return after
        self._start = found.start()
        return found.end()

    def line(self, name: str) -> str:
        """File and line of a field, or of the record where the field is not there."""
        found = self._text.find(json.dumps(name), self._start)
        position = found if found >= 0 else self._start
        record = f"“{self._id}”" if self._id else f"record {self._number}"
        return f"{self._file}, line {self._text.count(chr(10), 0, position) + 1}, {record}"

    def wrong(self, name: str, what: str) -> None:
        self.problems.append(f"{self.line(name)}: {what}")


# --- one record -------------------------------------------------------------------------------------------------------


def _address(base_url: str, kind: str, folder: str) -> str:
    return f"{base_url}{kind}s/{quote(folder, safe='()+~,')}/record.json"


def _record(data: Any, kind: Kind | None, where: _Where, base_url: str, folder: str) -> OscRecord | None:
    if not isinstance(data, dict):
        where.wrong("id", "is no object")
        return None
    properties = data.get("properties")
    if not isinstance(properties, dict):
        where.wrong("properties", "has no “properties”")
        return None
    osc_id = data.get("id")
    if not isinstance(osc_id, str) or not _ID.fullmatch(osc_id):
        where.wrong("id", "“id” is not a name of at most 120 letters, digits and any of . _ - ( ) + ~ ,")
        return None
    stated = properties.get("type")
    if stated is not None and stated not in Kind.values:
        where.wrong("type", f"“type” is “{stated}”, not “workflow” or “experiment”")
        return None
    if kind is not None and stated is not None and stated != kind:
        where.wrong("type", f"“type” is “{stated}”, and the record is among the {kind}s")
        return None
    kind = kind or (Kind(stated) if stated else None)
    if kind is None:
        where.wrong("type", "“type” is missing")
        return None
    title = _text(properties.get("title")) or _text(data.get("title"))
    if not title or len(title) > 300:
        where.wrong("title", "“title” is missing, or longer than 300 characters")
        return None
    links = data.get("links", [])
    if not isinstance(links, list):
        where.wrong("links", "“links” is no list")
        return None
    if wrong := _of_another_shape(data, properties):
        for name, what in wrong:
            where.wrong(name, f"“{name}” {what}")
        return None
    folder = folder or osc_id
    address = _address(base_url, kind, folder)
    told = _Links([each for each in links if isinstance(each, dict)], address)
    application_type, is_derived = _application_type(properties, told)
    values = {
        "title": title,
        "description": _text(properties.get("description"), several=True)[:10_000],
        "application_type": application_type,
        "type_is_derived": is_derived,
        "in_container": _yes_no(
            properties.get("application:container"), *told.of_applications("application:container")
        ),
        "languages": _names(
            [properties.get("application:language"), *told.of_applications("application:language")], 60
        ),
        "kernel": _kernel(properties),
        "keywords": _names(properties.get("keywords"), 200),
        "themes": _themes(data, properties, told),
        "variables": _names(properties.get("osc:variables"), 120),
        "formats": _names(properties.get("formats"), 120),
        "license": _text(properties.get("license"))[:80],
        "osc_project": _text(properties.get("osc:project"))[:160],
        "osc_status": _text(properties.get("osc:status"))[:40],
        "platforms": told.platforms(),
        "links": told.kept(properties),
        "source_url": address,
        "updated_at": moment(properties.get("updated")),
    }
    workflow = ""
    if kind == Kind.EXPERIMENT:
        named = _names(properties.get("osc:workflow"), 120) or told.records("workflows")
        workflow = named[0] if named else ""
    experiments = told.records("experiments") if kind == Kind.WORKFLOW else []
    return OscRecord(kind, osc_id, values, workflow, tuple(experiments), folder)


def _of_another_shape(data: Mapping[str, Any], properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fields that hold something else than their kind of thing, and what is wrong with each."""
    found = [
        (name, "is no text")
        for name in ("title", "description", "license", "osc:project", "osc:status", "updated")
        if not isinstance(properties.get(name), str | None)
    ]
    if is_beyond_the_calendar(properties.get("updated")):
        found.append(("updated", f"is a date outside of the years {YEAR_MIN} to {YEAR_MAX}"))
    for name, among in (("themes", properties), ("themes", data), ("keywords", properties), ("formats", properties)):
        value = among.get(name)
        if not isinstance(value, list | str | None) or (name == "themes" and isinstance(value, str)):
            found.append((name, "is no list"))
    if not isinstance(properties.get("jupyter_kernel_info"), dict | None):
        found.append(("jupyter_kernel_info", "is no object"))
    return list(dict.fromkeys(found))


def _application_type(properties: Mapping[str, Any], links: _Links) -> tuple[str, bool]:
    """The type of the program, in our spelling, and whether it was read from something else than its own field."""
    for stated in (properties.get("application:type"), *links.of_applications("application:type")):
        if name := _text(stated):
            return normalised(name)[:80], False
    derived = links.derived_type() or ("Jupyter notebook" if properties.get("jupyter_kernel_info") else "")
    return derived, bool(derived)


def _kernel(properties: Mapping[str, Any]) -> str:
    kernel = properties.get("jupyter_kernel_info")
    if not isinstance(kernel, dict):
        return ""
    version = kernel.get("python_version")
    name = _text(kernel.get("name"))
    python = f"Python {version}" if isinstance(version, str | int | float) and not isinstance(version, bool) else ""
    return ", ".join(part for part in (name, python) if part)[:120]


def _themes(data: Mapping[str, Any], properties: Mapping[str, Any], links: _Links) -> list[str]:
    """From the record's themes, from a list beside its properties, or from its links, in this order."""
    found: list[str] = []
    for theme in properties.get("themes") or []:
        found += [_text(mapping(each).get("id")) for each in sequence(mapping(theme).get("concepts"))]
    found = found or _names(data.get("themes"), 80) or links.matching(_THEME)
    return list(dict.fromkeys(_THEMES.get(name, name)[:80] for name in map(str.lower, found) if name))


class _Links:
    """The links of a record, their addresses complete. Those to anything but web pages are not there."""

    def __init__(self, links: Iterable[Mapping[str, Any]], base: str) -> None:
        self._links: list[tuple[str, str, Mapping[str, Any]]] = []
        for link in links:
            relation, href = _text(link.get("rel")).lower(), _text(link.get("href"))
            try:
                url = urljoin(base, href)
                is_web = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
            except ValueError:
                continue
            if href and is_web and len(url) <= 2000:
                self._links.append((relation, url, link))

    def __iter__(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        return iter(self._links)

    def of_applications(self, name: str) -> list[Any]:
        """A field of the links to the program itself."""
        return [link.get(name) for relation, _url, link in self if relation == "application" and link.get(name)]

    def matching(self, pattern: re.Pattern[str]) -> list[str]:
        return list(dict.fromkeys(found[1] for _relation, url, _link in self if (found := pattern.search(url))))

    def records(self, folder: str) -> list[str]:
        """Folders of the records of the other kind that it links to."""
        ids = [unquote(found[2]) for _rel, url, _link in self if (found := _RECORD.search(url)) and found[1] == folder]
        return [each for each in dict.fromkeys(ids) if _ID.fullmatch(each)]

    def derived_type(self) -> str:
        """The type that a link gives away: by its media type, its file's name, its editor, or what its platform supports."""
        for relation, url, link in self:
            if found := _TYPE_OF_MEDIA.get(_text(link.get("type")).partition(";")[0]):
                return found
            path = urlsplit(url).path
            if path.endswith(".ipynb") and _ROLE_OF_RELATION.get(relation) == "application":
                return "Jupyter notebook"
            if path.endswith(".cwl"):
                return "OGC application package"
            if relation == "process_graph" or urlsplit(url).hostname == _OPENEO_EDITOR:
                return _OPENEO
        for relation, _url, link in self:
            supports = _names(link.get("application:platform_supports"), 80)
            if relation in _ROLE_OF_PLATFORM and len(supports) == 1:
                return normalised(supports[0])
        return ""

    def platforms(self) -> list[dict[str, str]]:
        found = []
        for relation, url, link in self:
            if role := _ROLE_OF_PLATFORM.get(relation):
                found.append({"role": role, "title": _text(link.get("title"))[:200], "url": url})
            elif urlsplit(url).hostname == _OPENEO_EDITOR:
                # The editor is a page; the back-end that it would send the job to is in the address.
                for server in _web_addresses(parse_qs(urlsplit(url).query).get("server", [])):
                    found.append({"role": OPENS, "title": urlsplit(server).hostname or "", "url": server})
        return _once(found)

    def kept(self, properties: Mapping[str, Any]) -> list[dict[str, str]]:
        """The links that people follow, by role; nothing that only ties the catalogue together."""
        found = []
        for relation, url, link in self:
            if role := self._role(relation, url, link):
                found.append({"role": role, "title": _text(link.get("title"))[:300], "url": url})
        kernel = properties.get("jupyter_kernel_info")
        if isinstance(kernel, dict):
            files = _web_addresses([_text(kernel.get("env_file"))])
            found += [{"role": "environment", "title": "", "url": url} for url in files]
        if doi := _text(properties.get("DOI")) or _text(properties.get("sci:doi")):
            doi_urls = _web_addresses([doi if "://" in doi else f"https://doi.org/{doi}"])
            found += [
                {"role": "related", "title": f"DOI {doi.rpartition('doi.org/')[2]}", "url": url} for url in doi_urls
            ]
        return sorted(_once(found), key=lambda each: ROLES.index(each["role"]))

    def _role(self, relation: str, url: str, link: Mapping[str, Any]) -> str:
        if relation in _ROLE_OF_PLATFORM:
            return ""
        if _PRODUCT.search(url):
            return "result" if relation in ("child", "related") else _ROLE_OF_RELATION.get(relation, "")
        if relation == "related" and not _text(link.get("href")).startswith("."):
            return "open" if _text(link.get("type")).startswith("text/html") else "related"
        return _ROLE_OF_RELATION.get(relation, "")


# --- values -----------------------------------------------------------------------------------------------------------


def _text(value: Any, *, several: bool = False) -> str:
    """Clean text without e-mail addresses; in one line, unless ``several`` may stay."""
    if not isinstance(value, str):
        return ""
    text = without_addresses(lines(value) if several else line(value), "(e-mail address left out)")
    return re.sub(r"\n{3,}", "\n\n", text)


def _names(value: Any, longest: int) -> list[str]:
    """A name, a list of names, or a list of objects with names; each once, in our spelling where we have one."""
    found: list[str] = []
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, list):
            found += _names(each, longest)
        else:
            found.append(_text(each.get("name") if isinstance(each, dict) else each)[:longest])
    return all_normalised(name for name in found if name)


def _yes_no(*values: Any) -> bool | None:
    for value in values:
        first = value[0] if isinstance(value, list) and value else value
        if (said := flag(first)) is not None:
            return said
        if isinstance(first, str) and first.strip():
            # Anything but a "no" is the name of an image.
            return first.strip().lower() not in {"no", "none", "null"}
    return None


def _web_addresses(urls: Iterable[str]) -> list[str]:
    found = []
    for url in urls:
        try:
            parts = urlsplit(url)
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname and len(url) <= 2000:
            found.append(url)
    return found


def _once(links: list[dict[str, str]]) -> list[dict[str, str]]:
    """Each address once in each role, with the title that came first."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for link in links:
        found.setdefault((link["role"], link["url"]), link)
    return list(found.values())
