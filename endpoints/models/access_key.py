"""Who may call."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class AccessKeyQuerySet(models.QuerySet["AccessKey"]):
    def usable(self) -> AccessKeyQuerySet:
        """Those that may call: not revoked, and of somebody who may sign in."""
        return self.filter(revoked_at=None, owner__is_active=True)

    def digests_by_owner(self) -> dict[int, tuple[str, ...]]:
        """Sorted digests, as the ingress has them, by the owner's id."""
        found: dict[int, list[str]] = {}
        for owner, digest in self.values_list("owner_id", "digest").order_by("digest"):
            found.setdefault(owner, []).append(digest)
        return {owner: tuple(digests) for owner, digests in found.items()}


class AccessKey(models.Model):
    """A token. Only its digest is kept: upper-case hex SHA-256 of "Bearer <token>".

    That is the text the ingress hashes, so one digest serves it and the API.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    last_four = models.CharField(max_length=4)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"
