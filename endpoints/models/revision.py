"""Every container an endpoint was asked to run, numbered."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from endpoints.models.endpoint import Endpoint
from templates_app.models import Tier
from templates_app.spec import ContainerSpec


class RevisionQuerySet(models.QuerySet["Revision"]):
    def settled(self) -> RevisionQuerySet:
        """Those that once ran in full, the one that did so last first."""
        return self.exclude(settled_at=None).order_by("-settled_at", "-number")


class Revision(models.Model):
    """A container and its hardware as they were asked for; never changed once written.

    What became of it is written by the reconciler: `settled_at` when all wanted
    replicas ran it, `failed_at` and `why` when one could not become ready with it and
    another revision serves in its place.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="revisions"
    )
    number = models.PositiveIntegerField()
    spec = models.JSONField()
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="+")
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    settled_at = models.DateTimeField(null=True, blank=True, editable=False)
    failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    why = models.TextField(blank=True, editable=False)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "number"], name="revision_number_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} revision {self.number}"

    @property
    def container(self) -> ContainerSpec:
        return ContainerSpec.from_json(self.spec)
