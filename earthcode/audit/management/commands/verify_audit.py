"""Says whether the audit trail is what was written; exits with 1 where it is not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from earthcode.audit import verify
from earthcode.audit.models import Link


class Command(BaseCommand):
    help = __doc__ or ""

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for problem in verify.breaks():
            found += 1
            self.stdout.write(str(problem))
        if found:
            raise CommandError(f"the audit trail is broken in {found} place{'s' if found > 1 else ''}")
        head = Link.objects.order_by("-position").first()
        position, head_hash = (head.position, bytes(head.hash).hex()) if head else (0, "none")
        self.stdout.write(f"the audit trail holds: {position} events, head {head_hash}")
