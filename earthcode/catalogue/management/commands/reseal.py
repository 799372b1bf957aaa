"""Encrypt anew, under the first of ``SEALING_KEYS``, what is stored encrypted; former keys can be removed afterwards."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from earthcode.catalogue.models import Platform
from earthcode.lib.sealed import CannotUnseal, SealedTextField, reseal


class Command(BaseCommand):
    help = "Encrypt everything that is stored encrypted anew, under the first of SEALING_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        done, failed = 0, []
        for pk in list(Platform.objects.exclude(connector_sealed="").values_list("pk", flat=True)):
            with transaction.atomic():
                platform = Platform.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)
                try:
                    platform.connector_sealed = reseal(platform.connector_sealed)
                except CannotUnseal:
                    failed.append(platform.slug)
                    continue
                platform.save(update_fields=["connector_sealed"])
                done += 1
        for model in apps.get_models():
            for field in model._meta.local_concrete_fields:
                if isinstance(field, SealedTextField):
                    done += self._reseal(model, field.name)
        self.stdout.write(f"{done} values were encrypted anew")
        if failed:
            raise CommandError(f"no key of this site opens the credentials of: {', '.join(failed)}")

    def _reseal(self, model: Any, name: str) -> int:
        done = 0
        for pk in list(model._default_manager.exclude(**{name: ""}).values_list("pk", flat=True)):
            with transaction.atomic():
                row = model._default_manager.select_for_update(no_key=True, of=("self",)).get(pk=pk)
                # What no key opens reads as empty; it is left as it is, in case the key is found.
                if getattr(row, name):
                    row.save(update_fields=[name])
                    done += 1
        return done
