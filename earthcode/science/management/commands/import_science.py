"""Read workflows and experiments of the Open Science Catalog."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from earthcode.audit.actors import System
from earthcode.catalogue.records import BrokenRecords
from earthcode.science import actions
from earthcode.science.osc import BASE_URL, DEMONSTRATION


class Command(BaseCommand):
    help = (
        "Reads workflows and experiments of the Open Science Catalog: from a checkout of its metadata (folders workflows/ "
        "and experiments/), or from JSON files. What is no longer there is withdrawn. All or nothing: a record that cannot "
        "be used is named with file and line, and nothing changes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="folder or JSON file")
        parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be used, and take the rest")
        parser.add_argument("--base-url", default=BASE_URL, help="where the files are published (default: %(default)s)")
        parser.add_argument(
            "--demonstration", action="store_true", help="read the made-up records of the demonstration instead"
        )

    def handle(
        self,
        *args: Any,
        paths: list[Path],
        skip_bad: bool,
        base_url: str,
        demonstration: bool,
        **options: Any,
    ) -> None:
        if bool(paths) == demonstration:
            raise CommandError("Give the paths to read, or --demonstration.")
        try:
            report = actions.import_paths(
                [DEMONSTRATION] if demonstration else paths,
                by=System("import"),
                at=timezone.now(),
                skip_bad=skip_bad,
                base_url=f"{base_url.rstrip('/')}/",
                demonstration=demonstration,
            )
        except BrokenRecords as broken:
            raise CommandError(
                "\n".join(["Nothing was imported, because of:", *(f"- {problem}" for problem in broken.problems)])
            ) from broken
        for problem in report.skipped:
            self.stderr.write(f"skipped: {problem}")
        for verb in ("added", "changed", "withdrawn"):
            for name in getattr(report, verb) if options["verbosity"] > 1 else ():
                self.stdout.write(f"{verb}: {name}")
        if options["verbosity"]:
            self.stdout.write(f"{report}")
