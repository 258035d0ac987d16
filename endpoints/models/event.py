"""An endpoint's story."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from endpoints.models.endpoint import Endpoint


class Event(models.Model):
    """One line of an endpoint's story; never changed once written.

    Replicas are named by number, not by key, so that history outlives them.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="events"
    )
    replica_id = models.BigIntegerField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=40)
    warning = models.BooleanField(default=False)
    message = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "id"]
        indexes = [
            # The timeline of one replica, and the activity of one endpoint.
            models.Index(
                fields=["endpoint", "replica_id", "at"], name="event_by_replica"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.message}"
