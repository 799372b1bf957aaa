"""People, seen by another request."""

from earthcode.identity.models import User


def fresh(user: User) -> User:
    """The same person as their next request knows them: roles and memberships are read again."""
    return User.objects.get(pk=user.pk)
