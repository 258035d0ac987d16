"""Files that outlive replicas."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Volume(models.Model):
    """A named volume of an account; any of its endpoints may mount it.

    `engine_name` is what the engine calls it. `size_bytes` is what its files take, as
    the worker saw it at `measured_at`; null while nobody measured.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=40)
    engine_name = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    measured_at = models.DateTimeField(null=True, blank=True)
    # Somebody asked to delete it: the worker removes the files, then the row.
    deleting = models.BooleanField(default=False)
    # Why the engine would not remove it, in one sentence.
    trouble = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="volume_name_once"),
        ]

    def __str__(self) -> str:
        return self.name
