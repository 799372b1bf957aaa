"""The ASGI application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
os.environ["SERVES_PAGES"] = "1"  # for the settings, which are read next

application = get_asgi_application()
