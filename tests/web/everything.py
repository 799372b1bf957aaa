"""All addresses and forms of the site, found and not listed, and things for them to be about."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

import earthcode.web


@dataclass(frozen=True)
class Address:
    """One pattern of the site; ``names`` are what it takes from the path, with the kind of each."""

    name: str
    route: str
    names: tuple[tuple[str, str], ...]


def addresses() -> Iterator[Address]:
    """Every address that has a name."""
    yield from _below(get_resolver(), "")


def _below(resolver: URLResolver, prefix: str) -> Iterator[Address]:
    for each in resolver.url_patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _below(each, route)
        elif isinstance(each, URLPattern) and each.name:
            kinds = (
                {name: type(converter).__name__ for name, converter in each.pattern.converters.items()}
                if isinstance(each.pattern, RoutePattern)
                else dict.fromkeys(each.pattern.regex.groupindex, "Regex")
            )
            yield Address(each.name, route, tuple(kinds.items()))


def form_classes() -> list[type[forms.BaseForm]]:
    """Every form that is written down below ``earthcode.web``."""
    found: set[type[forms.BaseForm]] = set()
    for module in _modules():
        found |= {
            each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, forms.BaseForm) and each.__module__ == module.__name__
        }
    return sorted(found, key=lambda each: (each.__module__, each.__qualname__))


def formset_classes() -> list[type[forms.BaseFormSet[Any]]]:
    """Every set of forms that a page takes."""
    return [
        each
        for module in _modules()
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, forms.BaseFormSet) and hasattr(each, "absolute_max")
    ]


def _modules() -> list[Any]:
    names = [found.name for found in pkgutil.walk_packages(earthcode.web.__path__, "earthcode.web.")]
    return [importlib.import_module(name) for name in names]
