"""Reads worth a name."""

from django.db.models import Q

from earthcode.identity.models import User


def person_named(name_or_address: str) -> User | None:
    """The one person who has signed in here with exactly this username or e-mail address.

    None where there is nobody, and also where there are several: neither a username nor an address identifies a person,
    so two people who share one must not be mistaken for each other.
    """
    text = name_or_address.strip()
    if not text:
        return None
    found = User.objects.filter(Q(preferred_username=text) | Q(email__iexact=text), is_active=True)[:2]
    return found[0] if len(found) == 1 else None
