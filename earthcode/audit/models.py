"""The stored trail: events, and the links that chain them."""

from django.db import models


class Event(models.Model):
    """One thing that happened. Rows are added by ``actions.record`` and never go away or change (trigger in the database), but
    for words that are forgotten (``actions.forget``)."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    name = models.TextField(help_text="Noun and verb: resource_request.approve")
    actor_id = models.TextField()
    actor_name = models.TextField()
    subject_type = models.TextField(help_text="Model label, for example sponsorship.resourcerequest")
    subject_id = models.TextField()
    subject_label = models.TextField()
    data = models.JSONField(default=dict)
    #: A salted hash of the words: names, labels, and what in ``data`` is text. The chain has this in their place. The database
    #: sets both. Null for an event from before, and empty when its words were forgotten.
    words_hash = models.BinaryField(null=True, editable=False)
    salt = models.BinaryField(null=True, editable=False, help_text="Null once the words were forgotten")

    class Meta:
        ordering = ["at", "pk"]
        indexes = [
            models.Index("subject_type", "subject_id", "at", name="audit_event_by_subject"),
            models.Index("actor_id", "at", name="audit_event_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.subject_label} by {self.actor_name}"


class Link(models.Model):
    """The place of one committed event in the chain, written by the database at commit (see ``sql/chain.sql``).

    ``event_id`` is no foreign key, so that a removed event leaves its link behind as evidence.
    """

    position = models.BigIntegerField(primary_key=True)
    event_id = models.BigIntegerField(unique=True)
    hash = models.BinaryField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"link {self.position} to event {self.event_id}"
