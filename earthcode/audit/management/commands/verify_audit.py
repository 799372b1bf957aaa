"""Says whether the audit trail is what was written; exits with 1 where it is not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from earthcode.audit import verify
from earthcode.audit.verify import Head


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            action="append",
            default=[],
            help="position:hash, kept outside: it must be in the chain; may be repeated",
        )
        parser.add_argument("--at-least", type=int, default=0, help="how many events there must be")

    def handle(self, *_: Any, head: list[str], at_least: int, **__: Any) -> None:
        try:
            heads = [Head.parse(text) for text in head]
        except ValueError as problem:
            raise CommandError(f"--head: {problem}") from problem
        found = 0
        for broken in verify.breaks(heads=heads, at_least=at_least):
            found += 1
            self.stdout.write(str(broken))
        if found:
            raise CommandError(f"the audit trail is broken in {found} place{'s' if found > 1 else ''}")
        newest = verify.head()
        position, words = (newest.position, str(newest)) if newest else (0, "none")
        self.stdout.write(f"the audit trail holds: {position} events, head {words}")
