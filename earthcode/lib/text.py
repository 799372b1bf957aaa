"""Text as people and other people's programs send it, made fit to keep: one function for lines, one for texts.

Every form, field of the API and import cleans by these two, so that what one of them takes the others take, too. What goes:

- what PostgreSQL cannot hold: NUL and lone surrogates;
- control characters, and format characters that change how the rest is read: overrides of the direction, invisible marks;
- what cannot be seen: text in which nothing is visible is empty.

What stays is normalised (Unicode NFC), so that two ways to write "é" are one. The two joiners stay where they join letters:
Persian and the scripts of India need them.
"""

import re
import unicodedata
from typing import Final

#: Zero-width non-joiner and joiner.
_JOINERS: Final = frozenset("\u200c\u200d")
#: Letters and symbols by their category that show nothing: fillers of Hangul, the empty Braille cell, the grapheme joiner.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
#: Control, format, surrogate; and the line and paragraph separators, which are line ends by another name.
_UNWANTED: Final = frozenset({"Cc", "Cf", "Cs"})

#: A plain text needs no looking at each letter: printable ASCII.
_PLAIN: Final = re.compile(r"[ -~]*")
_LINE_END: Final = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES: Final = re.compile(r"[^\S\n]+$", re.MULTILINE)
#: Every character is looked at once: a run of letters begins where none is before it, and gives nothing back.
_ADDRESS: Final = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++")


def line(text: str) -> str:
    """One line: runs of white space are one space, and nothing invisible is left; empty where nothing could be seen."""
    if _PLAIN.fullmatch(text):
        return " ".join(text.split())
    return " ".join(_visible(" ".join(text.split())).split())


def lines(text: str) -> str:
    r"""A text of several lines, which end with ``\n``; spaces at their ends and around the text go."""
    if not _PLAIN.fullmatch(text):
        text = _visible(_LINE_END.sub("\n", text), keep="\n\t")
    return _SPACES.sub("", text).strip()


def keepable(text: str) -> str:
    """The text without what PostgreSQL cannot hold, for what is only looked up and compared."""
    if text.isascii():
        return text.replace("\0", "")
    return "".join(each for each in text if each != "\0" and not "\ud800" <= each <= "\udfff")


def is_keepable(text: str) -> bool:
    """Whether PostgreSQL can hold it."""
    return keepable(text) == text


def without_addresses(text: str, instead: str) -> str:
    """The text with something else in the place of each e-mail address; as long a text takes as much longer, not more."""
    return _ADDRESS.sub(instead, text)


def has_address(text: str) -> bool:
    """Whether there is an e-mail address in it."""
    return _ADDRESS.search(text) is not None


def _visible(text: str, *, keep: str = "") -> str:
    """Without the characters that nobody should send; empty where none of the others shows anything."""
    # A control character between two words parts them, a format character inside a word does not.
    parts = (
        each if each in keep or unicodedata.category(each) not in _UNWANTED else _instead(text, place)
        for place, each in enumerate(text)
    )
    kept = unicodedata.normalize("NFC", "".join(parts))
    return kept if any(_shows(each) for each in kept) else ""


def _instead(text: str, place: int) -> str:
    each = text[place]
    if each in _JOINERS and _joins(text, place):
        return each
    return " " if unicodedata.category(each) == "Cc" and each != "\0" else ""


def _joins(text: str, place: int) -> bool:
    """Whether both neighbours are something that can be joined; also the symbols that emoji are made of."""
    around = (text[place - 1] if place else " ", text[place + 1] if place + 1 < len(text) else " ")
    return all(unicodedata.category(each)[0] in "LMS" and not each.isascii() and each not in _BLANK for each in around)


def _shows(each: str) -> bool:
    # A mark without a letter shows next to nothing, and a variation selector nothing at all.
    return each not in _BLANK and unicodedata.category(each)[0] in "LNPS"
