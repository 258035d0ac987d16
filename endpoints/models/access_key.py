"""Who may call, and what."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.db import models
from django.utils import timezone

from endpoints.models.endpoint import Endpoint


class Scope(models.TextChoices):
    """What a token may do. Each includes nothing of the next but what it says."""

    MANAGE = "manage", "Manage endpoints and call all of them"
    CALL_ALL = "call-all", "Call all endpoints"
    CALL_SOME = "call-some", "Call these endpoints"


class AccessKeyQuerySet(models.QuerySet["AccessKey"]):
    def usable(self) -> AccessKeyQuerySet:
        """Those that may call: neither revoked nor expired, of one who may sign in."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, revoked_at=None, owner__is_active=True)

    def of_those_who_see_endpoints_of(
        self, owners: Collection[int]
    ) -> AccessKeyQuerySet:
        """Tokens of these people (by id), and of superusers; `owner` comes along."""
        mine = models.Q(owner_id__in=owners) | models.Q(owner__is_superuser=True)
        return self.filter(mine).select_related("owner")


class AccessKey(models.Model):
    """A token. Only its digest is kept: upper-case hex SHA-256 of "Bearer <token>".

    That is the text the ingress hashes, so one digest serves it and the API.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    last_four = models.CharField(max_length=4)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.MANAGE)
    # Those it may call with the scope "call-some", as far as its owner sees them.
    endpoints = models.ManyToManyField(Endpoint, blank=True, related_name="access_keys")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"

    @property
    def can_use(self) -> str:
        """What it may do, for people. Prefetch `endpoints` for many."""
        if self.scope == Scope.MANAGE:
            return "All endpoints and the API"
        if self.scope == Scope.CALL_ALL:
            return "All endpoints"
        names = sorted(e.name for e in self.endpoints.all() if not e.deleting)
        return ", ".join(names) or "Endpoints that are gone"
