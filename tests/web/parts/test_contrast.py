"""The colours of ``tokens.css`` can be read: text 4.5 to 1, edges and marks 3 to 1, in both themes (WCAG 1.4.3, 1.4.11)."""

import re
from pathlib import Path

import pytest
from django.conf import settings

TOKENS = (Path(settings.BASE_DIR) / "static/css/tokens.css").read_text(encoding="utf-8")
TEXT, EDGE = 4.5, 3.0

_HEX = r"#([0-9A-F]{6})"
_BOTH = {name: (light, dark) for name, light, dark in re.findall(rf"--([\w-]+): light-dark\({_HEX}, {_HEX}\);", TOKENS)}
_ONE = {name: (value, value) for name, value in re.findall(rf"--([\w-]+): {_HEX};", TOKENS)}
COLOURS = _BOTH | _ONE

MEANINGS = ("ok", "go", "info", "think", "warn", "bad", "mute")
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "ink-2", "ink-3") for ground in ("paper", "surface", "sunk", "hover")),
    *((name, f"{name}-bg", TEXT) for name in MEANINGS),
    *((name, ground, TEXT) for name in ("ok", "warn", "bad") for ground in ("surface", "paper")),
    *(("ink", f"{name}-bg", TEXT) for name in MEANINGS),
    ("accent", "surface", TEXT),
    ("accent", "paper", TEXT),
    ("accent-strong", "go-bg", TEXT),
    ("accent-strong", "surface", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    # late and soon on the chosen row of the queue
    ("bad", "go-bg", TEXT),
    ("warn", "go-bg", TEXT),
    ("ink-2", "surface", TEXT),
    ("line-strong", "surface", EDGE),
    ("line-strong", "paper", EDGE),
    ("line-strong", "sunk", EDGE),
    ("focus", "surface", EDGE),
    ("focus", "paper", EDGE),
    *((f"c{number}", "surface", EDGE) for number in range(1, 7)),
    # the bar, the hero, the tray
    ("deep-ink", "deep-9", TEXT),
    ("deep-ink-2", "deep-9", TEXT),
    ("deep-ink", "deep", TEXT),
    ("deep-ink-2", "deep", TEXT),
    ("deep-ink", "brand", TEXT),
    ("teal-vivid", "deep-9", EDGE),
    ("deep-focus", "deep-9", EDGE),
    ("deep-focus", "deep", EDGE),
    ("on-teal-glow", "teal-glow", TEXT),
    ("on-sun-vivid", "sun-vivid", TEXT),
]


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("000000", "FFFFFF") == pytest.approx(21)
    # The design names this ratio for ESA's teal, which is why text is never in it.
    assert contrast("00AE9D", "FFFFFF") == pytest.approx(2.78, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS, ids=lambda value: str(value))
def test_a_pair_of_colours_can_be_read(front: str, back: str, least: float, theme: int) -> None:
    assert contrast(COLOURS[front][theme], COLOURS[back][theme]) >= least


def test_every_colour_of_a_meaning_has_its_tint() -> None:
    assert {name for name in COLOURS if name.endswith("-bg")} == {f"{name}-bg" for name in MEANINGS}
