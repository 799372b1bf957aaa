"""The person behind the token."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from earthcode.identity.models import Membership, RoleGrant, User


class RoleSerializer(serializers.ModelSerializer[RoleGrant]):
    """A role; ``organisation`` is the provider it is for, or null. ``source`` says who gives it: a claim, or the site."""

    name = serializers.CharField(source="get_role_display")
    organisation = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True, allow_null=True)

    class Meta:
        model = RoleGrant
        fields = ("role", "name", "organisation", "source")


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    """A project and what the person is in it."""

    slug = serializers.SlugField(source="project.slug")
    title = serializers.CharField(source="project.title")

    class Meta:
        model = Membership
        fields = ("slug", "title", "role")


class MeSerializer(serializers.ModelSerializer[User]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField(source="__str__")
    roles = serializers.SerializerMethodField()
    projects = MembershipSerializer(many=True, source="memberships.all")

    class Meta:
        model = User
        fields = ("id", "name", "preferred_username", "email", "roles", "projects")

    @extend_schema_field(RoleSerializer(many=True))
    def get_roles(self, user: User) -> list[dict[str, Any]]:
        return [dict(each) for each in RoleSerializer(user.counting(user.role_grants.all()), many=True).data]


class Me(APIView):
    """Who you are here."""

    @extend_schema(summary="Read who you are", responses=MeSerializer, tags=["You"], operation_id="read_me")
    def get(self, request: Request) -> Response:
        """Your name, the roles that count with this token, and your projects."""
        assert isinstance(request.user, User), "the permission classes let nobody else in"
        people = User.objects.prefetch_related("role_grants__organisation", "memberships__project")
        person = people.get(pk=request.user.pk)
        person.counts = request.user.counts
        return Response(MeSerializer(person).data)
