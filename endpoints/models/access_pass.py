"""Passes of browsers: made for a person signed in to the console, or by a link."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from endpoints.models.endpoint import Endpoint


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def usable(self) -> ShareLinkQuerySet:
        """Those that open: neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class ShareLink(models.Model):
    """A link that lets whoever has it in, until it expires or is revoked.

    Only the secret's digest is kept: upper-case hex SHA-256.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="share_links"
    )
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.endpoint_id} …{self.last_four}"

    @property
    def called(self) -> str:
        return f"the link for {self.name}" if self.name else "the link"


class PassQuerySet(models.QuerySet["Pass"]):
    def usable(self) -> PassQuerySet:
        """Those that let a browser in now."""
        link = models.Q(link=None) | models.Q(
            link__revoked_at=None, link__expires_at__gt=timezone.now()
        )
        # As EndpointQuerySet.visible_to has it.
        sees = models.Q(user__is_superuser=True) | models.Q(
            user_id=models.F("endpoint__owner_id")
        )
        person = models.Q(user=None) | models.Q(user__is_active=True) & sees
        return self.filter(
            link, person, ended_at=None, expires_at__gt=timezone.now()
        ).exclude(digest=None)


class Pass(models.Model):
    """What one browser shows at one endpoint's host: a cookie of that host alone.

    A person signed in to the console first gets a `ticket`, good once and for a
    minute, which the endpoint's host takes in exchange for the cookie. digests are
    upper-case hex SHA-256 of ticket and cookie.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="passes"
    )
    # One of the two: the person it was made for, or the link that was followed.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE
    )
    link = models.ForeignKey(ShareLink, null=True, blank=True, on_delete=models.CASCADE)
    # Digest of the console's session that it ends with; "" for none.
    session = models.CharField(max_length=64, blank=True, db_index=True)
    ticket = models.CharField(max_length=64, null=True, blank=True, unique=True)
    digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = PassQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.endpoint_id} until {self.expires_at:%Y-%m-%d %H:%M}"
