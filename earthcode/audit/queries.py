"""Reads of the trail."""

from django.db import models
from django.db.models import Q

from earthcode.audit.models import Event


def history_of(*subjects: models.Model) -> models.QuerySet[Event]:
    """Everything recorded about the given rows, oldest first."""
    about = Q(pk__in=())
    for subject in subjects:
        about |= Q(subject_type=subject._meta.label_lower, subject_id=str(subject.pk))
    return Event.objects.filter(about).order_by("at", "pk")
