"""People, organisations, projects."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models.functions import JSONObject
from django.urls import reverse

from earthcode.identity.roles import Grants, Permission, ProjectRole, Role, Scoped
from earthcode.lib.sealed import SealedTextField


class Organisation(models.Model):
    """A legal entity. One that operates platforms is a provider."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166 alpha-2; empty where not known")
    website = models.URLField(blank=True)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.pk})


@dataclass(frozen=True)
class HeldRole:
    """A global role as it is kept: for which provider (slug, else empty), and by which claim (empty: given on the site)."""

    role: Role
    organisation: str
    claim: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> HeldRole:
        return cls(Role(row["role"]), row["slug"] or "", row["claim"])


class UserManager(BaseUserManager["User"]):
    """People are made by signing in (``actions.sign_in``)."""

    def by_subject(self, issuer: str, subject: str) -> User | None:
        """The person the single sign-on means by this issuer and subject."""
        return self.filter(issuer=issuer, subject=subject).first()

    def with_grants(self) -> models.QuerySet[User]:
        """People with what ``User.grants`` is made from, in the same query."""
        roles = RoleGrant.objects.filter(user=models.OuterRef("pk")).order_by()
        memberships = Membership.objects.filter(user=models.OuterRef("pk")).order_by()
        nothing = models.Value(None, models.BigIntegerField())
        of_roles = roles.values(
            row=JSONObject(
                role="role",
                organisation="organisation_id",
                project=nothing,
                slug="organisation__slug",
                claim="claim",
            )
        )
        of_projects = memberships.values(row=JSONObject(role="role", organisation=nothing, project="project_id"))
        return self.annotate(grant_rows=ArraySubquery(of_roles.union(of_projects, all=True)))


class User(AbstractBaseUser):
    """A person, as the single sign-on names them. There are no local passwords."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    preferred_username = models.CharField(max_length=150, blank=True, help_text="As the issuer gave it; may change")
    full_name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True, help_text="Where messages go; identifies nobody")
    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="people"
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects: ClassVar[UserManager] = UserManager()

    #: Which global roles count where the person speaks through a program with a token of its own; None: all that are kept.
    #: It stays through ``forget_grants``: what an action reads again under its lock is narrowed as well.
    counts: Callable[[HeldRole], bool] | None = None

    USERNAME_FIELD = "public_id"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["issuer", "subject"]

    class Meta:
        ordering = ["full_name", "pk"]
        constraints = [
            models.UniqueConstraint("issuer", "subject", name="identity_user_is_issuer_and_subject"),
            models.CheckConstraint(
                condition=~models.Q(issuer="") & ~models.Q(subject=""), name="identity_user_has_issuer_and_subject"
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.preferred_username or str(self.public_id)

    @property
    def initials(self) -> str:
        return "".join(part[0] for part in str(self).split()[:2]).upper()

    @property
    def audit_id(self) -> str:
        return f"user:{self.public_id}"

    @property
    def audit_name(self) -> str:
        return str(self)

    @cached_property
    def grants(self) -> Grants:
        """Roles and memberships, read once for each instance of the user (that is, once a request)."""
        if "grant_rows" not in self.__dict__:
            self.__dict__["grant_rows"] = User.objects.with_grants().get(pk=self.pk).__dict__["grant_rows"]
        rows: list[dict[str, Any]] = self.__dict__.pop("grant_rows")
        roles: set[Role] = set()
        provider_roles: dict[int, frozenset[Role]] = {}
        project_roles: dict[int, ProjectRole] = {}
        for row in rows:
            if row["project"] is None and self.counts is not None and not self.counts(HeldRole.of(row)):
                continue
            if row["project"] is not None:
                project_roles[row["project"]] = ProjectRole(row["role"])
            elif row["organisation"] is None:
                roles.add(Role(row["role"]))
            else:
                held = provider_roles.get(row["organisation"], frozenset())
                provider_roles[row["organisation"]] = held | {Role(row["role"])}
        return Grants(frozenset(roles), provider_roles, project_roles)

    def counting(self, grants: Iterable[RoleGrant]) -> list[RoleGrant]:
        """Those of the person's role grants that count, as ``counts`` has it."""
        if self.counts is None:
            return list(grants)
        held = ((each, each.organisation.slug if each.organisation else "") for each in grants)
        return [each for each, slug in held if self.counts(HeldRole(Role(each.role), slug, each.claim))]

    def forget_grants(self) -> None:
        """Have them read again. A method, because ``request.user`` is a wrapper that hides what the user has cached."""
        self.__dict__.pop("grants", None)
        self.__dict__.pop("grant_rows", None)

    def may(self, permission: Permission, thing: Scoped | None = None) -> bool:
        """Whether this person's roles give the permission, on this thing or, without one, anywhere."""
        return self.is_active and self.grants.allow(permission, thing)

    def has_role(self, role: Role) -> bool:
        return role in self.grants.roles or any(role in held for held in self.grants.provider_roles.values())


