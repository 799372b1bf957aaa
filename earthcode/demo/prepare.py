"""What has to be there before the site's processes start: tables, static files, demo data.

One process for all three, because each start of Django costs more than the work. It changes nothing the second time.
"""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False)
    if login := os.environ.get("DEMO_SERVING_LOGIN"):
        _make_serving_login(login)
    _collect_static_files()
    call_command("seed_demo")


def _make_serving_login(login: str) -> None:
    """The login that the other processes connect with."""
    from django.db import connection

    from earthcode.lib import rights

    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [login])
        (is_there,) = cursor.fetchone()
        quoted = connection.ops.quote_name(login)
        if not is_there:
            cursor.execute(f"CREATE ROLE {quoted} LOGIN")
        cursor.execute(f"GRANT {connection.ops.quote_name(rights.role())} TO {quoted}")


def _collect_static_files() -> None:
    """Collect and compress static files unless they are exactly those of the last time."""
    from django.conf import settings
    from django.core.management import call_command

    stamp = Path(settings.LOCAL_DIR) / "static.stamp"
    sources = _fingerprint()
    if stamp.exists() and stamp.read_text() == sources and Path(settings.STATIC_ROOT).is_dir():
        return
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=1)
    stamp.write_text(sources)


def _fingerprint() -> str:
    """Changes when any static file does: by path, size and time, or by what collects them."""
    from django.conf import settings
    from django.contrib.staticfiles import finders

    collectors = [version(package) for package in ("django", "whitenoise")]
    digest = hashlib.sha256(repr((settings.STORAGES, collectors)).encode())
    for finder in finders.get_finders():
        for name, storage in finder.list(ignore_patterns=[]):
            file = Path(storage.path(name)).stat()
            digest.update(f"{name} {file.st_size} {file.st_mtime_ns}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
