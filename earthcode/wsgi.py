"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
os.environ["SERVES_PAGES"] = "1"  # for the settings, which are read next

application = get_wsgi_application()
