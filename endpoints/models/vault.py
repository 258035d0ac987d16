"""What an account keeps sealed: secrets and registry sign-ins."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Secret(models.Model):
    """An environment variable that endpoints may choose; its value is never shown.

    `key` is the variable's name. `sealed` is its value as `endpoints.sealing` made it.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=100)
    sealed = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="secret_key_once"),
        ]

    def __str__(self) -> str:
        return self.key


class RegistryCredential(models.Model):
    """A sign-in to a registry, used for pulls. `registry` is its host and port.

    `checked_at` is when that registry last accepted it; null when it never did.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=40)
    registry = models.CharField(max_length=255)
    username = models.CharField(max_length=255)
    sealed = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key"], name="registry_credential_key_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.username} at {self.registry})"
