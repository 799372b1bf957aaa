"""Who may have a session: the personas, and nobody else."""

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from earthcode.demo import people


class PersonaBackend(BaseBackend):
    """A Django user for each persona. Its username is the subject, because that alone never changes hands."""

    # The type checker believes in the marketplace's user model; here it is Django's own.

    def authenticate(  # type: ignore[override]
        self, _request: HttpRequest | None, persona: str | None = None
    ) -> User | None:
        found = people.by_username(persona) if persona else None
        return User.objects.get_or_create(username=found.subject)[0] if found else None

    def get_user(self, user_id: int) -> User | None:  # type: ignore[override]
        user = User.objects.filter(pk=user_id).first()
        # The session of somebody who was taken off the list ends.
        return user if user and people.by_subject(user.username) else None
