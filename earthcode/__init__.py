"""The Network of Resources marketplace.

The packages, from the top layer to the bottom one, are the story read backwards; each package's ``__init__`` says what it
is for and what always holds. ``pyproject.toml`` lists the layers that import-linter checks.
"""

from earthcode.celery import app as celery_app

__all__ = ["celery_app"]
