"""What the user wants: a name, a URL, and the container that should answer there."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.urls import reverse

from endpoints.rules import CONCURRENCY_USUAL
from endpoints.states import Phase
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> EndpointQuerySet:
        """Those this person may see: their own; all for a superuser."""
        if getattr(user, "is_superuser", False):
            return self.all()
        return self.filter(owner_id=user.pk)

    def alive(self) -> EndpointQuerySet:
        """Those nobody asked to delete."""
        return self.filter(deleting=False)


class Endpoint(models.Model):
    """A name, a URL, and the container that should answer there."""

    name = models.CharField(max_length=40, unique=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    template = models.ForeignKey(
        Template, null=True, blank=True, on_delete=models.SET_NULL
    )
    # Kept beside the key, so that the page still says it when the template is gone.
    template_name = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # The wish: written by endpoints.services, for the user.
    display_name = models.CharField(max_length=80, blank=True)
    description = models.TextField(blank=True)
    spec = models.JSONField()
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="+")
    min_replicas = models.PositiveSmallIntegerField(default=1)
    max_replicas = models.PositiveSmallIntegerField(default=1)
    public = models.BooleanField(default=False)
    idle_timeout = models.PositiveIntegerField(default=600)
    start_timeout = models.PositiveIntegerField(default=600)
    concurrency = models.PositiveSmallIntegerField(default=CONCURRENCY_USUAL)
    # Seconds a request waits for a replica at most; then it is answered 503.
    hold_seconds = models.PositiveIntegerField(default=300)
    # One replica at least runs until then.
    warm_until = models.DateTimeField(null=True, blank=True)
    # The time zone of its ScheduleWindows (IANA); "" for the installation's.
    schedule_zone = models.CharField(max_length=64, blank=True)
    paused = models.BooleanField(default=False)
    deleting = models.BooleanField(default=False)
    # Number of the revision whose container is wanted: `spec` and `tier` are its copy.
    # A reconciler that saw it writes observed_revision.
    revision = models.PositiveIntegerField(default=1)

    # The number: written by the scaler; how many replicas should run now.
    target_count = models.PositiveSmallIntegerField(default=1)
    # The minimum in force, where schedule or `warm_until` say another; else null.
    minimum_now = models.PositiveSmallIntegerField(
        null=True, blank=True, editable=False
    )
    # When the ingress last saw a request of this endpoint begin or go on.
    last_request_at = models.DateTimeField(null=True, blank=True, editable=False)

    # What is: written by the reconciler only.
    phase = models.CharField(max_length=20, default=Phase.WAITING, editable=False)
    ready_count = models.PositiveSmallIntegerField(default=0, editable=False)
    observed_revision = models.PositiveIntegerField(default=0, editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(min_replicas__lte=models.F("max_replicas")),
                name="endpoint_min_not_above_max",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("replicas:endpoint", args=[self.name])

    @property
    def container(self) -> ContainerSpec:
        return ContainerSpec.from_json(self.spec)

    @property
    def host(self) -> str:
        return f"{self.name}.{settings.ALIGHT_DOMAIN}"

    @property
    def url(self) -> str:
        """The endpoint's own address; the port is left out where it is the usual."""
        usual = {"http": 80, "https": 443}[settings.ALIGHT_SCHEME]
        port = settings.ALIGHT_PORT
        tail = "" if port == usual or settings.ALIGHT_SCHEME == "https" else f":{port}"
        return f"{settings.ALIGHT_SCHEME}://{self.host}{tail}"

    @property
    def wanted_count(self) -> int:
        """How many replicas should exist: none when paused or being deleted."""
        if self.paused or self.deleting:
            return 0
        return min(max(self.target_count, self.minimum), self.max_replicas)

    @property
    def minimum(self) -> int:
        """Replicas that run without traffic, at this time of the week."""
        return self.min_replicas if self.minimum_now is None else self.minimum_now
