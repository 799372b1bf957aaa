"""Who may what: the roles, the permissions, and which role has which.

Global roles come from the claims of the single sign-on (``settings.OIDC_ROLE_CLAIMS``), and that of a provider's
administrator also from the site (``administrators``); project roles from the project's principal investigator. Whether a
step is possible *now* is the business of each app's ``lifecycle.py``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, runtime_checkable

from django.db import models


class Role(models.TextChoices):
    """What a person is to the whole site. Everybody who signs in is a scientist without further ado."""

    ESA_MANAGER = "esa_manager", "ESA manager"
    TECHNICAL_OFFICER = "technical_officer", "ESA Technical Officer"
    REVIEWER = "reviewer", "Reviewer"
    AUDITOR = "auditor", "Auditor"
    #: Always for one organisation; see ``RoleGrant.organisation``.
    PROVIDER_ADMINISTRATOR = "provider_administrator", "Provider administrator"


class ProjectRole(models.TextChoices):
    """What a person is to one project."""

    PI = "pi", "Principal investigator"
    MEMBER = "member", "Member"


class Permission(StrEnum):
    """One thing a person may be allowed to do; named like the audit events."""

    PROJECT_CREATE = "project.create"
    PROJECT_VIEW = "project.view"
    PROJECT_MANAGE = "project.manage"
    ADMINISTRATORS_MANAGE = "administrators.manage"
    PEOPLE_MANAGE = "people.manage"
    APPLICATION_EDIT = "application.edit"
    APPLICATION_VIEW = "application.view"
    APPLICATION_DECIDE = "application.decide"
    OFFERING_EDIT = "offering.edit"
    OFFERING_PUBLISH = "offering.publish"
    PLATFORM_CONNECT = "platform.connect"
    CALL_MANAGE = "call.manage"
    REQUEST_EDIT = "resource_request.edit"
    REQUEST_SUBMIT = "resource_request.submit"
    REQUEST_VIEW = "resource_request.view"
    REQUEST_ENDORSE = "resource_request.endorse"
    REQUEST_REVIEW = "resource_request.review"
    REQUEST_DECIDE = "resource_request.decide"
    QUOTATION_ANSWER = "quotation.answer"
    ALLOCATION_VIEW = "allocation.view"
    ALLOCATION_USE = "allocation.use"
    ALLOCATION_PLACE = "allocation.place"
    ALLOCATION_END = "allocation.end"
    OPERATION_RETRY = "operation.retry"
    USAGE_REPORT = "usage.report"
    STATEMENT_VIEW = "statement.view"
    STATEMENT_ANSWER = "statement.answer"
    STATEMENT_APPROVE = "statement.approve"
    CHARGE_REFUND = "charge.refund"
    LEDGER_VIEW = "ledger.view"
    AUDIT_VIEW = "audit.view"


#: Anybody signed in.
EVERYONE = frozenset(
    {
        Permission.PROJECT_CREATE,
        # Anybody may apply for an organisation; which application is whose is a condition of the lifecycle.
        Permission.APPLICATION_EDIT,
    }
)

GLOBAL_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ESA_MANAGER: frozenset(
        {
            Permission.PROJECT_VIEW,
            Permission.REQUEST_VIEW,
            Permission.REQUEST_REVIEW,
            Permission.REQUEST_DECIDE,
            Permission.CALL_MANAGE,
            # Only in place of a provider that has nobody here: a condition of the lifecycle.
            Permission.QUOTATION_ANSWER,
            Permission.APPLICATION_VIEW,
            Permission.APPLICATION_DECIDE,
            Permission.ADMINISTRATORS_MANAGE,
            Permission.PEOPLE_MANAGE,
            Permission.OFFERING_PUBLISH,
            Permission.PLATFORM_CONNECT,
            Permission.ALLOCATION_VIEW,
            Permission.ALLOCATION_END,
            Permission.OPERATION_RETRY,
            Permission.STATEMENT_VIEW,
            Permission.STATEMENT_APPROVE,
            Permission.LEDGER_VIEW,
            Permission.AUDIT_VIEW,
        }
    ),
    Role.TECHNICAL_OFFICER: frozenset({Permission.REQUEST_ENDORSE}),
    Role.REVIEWER: frozenset({Permission.REQUEST_VIEW, Permission.REQUEST_REVIEW}),
    Role.AUDITOR: frozenset(
        {
            Permission.APPLICATION_VIEW,
            Permission.PROJECT_VIEW,
            Permission.REQUEST_VIEW,
            Permission.ALLOCATION_VIEW,
            Permission.STATEMENT_VIEW,
            Permission.LEDGER_VIEW,
            Permission.AUDIT_VIEW,
        }
    ),
    # Provider administrators hold nothing globally: see PROVIDER_PERMISSIONS.
    Role.PROVIDER_ADMINISTRATOR: frozenset(),
}

#: On things that belong to the person's own organisation as a provider.
PROVIDER_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.PROVIDER_ADMINISTRATOR: frozenset(
        {
            Permission.ADMINISTRATORS_MANAGE,
            Permission.OFFERING_EDIT,
            Permission.QUOTATION_ANSWER,
            Permission.PLATFORM_CONNECT,
            Permission.ALLOCATION_VIEW,
            Permission.OPERATION_RETRY,
            Permission.USAGE_REPORT,
            Permission.STATEMENT_VIEW,
            Permission.STATEMENT_ANSWER,
            Permission.CHARGE_REFUND,
        }
    ),
}

#: On a project and all that belongs to it.
PROJECT_PERMISSIONS: dict[ProjectRole, frozenset[Permission]] = {
    ProjectRole.PI: frozenset(
        {
            Permission.PROJECT_VIEW,
            Permission.PROJECT_MANAGE,
            Permission.REQUEST_EDIT,
            Permission.REQUEST_SUBMIT,
            Permission.REQUEST_VIEW,
            Permission.ALLOCATION_VIEW,
            Permission.ALLOCATION_PLACE,
            Permission.ALLOCATION_USE,
            Permission.ALLOCATION_END,
        }
    ),
    ProjectRole.MEMBER: frozenset(
        {
            Permission.PROJECT_VIEW,
            Permission.REQUEST_EDIT,
            Permission.REQUEST_VIEW,
            Permission.ALLOCATION_VIEW,
            Permission.ALLOCATION_USE,
        }
    ),
}


@runtime_checkable
class Scoped(Protocol):
    """A thing that belongs to a project, to providers, or to both; None or empty where it does not."""

    @property
    def project_scope(self) -> int | None:
        """Primary key of the project it belongs to."""

    @property
    def provider_scope(self) -> frozenset[int]:
        """Primary keys of the organisations that provide it."""


class Grants:
    """All that one person has been given, read once and asked often."""

    def __init__(
        self,
        roles: frozenset[Role],
        provider_roles: dict[int, frozenset[Role]],
        project_roles: dict[int, ProjectRole],
    ) -> None:
        self.roles = roles
        self.provider_roles = provider_roles
        self.project_roles = project_roles

    def allow(self, permission: Permission, thing: Scoped | None = None) -> bool:
        """Whether some role gives this permission, on this thing or anywhere."""
        if permission in EVERYONE or any(permission in GLOBAL_PERMISSIONS[role] for role in self.roles):
            return True
        if thing is None:
            return False
        project_role = self.project_roles.get(thing.project_scope) if thing.project_scope else None
        if project_role and permission in PROJECT_PERMISSIONS[project_role]:
            return True
        return any(
            permission in PROVIDER_PERMISSIONS.get(role, frozenset())
            for organisation in thing.provider_scope
            for role in self.provider_roles.get(organisation, frozenset())
        )

    def projects_with(self, permission: Permission) -> list[int]:
        """Primary keys of the projects on which a project role gives this permission."""
        return [pk for pk, role in self.project_roles.items() if permission in PROJECT_PERMISSIONS[role]]

    def providers_with(self, permission: Permission) -> list[int]:
        """Primary keys of the organisations on whose things a provider role gives this permission."""
        return [
            pk
            for pk, roles in self.provider_roles.items()
            if any(permission in PROVIDER_PERMISSIONS.get(role, frozenset()) for role in roles)
        ]
