"""Messages as rows."""

from django.db import models

from earthcode.lib.claim import Claimable


class MessageStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENT = "sent", "Sent"
    #: The mail server refused it for good, or it was tried often enough. It stays readable in the site.
    FAILED = "failed", "Failed"
    #: The person has no address; the message is in the site only.
    SITE_ONLY = "site_only", "In the site only"


class Message(Claimable):
    """One message to one person. The key makes it once, however often the action that writes it is repeated."""

    key = models.CharField(max_length=200, unique=True)
    recipient = models.UUIDField(help_text="Public id of the person")
    email = models.EmailField(blank=True, help_text="Their address when the message was written")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    link = models.CharField(max_length=300, blank=True, help_text="Path on this site")
    status = models.CharField(max_length=10, choices=MessageStatus.choices)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["recipient", "-created_at"], name="notifications_by_recipient"),
            models.Index("due_at", name="notifications_waiting", condition=models.Q(status="queued")),
            models.Index("recipient", name="notifications_unread", condition=models.Q(read_at=None)),
        ]

    def __str__(self) -> str:
        return self.subject
