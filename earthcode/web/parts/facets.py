"""The boxes of a list's filters, drawn without templates: a page has a hundred, and a template each took a fifth of its time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import ngettext


class Option(Protocol):
    """One box: ``count`` is how many it would show."""

    @property
    def value(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def checked(self) -> bool: ...


#: What a filter counts, by a name for it.
_NOUNS: Final[Mapping[str, Callable[[int], str]]] = {
    "offering": lambda count: ngettext("offering", "offerings", count),
    "record": lambda count: ngettext("record", "records", count),
}


def boxes(name: str, options: Iterable[Option], counts: str = "offering") -> SafeString:
    """The options of the filter ``name``; ``counts`` says what their numbers are of."""
    noun = _NOUNS[counts]
    return SafeString("\n".join(_box(name, option, noun(option.count)) for option in options))


def _box(name: str, option: Option, noun: str) -> SafeString:
    return format_html(
        '<label{}>\n<input type="checkbox" id="{name}-{value}" name="{name}" value="{value}"{}>\n<span>{}</span>\n'
        '<span class="facet-count">\n{}\n<span class="visually-hidden">{}</span>\n</span>\n</label>',
        SafeString("" if option.count else ' class="none"'),
        SafeString(" checked" if option.checked else ""),
        option.label,
        localize(option.count),
        noun,
        name=name,
        value=option.value,
    )
