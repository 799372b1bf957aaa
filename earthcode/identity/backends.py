"""Who a session belongs to."""

from django.contrib.auth.backends import BaseBackend

from earthcode.identity.models import User


class SessionBackend(BaseBackend):
    """Signs nobody in, which the single sign-on does; reads who is signed in, once for each request."""

    def get_user(self, user_id: int) -> User | None:
        """The person with their roles and memberships, because every page asks for them; one query."""
        return User.objects.with_grants().filter(pk=user_id, is_active=True).first()
