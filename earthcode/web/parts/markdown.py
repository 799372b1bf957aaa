"""Markdown that people write (science cases, descriptions) as HTML that cannot do harm."""

from collections.abc import Sequence

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
#: For messages, which many write as plain text: a new line is one in the HTML, too.
_MESSAGE = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")


def to_html(text: str, *, top: int = 3, is_message: bool = False) -> SafeString:
    """Markdown as safe HTML. Raw HTML in it is shown as text; images are dropped.

    Its headings start at ``top``, below those of the page, and step down one level at a time whatever the writer used.
    ``is_message``: new lines are kept.
    """
    markdown = _MESSAGE if is_message else _MARKDOWN
    tokens = markdown.parse(text)
    _relevel(tokens, top)
    html = markdown.renderer.render(tokens, markdown.options, {})
    cleaned = nh3.clean(html, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"})
    return mark_safe(cleaned)  # noqa: S308  # nh3 let only the tags above through


def _relevel(tokens: Sequence[Token], top: int) -> None:
    open_levels: list[str] = []
    for token in tokens:
        if token.type == "heading_open":
            while open_levels and open_levels[-1] >= token.tag:
                open_levels.pop()
            open_levels.append(token.tag)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(top + len(open_levels) - 1, 6)}"
