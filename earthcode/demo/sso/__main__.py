"""Bring the database up to date, register the clients and serve: ``python -m earthcode.demo.sso``."""

import os
from typing import Any
from urllib.parse import urlsplit

from gunicorn.app.base import BaseApplication


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn around an application that is loaded already."""

    def __init__(self, application: Any, address: str) -> None:
        self.application = application
        self.address = address
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": self.address,
            "worker_class": "gthread",
            "threads": 8,
            "graceful_timeout": 5,
            "control_socket_disable": True,
            "accesslog": "-",
            # Without the query: it carries codes and tokens.
            "access_log_format": '%(t)s "%(m)s %(U)s" %(s)s',
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self.application


def main() -> None:
    # Set, not defaulted: importing the package has named the marketplace's settings already.
    os.environ["DJANGO_SETTINGS_MODULE"] = "earthcode.demo.sso.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.db import connections

    from earthcode.demo.sso import clients, settings

    call_command("migrate", verbosity=0)
    clients.register()
    connections.close_all()  # a connection must not be shared with the process that serves
    Server(get_wsgi_application(), urlsplit(settings.SSO_URL).netloc).run()


if __name__ == "__main__":
    main()
