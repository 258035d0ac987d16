"""What can be deployed: hardware tiers and templates."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

from templates_app import rules
from templates_app.spec import ContainerSpec, EnvVar


class Tier(models.Model):
    """A size of hardware that one replica gets.

    `gpu_model` is empty and `gpus` 0 for tiers without a GPU. `cores` are CPU cores,
    `memory_mb` and `shm_mb` MiB, `gpu_memory_gb` GB of one GPU.
    """

    slug = models.SlugField(primary_key=True, max_length=40)
    name = models.CharField(max_length=40)
    gpu_model = models.CharField(max_length=40, blank=True)
    gpus = models.PositiveSmallIntegerField(default=0)
    gpu_memory_gb = models.PositiveIntegerField(default=0)
    cores = models.FloatField()
    memory_mb = models.PositiveIntegerField()
    shm_mb = models.PositiveIntegerField(default=0)
    # What an hour of one replica costs, in the installation's own money; null: nothing
    # is said about it.
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    # An administrator's values: loading the catalogue leaves them alone.
    edited = models.BooleanField(default=False)

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hardware})"

    @property
    def hardware(self) -> str:
        """What a person calls it: "A10", "2 × A100" or "CPU"."""
        if not self.gpus:
            return "CPU"
        return self.gpu_model if self.gpus == 1 else f"{self.gpus} × {self.gpu_model}"

    @property
    def memory_gb(self) -> int:
        return round(self.memory_mb / 1024)

    @property
    def price_words(self) -> str:
        """ "1.15 an hour"; empty when nothing is said about the price."""
        return "" if self.price is None else f"{self.price:.2f} an hour"


class TemplateQuerySet(models.QuerySet["Template"]):
    def published(self) -> TemplateQuerySet:
        return self.filter(retired=False)

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> TemplateQuerySet:
        """Those this person may clone: the catalogue's, shared ones, and their own."""
        mine = Q(owner=None) | Q(shared=True) | Q(owner=user.pk)
        return self.published().filter(mine)

    def for_list(self) -> TemplateQuerySet:
        return self.select_related("tier", "owner")


class Template(models.Model):
    """Something to clone: a container with the settings that suit it.

    `spec` is a ContainerSpec as JSON, its volume the one to opt into.
    """

    slug = models.SlugField(unique=True, max_length=60)
    name = models.CharField(max_length=80)
    summary = models.CharField(max_length=160)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=30)
    motif = models.CharField(max_length=30, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    spec = models.JSONField()
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="+")
    # Bytes a first start pulls or builds, as far as the catalogue knows; 0: unknown.
    image_bytes = models.PositiveBigIntegerField(default=0)
    # Minutes a first build takes, roughly; 0 for images that are pulled.
    build_minutes = models.PositiveSmallIntegerField(default=0)
    # A sentence on when to choose another tier, for the form's help.
    tier_note = models.CharField(max_length=160, blank=True)
    min_replicas = models.PositiveSmallIntegerField(default=1)
    max_replicas = models.PositiveSmallIntegerField(default=1)
    public = models.BooleanField(default=False)
    idle_timeout = models.PositiveIntegerField(default=600)
    start_timeout = models.PositiveIntegerField(default=600)
    concurrency = models.PositiveSmallIntegerField(default=rules.CONCURRENCY_USUAL)
    retired = models.BooleanField(default=False)
    # Hash of the catalogue file's content, so that loading it again changes nothing.
    digest = models.CharField(max_length=64, blank=True)
    # Null for those of the catalogue.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE
    )
    # Its owner lets everyone here clone it.
    shared = models.BooleanField(default=False)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def container(self) -> ContainerSpec:
        return ContainerSpec.from_json(self.spec)

    @property
    def needs(self) -> list[EnvVar]:
        """Variables that a clone is asked for."""
        return [var for var in self.container.env if var.needed]

    @property
    def sets(self) -> list[EnvVar]:
        """Variables that have a value here, or that one may fill in."""
        return [var for var in self.container.env if not var.needed]

    @property
    def search_text(self) -> str:
        """What the Templates page searches: name, summary and hardware, lowercase."""
        words = f"{self.name} {self.summary} {self.tier.hardware} {self.tier.name}"
        return words.lower()

    @property
    def image_note(self) -> str:
        """What a first start does with the image."""
        if not self.spec.get("build"):
            return "Pulled on first start"
        about = f", about {self.build_minutes} min" if self.build_minutes else ""
        return f"Built on first start{about}"
