"""Tags and filters that every template has (settings: builtins)."""

from collections.abc import Iterable

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from earthcode.lib import money, tracing
from earthcode.web.parts import charts, facets
from earthcode.web.parts import markdown as markdown_text
from earthcode.web.parts.statuses import status_of

register = template.Library()


@register.filter(name="credits")
def credits_text(amount: int | None, decimals: int | None = None) -> str:
    """An amount of micro-credits as text, to a hundredth: ``2 684.5``.

    The unit is written beside it: "cr" in tight places, "credits" in sentences.
    """
    if amount is None:
        return ""
    return money.amount_text(amount) if decimals is None else money.as_text(amount, decimals=decimals)


@register.simple_tag(name="request_id")
def request_id_tag() -> str:
    """What the log calls the request that is being answered; for error pages."""
    return tracing.request_id()


@register.filter
def signed_credits(amount: int | None, decimals: int | None = None) -> str:
    """Micro-credits with their sign, for ledgers: ``+12.4``, ``−17.4``."""
    if amount is None:
        return ""
    return ("+" if amount > 0 else "") + credits_text(amount, decimals)


@register.filter
def plain(number: object) -> str:
    """A number without groups, for ids, years and attributes: numbers in templates are grouped otherwise."""
    return "" if number is None else str(number)


@register.filter
def names(error: object, label: object) -> bool:
    """Whether an error says which field it is about, so that nobody has to say it before."""
    return str(label) in str(error)


@register.filter
def said(text: str | None, top: int = 4) -> SafeString:
    """What a person wrote to another, as Markdown with its new lines; stands in an element of the class ``said``."""
    return markdown_text.to_html(str(text or ""), top=top, is_message=True)


@register.filter(name="markdown")
def markdown_html(text: str | None, top: int = 3) -> SafeString:
    """Markdown as safe HTML, inside an element with the class ``prose``; its headings start at the level ``top``."""
    return markdown_text.to_html(str(text or ""), top=top)


@register.filter
def monogram(name: str) -> str:
    """One to four letters for a tile: the first word's own capitals (``openEO`` is ``oEO``), or the words' initials."""
    return charts.monogram(name)


@register.filter
def unit_of(field: BoundField) -> str:
    """The unit that stands in the field's box: ``widget=NumberInput(attrs={"data-unit": "credits"})``."""
    return str(field.field.widget.attrs.get("data-unit", ""))


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether the field is one box to tick, whose label stands beside it."""
    return field.widget_type == "checkbox"


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing of ``static/img/icons.svg``, hidden from screen readers: say the same in words."""
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        "phase" if name.startswith("ph") else "icon",
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def status(thing: object, *, own: bool = False) -> SafeString:
    """The pill of a status code, or of anything with a ``status``: moon phase, word, colour.

    ``own``: the reader is one of those who have to act on it.
    """
    this = status_of(thing)
    words = this.label_for(own=own)
    return format_html('<span class="status {}">{}{}</span>', this.tone, icon(this.phase), words)


@register.simple_tag
def avatar(person: object) -> SafeString:
    """Round initials of anything with ``initials``, or of a string. The name is written beside it."""
    return format_html('<span class="avatar" aria-hidden="true">{}</span>', getattr(person, "initials", person))


@register.simple_tag
def facet_options(name: str, options: Iterable[facets.Option], counts: str = "") -> SafeString:
    """The boxes of one filter; ``counts`` is what their numbers are of (``offering``, ``record``)."""
    return facets.boxes(name, options, counts or "offering")


@register.simple_tag
def tile(code: str, seed: object) -> SafeString:
    """A monogram that stands in for a logo."""
    return charts.tile(str(code), str(seed))


@register.simple_tag
def mark(kind: str, code: str = "", size: str = "") -> SafeString:
    """The drawing of a kind of service (``static/img/marks.svg``) with the letters of an offering, where it has some."""
    href = f"{static('img/marks.svg')}#{kind}"
    if not code:
        return format_html(
            '<svg class="mark {} {}" viewBox="0 0 48 48" aria-hidden="true">'
            '<use href="{}" x="9" y="9" width="30" height="30"/></svg>',
            kind,
            size or "small",
            href,
        )
    return format_html(
        '<svg class="mark {} {}" viewBox="0 0 48 48" aria-hidden="true"><use href="{}" x="12" y="4" width="24" height="24"/>'
        '<text x="24" y="42">{}</text></svg>',
        kind,
        size,
        href,
        code,
    )


@register.simple_tag
def price_strip(prices: list[int], price: int | None, balance: int | None = None) -> SafeString:
    """Where a price lies among its peers."""
    return charts.price_strip(prices, price, balance)


@register.simple_tag
def bar(total: int, *parts: object) -> SafeString:
    """A stacked bar: the total, then a value and a class for each part."""
    return charts.bar(total, charts.pairs(parts))


@register.simple_tag
def tall_bar(total: int, *parts: object) -> SafeString:
    """A stacked bar that carries a decision."""
    return charts.bar(total, charts.pairs(parts), tall=True)
