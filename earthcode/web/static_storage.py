"""Static files as production serves them: compressed, with the content's hash in their names, the stylesheet in one piece.

``static/css/nor.css`` imports one readable file for each part. A browser can follow the imports, and does in development;
``collectstatic`` writes them into the one file, so that a page waits for one request instead of seventeen.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

STYLESHEET = "css/nor.css"
_IMPORT = re.compile(r'^@import url\("(?P<file>[\w.-]+)"\);$', re.MULTILINE)


def inline_imports(stylesheet: str, files: dict[str, str]) -> str:
    """The stylesheet with each ``@import url("part.css");`` replaced by that file. A file it lacks is a ``KeyError``."""
    return _IMPORT.sub(lambda found: files[found["file"]].strip() + "\n", stylesheet)


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise has no types
    """WhiteNoise's storage, which writes the imports of the stylesheet into it first."""

    def post_process(
        self, paths: dict[str, tuple[Storage, str]], dry_run: bool = False, **options: Any
    ) -> Iterator[tuple[str, str, bool]]:
        if not dry_run and STYLESHEET in paths:
            folder = STYLESHEET.rpartition("/")[0]
            parts = {
                name.removeprefix(f"{folder}/"): _read(*paths[name]) for name in paths if name.startswith(f"{folder}/")
            }
            bundle = inline_imports(_read(*paths[STYLESHEET]), parts)
            self.delete(STYLESHEET)
            self._save(STYLESHEET, ContentFile(bundle.encode()))
            paths = {**paths, STYLESHEET: (self, STYLESHEET)}
        yield from super().post_process(paths, dry_run=dry_run, **options)


def _read(storage: Storage, path: str) -> str:
    with storage.open(path) as file:
        return str(file.read(), "utf-8")