class GrantSource(models.TextChoices):
    """Who gives and takes a role."""

    CLAIM = "claim", "Single sign-on"
    SITE = "site", "Given here"


class RoleGrant(models.Model):
    """A global role; ``organisation`` only for provider roles.

    Those from claims are what the claims said at the last sign-in and go away with them. Those given on the site
    (``administrators``) are for provider administrators only; no sign-in touches them.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="role_grants")
    role = models.CharField(max_length=40, choices=Role.choices)
    organisation = models.ForeignKey(Organisation, null=True, blank=True, on_delete=models.CASCADE)
    source = models.CharField(max_length=5, choices=GrantSource.choices, default=GrantSource.CLAIM)
    claim = models.CharField(max_length=255, blank=True, help_text="The claim and value it comes from")
    given_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField()

    class Meta:
        ordering = ["role", "pk"]
        constraints = [
            models.UniqueConstraint(
                "user", "role", "organisation", "source", name="identity_role_granted_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=models.Q(source=GrantSource.CLAIM, given_by__isnull=True) & ~models.Q(claim="")
                | models.Q(source=GrantSource.SITE, role=Role.PROVIDER_ADMINISTRATOR, claim="", given_by__isnull=False),
                name="identity_role_says_where_it_comes_from",
            ),
            models.CheckConstraint(
                condition=models.Q(role=Role.PROVIDER_ADMINISTRATOR, organisation__isnull=False)
                | (~models.Q(role=Role.PROVIDER_ADMINISTRATOR) & models.Q(organisation__isnull=True)),
                name="identity_provider_role_has_organisation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.user}"


class SignIn(models.Model):
    """One browser's session at the single sign-on, for as long as the person is signed in with it.

    Not in the session itself, which two requests at once would overwrite: a refresh token that came back from the dead
    makes the single sign-on end the session. Not one for each person either: each browser has a session of its own there,
    and ending one must not end the others.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    id_token = SealedTextField(help_text="Says at sign-out which session is meant")
    refresh_token = SealedTextField(blank=True, help_text="Empty where the issuer gives none")
    claims_read_at = models.DateTimeField()
    refresh_due_at = models.DateTimeField(help_text="When the claims are to be read again")
    ends_at = models.DateTimeField(help_text="When the session here ends, whatever happens")

    class Meta:
        ordering = ["-claims_read_at", "pk"]
        indexes = [models.Index("ends_at", name="identity_sign_in_by_end")]

    def __str__(self) -> str:
        return f"{self.user}, signed in until {self.ends_at:%Y-%m-%d %H:%M}"


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> ProjectQuerySet:
        """Projects of one's own, or all for those who may see every project."""
        if user.may(Permission.PROJECT_VIEW):
            return self.all()
        return self.filter(pk__in=user.grants.projects_with(Permission.PROJECT_VIEW))


class Project(models.Model):
    """The research activity that resources are requested for."""

    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="projects"
    )
    esa_funded = models.BooleanField(default=False)
    technical_officer = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="supervised_projects"
    )
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Project]] = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["title", "pk"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.slug])

    @property
    def project_scope(self) -> int:
        return self.pk

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset()


class Membership(models.Model):
    """A person in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=ProjectRole.choices)
    since = models.DateTimeField()

    class Meta:
        ordering = ["role", "user__full_name", "pk"]
        constraints = [
            models.UniqueConstraint("project", "user", name="identity_member_once"),
            models.UniqueConstraint(
                "project", condition=models.Q(role=ProjectRole.PI), name="identity_project_has_one_pi"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"


class Creation(models.Model):
    """What a person made with a form that was filled in once; see ``identity.creations``."""

    by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.UUIDField(help_text="Of the form, made when it was opened")
    kind = models.CharField(max_length=80, help_text="The model of what was made")
    made = models.CharField(max_length=64, help_text="The primary key of what was made")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [models.UniqueConstraint("by", "key", name="identity_creation_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.made}"
