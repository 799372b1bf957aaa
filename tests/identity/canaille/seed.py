"""Fills a new canaille; runs in canaille's own environment, with CANAILLE_CONFIG naming its settings.

Reads JSON from the standard input: people, groups and clients.
"""

import datetime
import json
import sys

from canaille import create_app
from canaille.app import models
from canaille.app.installation import install
from canaille.backends import Backend

wanted = json.load(sys.stdin)
app = create_app()
with app.app_context():
    install(app)
    backend = Backend.instance
    people = {}
    for person in wanted["people"]:
        people[person["user_name"]] = models.User(**person)
        backend.save(people[person["user_name"]])
    for name, members in wanted["groups"].items():
        backend.save(models.Group(display_name=name, members=[people[member] for member in members]))
    for client in wanted["clients"]:
        row = models.Client(client_id_issued_at=datetime.datetime.now(datetime.UTC), **client)
        backend.save(row)
        # Only a client that is there can be an audience, and without one the token endpoint fails.
        row.audience = [row]
        backend.save(row)
