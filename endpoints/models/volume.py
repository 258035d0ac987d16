"""Files that outlive replicas."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models


class VolumeQuerySet(models.QuerySet["Volume"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> VolumeQuerySet:
        """Those this person may see: their own; all for a superuser."""
        if getattr(user, "is_superuser", False):
            return self.all()
        return self.filter(owner_id=user.pk)

    def kept(self) -> VolumeQuerySet:
        """Those nobody asked to delete."""
        return self.filter(deleting=False)


class Volume(models.Model):
    """A named volume of an account; any of its endpoints may mount it.

    `engine_name` is what the engine calls it, never the same twice. `size_bytes` is
    what its files take, as the worker saw it at `measured_at`; null while nobody
    measured. A name is free again as soon as its volume is to be deleted.
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

    objects = VolumeQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=models.Q(deleting=False),
                name="volume_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name
