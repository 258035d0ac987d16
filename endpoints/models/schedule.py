"""When an endpoint keeps more or fewer replicas than its minimum says."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from endpoints.models.endpoint import Endpoint


class ScheduleWindow(models.Model):
    """A time of the week with a minimum of its own.

    days: bits, Monday is 1, Sunday 64. begins and ends are times of day in the
    endpoint's `schedule_zone`; a window whose end is not after its beginning goes on
    into the next day.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="windows"
    )
    days = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(127)]
    )
    begins = models.TimeField()
    ends = models.TimeField()
    min_replicas = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["days", "begins", "id"]

    def __str__(self) -> str:
        return f"{self.days:07b} {self.begins}–{self.ends}: {self.min_replicas}"
