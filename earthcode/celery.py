"""The Celery application: it wakes workers and keeps the clock. What must not be lost is a row, never a task."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")

app = Celery("earthcode")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
