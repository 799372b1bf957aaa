"""Ends all access of a person: sessions, tokens, and what they have on platforms."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from earthcode.identity.models import User
from earthcode.lib.errors import Refused
from earthcode.settlement import people


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="public id of the person, as the audit trail has it after user:")
        parser.add_argument("--by", required=True, help="public id of the ESA manager who decided it")

    def handle(self, *_: Any, person: str, by: str, **__: Any) -> None:
        try:
            found, manager = (User.objects.get(public_id=public_id) for public_id in (person, by))
        except (User.DoesNotExist, ValidationError) as problem:
            raise CommandError(f"nobody has that public id: {problem}") from problem
        try:
            people.deactivate(found, by=manager, at=timezone.now())
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write("The account is deactivated.")
