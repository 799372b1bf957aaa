"""Runs a command with a database server of its own: ``python -m tests.support.with_database manage.py makesql``."""

import subprocess
import sys

# Starts the server that the tests use, unless DATABASE_URL names one.
import tests.postgres_plugin  # noqa: F401


def main() -> int:
    return subprocess.run([sys.executable, "-W", "ignore::RuntimeWarning", *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
