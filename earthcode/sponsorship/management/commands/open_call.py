"""Open a call with credits in it, where there is nothing yet: the first one of a site."""

import uuid
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from earthcode.identity.models import User
from earthcode.lib.errors import Refused
from earthcode.lib.money import credits
from earthcode.sponsorship import calls

#: Names the keys of fundings: the same command again funds nothing twice.
KEYS = uuid.UUID("f5a3a86e-3d51-4d4b-8a53-21f0c1b7b6f5")


def _credits(text: str) -> int:
    try:
        return int(credits(text))
    except (ValueError, ArithmeticError) as error:
        raise ArgumentTypeError(f"“{text}” is no number of credits") from error


class Command(BaseCommand):
    help = (
        "Plans a call, puts credits into it, and opens it. Two ESA managers, who have signed in before, stand for it by their"
        " e-mail addresses: one proposes the credits, the other one agrees. All or nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="its name in addresses and in the ledger, for good: open-science-2027")
        parser.add_argument("title")
        parser.add_argument("--opens", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD", help="first day")
        parser.add_argument("--closes", type=date.fromisoformat, metavar="YYYY-MM-DD", help="last day; none: open end")
        parser.add_argument("--credits", type=_credits, required=True, help="how many go into it")
        parser.add_argument("--ceiling", type=_credits, required=True, help="the most for one request")
        parser.add_argument("--reason", required=True, help="where the credits come from; it is in the books")
        parser.add_argument("--proposed-by", required=True, metavar="E-MAIL")
        parser.add_argument("--agreed-by", required=True, metavar="E-MAIL")

    def handle(self, *args: Any, slug: str, title: str, **options: Any) -> None:
        first, second = (_person(options[name]) for name in ("proposed_by", "agreed_by"))
        at = timezone.now()
        terms = {"title": title, "opens_on": options["opens"], "ceiling": options["ceiling"]}
        if options["closes"] is not None:
            terms["closes_on"] = options["closes"]
        try:
            with transaction.atomic():
                call = calls.plan_call(slug=slug, by=first, at=at, **terms)
                funding = calls.propose_funding(
                    call,
                    amount=options["credits"],
                    reason=options["reason"],
                    key=uuid.uuid5(KEYS, slug),
                    by=first,
                    at=at,
                )
                calls.agree_funding(funding, by=second, at=at)
                calls.open_call(call, by=first, at=at)
        except Refused as refusal:
            raise CommandError(f"{refusal.message} Nothing was changed.") from refusal
        self.stdout.write(f"{title} is open.")


def _person(email: str) -> User:
    found = list(User.objects.filter(email__iexact=email, is_active=True)[:2])
    if len(found) != 1:
        what = "Nobody" if not found else "More than one person"
        raise CommandError(f"{what} who has signed in has the address {email}. Nothing was changed.")
    return found[0]
