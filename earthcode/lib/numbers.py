"""Decimal numbers as text: for people, and for machines."""

from decimal import Decimal

from earthcode.lib.money import GROUP_SEPARATOR


def number_text(value: Decimal) -> str:
    """A number for people: grouped with U+202F, at most three decimals, no trailing zeros."""
    text = f"{value:,.3f}".rstrip("0").rstrip(".")
    return text.replace(",", GROUP_SEPARATOR)


def plain(value: Decimal) -> str:
    """A number for machines: no grouping, no exponent, no trailing zeros, so that equal numbers are equal texts."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
