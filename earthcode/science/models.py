"""Workflows and experiments of the Open Science Catalog, as far as they help to find where they can run."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    WORKFLOW = "workflow", _("Workflow")
    EXPERIMENT = "experiment", _("Experiment")


class RecordQuerySet(models.QuerySet["Record"]):
    def current(self) -> RecordQuerySet:
        """What the Open Science Catalog still has."""
        return self.filter(withdrawn_at=None)


class Record(models.Model):
    """A workflow, or an experiment: a workflow run with certain inputs."""

    kind = models.CharField(max_length=10, choices=Kind.choices)
    osc_id = models.CharField(
        max_length=120, help_text="Its id in the Open Science Catalog, where both kinds may share one"
    )
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True, help_text="As the catalogue has it, without e-mail addresses")
    application_type = models.CharField(
        max_length=80, blank=True, help_text="In the spelling of the offerings' workflow types; empty: not known"
    )
    type_is_derived = models.BooleanField(default=False, help_text="Read from its links, not stated")
    in_container = models.BooleanField(null=True, help_text="Empty where not stated")
    languages = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    kernel = models.CharField(max_length=120, blank=True, help_text="Jupyter kernel and Python version")
    keywords = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    themes = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    variables = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    formats = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    license = models.CharField(max_length=80, blank=True)
    osc_project = models.CharField(max_length=160, blank=True)
    osc_status = models.CharField(max_length=40, blank=True)
    #: Each with ``role`` ("named", "made", "opens"), ``title``, ``url``; see ``linking.PlatformLink``.
    platforms = models.JSONField(default=list, blank=True)
    #: Each with ``role``, ``title``, ``url``; see ``osc.ROLES``.
    links = models.JSONField(default=list, blank=True)
    workflow = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="experiments", help_text="What it ran"
    )
    workflow_named = models.CharField(max_length=120, blank=True, help_text="The workflow's id, which may not be here")
    source_url = models.URLField(max_length=400)
    updated_at = models.DateTimeField(null=True, help_text="When the catalogue last changed it, as it says")
    fetched_at = models.DateTimeField(help_text="When what is stored here was read")
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="Since when the catalogue does not have it")
    is_demonstration = models.BooleanField(default=False, help_text="Made up, for trying the site out")
    words = models.TextField(
        editable=False, help_text="What it is found by, as ``catalogue.search.plain_words`` writes it"
    )

    objects: ClassVar[models.Manager[Record]] = RecordQuerySet.as_manager()

    class Meta:
        ordering = ["title", "pk"]
        indexes = [GinIndex(OpClass(F("words"), name="gin_trgm_ops"), name="science_record_words")]
        constraints = [
            models.UniqueConstraint("kind", "osc_id", name="science_record_once"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="science_record_kind_is_known"),
            models.CheckConstraint(
                condition=Q(kind=Kind.EXPERIMENT) | Q(workflow=None, workflow_named=""),
                name="science_only_experiments_have_a_workflow",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse(self.kind, args=[self.osc_id])

    @property
    def key(self) -> str:
        """Names it in an address: ``workflow:sea-ice``."""
        return f"{self.kind}:{self.osc_id}"


class PlannedRun(models.Model):
    """A resource request that was begun from "Run this": what its science case will be about.

    Named by its reference: requests belong to an app that this one does not know.
    """

    reference = models.CharField(max_length=20, unique=True)
    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="planned_runs")
    planned_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.reference}: {self.record}"
