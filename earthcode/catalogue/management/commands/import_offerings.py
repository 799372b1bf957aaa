"""Fill the catalogue from files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from earthcode.audit.actors import System
from earthcode.catalogue import actions
from earthcode.catalogue.records import BUNDLED, DEMONSTRATION, BrokenRecords


class Command(BaseCommand):
    help = (
        "Fills the catalogue from files: without any, from the offerings that come with this site. "
        "All or nothing: a broken record is named, and nothing changes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="JSON file to read instead")
        parser.add_argument(
            "--demonstration", action="store_true", help="also read the made-up offerings of the demonstration"
        )

    def handle(self, *args: Any, files: list[Path], demonstration: bool, **options: Any) -> None:
        paths = [*(files or BUNDLED), *(DEMONSTRATION if demonstration else ())]
        try:
            report = actions.import_files(paths, by=System("import"), at=timezone.now())
        except BrokenRecords as broken:
            raise CommandError(
                "\n".join(["Nothing was imported, because of:", *(f"- {problem}" for problem in broken.problems)])
            ) from broken
        for verb, names in (("added", report.created), ("changed", report.changed)):
            for name in names if options["verbosity"] > 1 else ():
                self.stdout.write(f"{verb}: {name}")
        self.stdout.write(f"{report}")
