"""Requests that are answered later."""

from __future__ import annotations

import uuid

from django.db import models

from endpoints.models.endpoint import Endpoint


class AsyncState(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class AsyncRequest(models.Model):
    """One request taken at the edge, to be sent by the worker, and its answer.

    Bodies are files in ALIGHT_ASYNC_DIR, named by id. headers are pairs of strings,
    without credentials. attempts counts how often it was sent. grant: the digest of
    what whoever asked showed, or "public". body_bytes and answer_bytes: on the disk.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="async_requests"
    )
    state = models.CharField(
        max_length=10, choices=AsyncState.choices, default=AsyncState.PENDING
    )
    method = models.CharField(max_length=10)
    path = models.TextField()
    headers = models.JSONField(default=list)
    grant = models.CharField(max_length=64, blank=True)
    body_bytes = models.PositiveBigIntegerField(default=0)
    answer_bytes = models.PositiveBigIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_headers = models.JSONField(default=list)
    trouble = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["state", "created_at"], name="async_by_state")]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"
