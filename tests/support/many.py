"""Long lists, made without walking each row through its actions."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Quote, QuoteLine, Workload
from earthcode.identity.models import Membership, Project, User
from earthcode.lib.money import credits
from earthcode.sponsorship.models import Call, Check, RequestLine, RequestStatus, ResourceRequest


def bring_requests_to(
    count: int,
    *,
    project: Project,
    call: Call,
    plans: list[Plan],
    by: User,
    at: datetime,
    status: str = RequestStatus.IN_REVIEW,
) -> None:
    """As many requests of that status, each with a line for each plan; the more there are, the later each was sent."""
    have = ResourceRequest.objects.filter(status=status).count()
    requests = ResourceRequest.objects.bulk_create(
        ResourceRequest(
            reference=f"NOR-2026-8{number:04d}",
            title=f"Request {number}",
            project=project,
            call=call,
            status=status,
            status_since=at + timedelta(minutes=number),
            starts_on=date(2026, 12, 1),
            science_case="Because.",
            amount=credits(100 + number) * len(plans),
            created_by=by,
            created_at=at,
            saved_at=at,
            submitted_by=by,
            submitted_at=at + timedelta(minutes=number),
            decide_by=date(2026, 11, 16),
        )
        for number in range(have, count)
    )
    RequestLine.objects.bulk_create(
        line_of(each, plan, each.amount // len(plans), at) for each in requests for plan in plans
    )
    Check.objects.bulk_create(
        Check(resource_request=each, code=code, outcome="pass", sentence="Holds.", at=at)
        for each in requests
        for code in ("ceiling", "budget")
    )


def line_of(resource_request: ResourceRequest, plan: Plan, amount: int, at: datetime) -> RequestLine:
    """A line with a quote of one component, not saved."""
    part = QuoteLine(None, "vCPU-hours", "vcpu_hour", Decimal(1), Decimal(amount), amount)
    return RequestLine(
        resource_request=resource_request,
        plan=plan,
        months=6,
        workload=Workload().as_json(),
        quote=Quote((part,), amount, 6, "demonstration").as_json(),
        amount=amount,
        quoted_at=at,
    )


def bring_projects_to(count: int, *, member: User, at: datetime) -> None:
    """As many projects that the person is a member of."""
    have = Project.objects.count()
    made = Project.objects.bulk_create(
        Project(slug=f"project-{number}", title=f"Project {number}", created_at=at) for number in range(have, count)
    )
    Membership.objects.bulk_create(Membership(project=each, user=member, role="member", since=at) for each in made)
