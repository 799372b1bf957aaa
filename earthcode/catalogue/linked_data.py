"""An offering as search engines read it: JSON-LD in the words of schema.org."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.safestring import SafeString, mark_safe

from earthcode.catalogue.metrics import Evidence, Metric
from earthcode.catalogue.models import Offering, Plan
from earthcode.catalogue.pricing import PricedComponent
from earthcode.lib.money import MICRO
from earthcode.lib.numbers import plain

#: 1 credit is 1 EUR (DESIGN, words); search engines know currencies only.
CURRENCY: Final = "EUR"

# What ends a script element, or begins a comment in one.
_ESCAPES: Final = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}

Json = dict[str, Any]


def service_of(
    offering: Offering, plans: Sequence[Plan], components: Mapping[int, Sequence[PricedComponent]], *, url: str
) -> Json:
    """The offering at this address, with its plans and what they meter (see ``queries.components_on``).

    A plan's price is there where it was published or derived; figures made up for a demonstration are not, as a search
    engine would show them as prices.
    """
    provider = offering.platform.provider
    document: Json = {
        "@context": "https://schema.org",
        "@type": "Service",
        "@id": url,
        "url": url,
        "name": offering.name,
        "description": offering.summary,
        "serviceType": list(offering.service_types),
        "category": str(offering.get_tier_display()),
        "provider": _present(
            {
                "@type": "Organization",
                "name": provider.name,
                "url": provider.website,
                "address": {"@type": "PostalAddress", "addressCountry": provider.country} if provider.country else None,
            }
        ),
        "offers": [_offer(plan, components.get(plan.pk, ()), url) for plan in plans],
        "mainEntityOfPage": {
            "@type": "WebPage",
            "@id": url,
            "dateModified": f"{offering.updated_at:%Y-%m-%d}",
            "inLanguage": "en",
        },
    }
    if access := offering.access_url or offering.platform.access_url:
        document["availableChannel"] = {"@type": "ServiceChannel", "serviceUrl": access}
    if terms := " ".join(part for part in (offering.limits, offering.availability) if part):
        document["termsOfService"] = terms
    if offering.documentation_url:
        document["subjectOf"] = {"@type": "TechArticle", "url": offering.documentation_url}
    return _present(document)


def script_text(document: Json) -> SafeString:
    """What may stand in ``<script type="application/ld+json">``.

    A browser does not run such a block, so the Content-Security-Policy has nothing against it.
    """
    text = json.dumps(document, ensure_ascii=False).translate(_ESCAPES)
    return mark_safe(text)  # noqa: S308  (nothing in it can end the element)


def _offer(plan: Plan, components: Sequence[PricedComponent], url: str) -> Json:
    prices = [_price(component) for component in components if _is_published(component)]
    return _present(
        {
            "@type": "Offer",
            "name": plan.name,
            "description": plan.summary,
            "url": url,
            "eligibleCustomerType": plan.audience,
            "priceSpecification": prices,
        }
    )


def _is_published(component: PricedComponent) -> bool:
    return component.micro_per_unit is not None and component.evidence != Evidence.DEMONSTRATION


def _price(component: PricedComponent) -> Json:
    assert component.micro_per_unit is not None
    most = plain(component.micro_per_unit / MICRO)
    low = component.micro_low
    price = {"price": most} if low is None else {"minPrice": plain(low / MICRO), "maxPrice": most}
    return {
        "@type": "UnitPriceSpecification",
        **price,
        "priceCurrency": CURRENCY,
        "unitText": component.label or str(Metric(component.metric).label),
    }


def _present(document: Json) -> Json:
    """Without what is not stated."""
    return {name: value for name, value in document.items() if value not in (None, "", [])}
