"""What happened, who did it, when.

Always holds: events are only ever added; each committed event is linked to the one before it by a hash, so a changed,
removed or inserted row is found by ``manage.py verify_audit``. Who and what are stored as text, because this is the
lowest layer and because a record must outlive the row it is about.

- ``actions.record`` is the only way in.
- ``actors``: who may stand behind an event: a person, or the system (clock, worker).
- ``verify``: re-derives the chain.
"""
