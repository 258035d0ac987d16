"""What is really running. Written by the worker only."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from endpoints.models import Endpoint, Revision
from replicas.states import ReplicaState
from templates_app.models import Tier
from templates_app.spec import ContainerSpec


class Node(models.Model):
    """A machine that runs containers, as its engine described it last."""

    name = models.CharField(max_length=100, primary_key=True)
    cores = models.PositiveIntegerField(default=1)
    memory_mb = models.PositiveIntegerField(default=0)
    engine_version = models.CharField(max_length=40, blank=True)
    # Null while the engine answers; since when it does not.
    unreachable_since = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class ReplicaQuerySet(models.QuerySet["Replica"]):
    def alive(self) -> ReplicaQuerySet:
        """Those whose story has not ended."""
        return self.exclude(state=ReplicaState.STOPPED)


class Replica(models.Model):
    """One bubble: a place in an endpoint and the container that fills it now.

    `number` is what people see ("Replica 2"); `attempt` counts containers, so that
    every start has its own log and exit reason. A stopped replica stays as history.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="replicas"
    )
    number = models.PositiveSmallIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    # The container it runs, now and after every restart.
    revision = models.ForeignKey(
        Revision, on_delete=models.CASCADE, related_name="replicas"
    )
    state = models.CharField(max_length=12, default=ReplicaState.WAITING)
    since = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT)
    container_id = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=45, blank=True)
    # When the container of this attempt started, and when it first answered.
    started_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    # A wish, written by services: somebody asked for this replica to be replaced.
    retire = models.BooleanField(default=False)
    # When the container was asked to end.
    end_asked_at = models.DateTimeField(null=True, blank=True)
    # Since when the probe has had no answer from a replica that had answered.
    silent_since = models.DateTimeField(null=True, blank=True)
    # Crashes in a row, for the back-off, and when the next try is due.
    failures = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    # One word and one sentence about the newest failure.
    trouble = models.CharField(max_length=40, blank=True)
    trouble_text = models.TextField(blank=True)

    objects = ReplicaQuerySet.as_manager()

    class Meta:
        ordering = ["number", "id"]
        constraints = [
            # One living replica for each place of an endpoint.
            models.UniqueConstraint(
                fields=["endpoint", "number"],
                condition=~models.Q(state="stopped"),
                name="replica_one_alive_per_number",
            ),
        ]
        indexes = [
            # The runner looks for containers to follow and probe.
            models.Index(fields=["state"], name="replica_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id}/{self.number}.{self.attempt} {self.state}"

    @property
    def container(self) -> ContainerSpec:
        return self.revision.container

    @property
    def tier(self) -> Tier:
        return self.revision.tier


class Gpu(models.Model):
    """One GPU, by UUID, and the replica that holds it (never two)."""

    uuid = models.CharField(max_length=80, primary_key=True)
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="gpus")
    model = models.CharField(max_length=80)
    memory_gb = models.PositiveIntegerField(default=0)
    present = models.BooleanField(default=True)
    replica = models.ForeignKey(
        Replica, null=True, blank=True, on_delete=models.PROTECT, related_name="gpus"
    )

    class Meta:
        ordering = ["node", "uuid"]

    def __str__(self) -> str:
        return f"{self.model} {self.uuid}"


class ImagePull(models.Model):
    """An account got an image from its registry: see replicas/pulls.py.

    digest: the engine's id of it, "sha256:…"; "" while it is being pulled. private:
    it took the account's own sign-in.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    image = models.CharField(max_length=500)
    digest = models.CharField(max_length=80, blank=True)
    private = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "image", "digest"], name="image_pull_once"
            ),
        ]
        indexes = [models.Index(fields=["digest"], name="image_pull_by_digest")]

    def __str__(self) -> str:
        return f"{self.owner_id} {self.image}"


class Sample(models.Model):
    """What one endpoint did in one span of time: see replicas/metrics/.

    step: length of the span in seconds (10, 60 or 900). at: its beginning.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="samples"
    )
    step = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "step", "at"], name="sample_once"
            ),
        ]
        indexes = [models.Index(fields=["step", "at"], name="sample_by_age")]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.at:%H:%M:%S} {self.step} s"
