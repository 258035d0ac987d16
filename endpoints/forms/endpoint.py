"""The clone form: what an endpoint is made from, and later changed with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from endpoints import rules
from endpoints.forms.environment import (
    EnvRow,
    read_rows,
    rows_of,
    sealed_rows,
    variables_of,
    with_spares,
)
from endpoints.models import Endpoint
from endpoints.services import Wish, names_in_use
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec, VolumeSpec

IDLE_MINUTES_MAX = rules.IDLE_MAX // 60
START_MINUTES_MAX = rules.START_MAX // 60
DEFAULT_MOUNT = "/data"


def _number(message: str) -> forms.IntegerField:
    """A whole number; anything else is refused with `message`."""
    return forms.IntegerField(error_messages={"required": message, "invalid": message})


def _ruled(check: Callable[[Any], str]) -> Callable[[Any], None]:
    def validate(value: Any) -> None:
        if problem := check(value):
            raise ValidationError(problem)

    return validate


def _checked(check: Callable[[str], str], value: str) -> str:
    _ruled(check)(value)
    return value


class EndpointForm(forms.Form):
    """All fields of the clone page. `spec` is where the container comes from.

    With a template its image stays; without one the person names it.
    """

    name = forms.CharField(required=False)
    image = forms.CharField(required=False)
    tier = forms.ModelChoiceField(
        Tier.objects.all(),
        error_messages={
            "required": "Choose the hardware.",
            "invalid_choice": "This hardware is no longer offered. Choose another.",
        },
    )
    min_replicas = _number("Enter the minimum as a whole number.")
    max_replicas = _number("Enter the maximum as a whole number.")
    public = forms.BooleanField(required=False)
    volume = forms.BooleanField(required=False)
    mount = forms.CharField(required=False)
    port = forms.IntegerField(
        error_messages=dict.fromkeys(("required", "invalid"), rules.port_problem(None))
    )
    health_path = forms.CharField(required=False)
    idle = _number(f"Enter 0 to {IDLE_MINUTES_MAX:,} minutes.")
    startup = _number(f"Enter 1 to {START_MINUTES_MAX:,} minutes.")
    concurrency = _number(f"Enter 1 to {rules.CONCURRENCY_MAX:,} requests.")

    def __init__(
        self, *args: Any, spec: ContainerSpec, template: Template | None, **kwargs: Any
    ) -> None:
        self.spec = spec
        self.template = template
        self.env_rows = rows_of(spec.env)
        super().__init__(*args, **kwargs)

    @property
    def rows(self) -> list[EnvRow]:
        """The environment as the page shows it, typed secrets sealed."""
        return with_spares(sealed_rows(self.env_rows))

    @property
    def problems(self) -> dict[str, str]:
        """The first sentence for each field; both replica fields share "scale"."""
        told = {field: str(errors[0]) for field, errors in self.errors.items()}
        for field in ("min_replicas", "max_replicas"):
            if field in told:
                told.setdefault("scale", told.pop(field))
        told |= {
            f"env-{row.number}": row.problem for row in self.env_rows if row.problem
        }
        return told

    @property
    def summary(self) -> str:
        """ "2 fields need a change.", or "" when none does."""
        count = len(self.problems) if self.is_bound else 0
        if count == 1:
            return "One field needs a change."
        return f"{count} fields need a change." if count else ""

    def is_valid(self) -> bool:
        return super().is_valid() and not self.problems

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        _ruled(rules.name_problem)(name)
        if Endpoint.objects.filter(name=name).exists():
            raise ValidationError(rules.taken(name, names_in_use()))
        return name

    def clean_image(self) -> str:
        if self.template is not None:
            return self.spec.image
        return _checked(rules.image_problem, self.cleaned_data["image"])

    def clean_port(self) -> int:
        port: int = self.cleaned_data["port"]
        _ruled(rules.port_problem)(port)
        return port

    def clean_health_path(self) -> str:
        return _checked(rules.path_problem, self.cleaned_data["health_path"])

    def clean_idle(self) -> int:
        """Minutes as typed, seconds from here on."""
        minutes: int = self.cleaned_data["idle"]
        if not 0 <= minutes <= IDLE_MINUTES_MAX:
            raise ValidationError(f"Enter 0 to {IDLE_MINUTES_MAX:,} minutes.")
        return minutes * 60

    def clean_startup(self) -> int:
        minutes: int = self.cleaned_data["startup"]
        if not 1 <= minutes <= START_MINUTES_MAX:
            raise ValidationError(f"Enter 1 to {START_MINUTES_MAX:,} minutes.")
        return minutes * 60

    def clean_concurrency(self) -> int:
        count: int = self.cleaned_data["concurrency"]
        _ruled(rules.concurrency_problem)(count)
        return count

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        self.env_rows = read_rows(self.data)
        least, most = data.get("min_replicas"), data.get("max_replicas")
        if least is None or most is None:
            problem = ""  # each says so itself
        else:
            problem = rules.scale_problem(least, most)
        if problem:
            self.add_error("min_replicas", problem)
        if data.get("volume") and (problem := rules.mount_problem(data["mount"])):
            self.add_error("mount", problem)
        return data

    def wish(self) -> Wish:
        """What was asked for. Only for a form that is valid."""
        data = self.cleaned_data
        spec = replace(
            self.spec,
            image=data["image"],
            port=data["port"],
            health_path=data["health_path"],
            env=variables_of(self.env_rows),
            volume=self._volume(),
        )
        return Wish(
            name=data["name"],
            spec=spec,
            tier=data["tier"],
            min_replicas=data["min_replicas"],
            max_replicas=data["max_replicas"],
            public=data["public"],
            idle_timeout=data["idle"],
            start_timeout=data["startup"],
            concurrency=data["concurrency"],
        )

    def _volume(self) -> VolumeSpec | None:
        if not self.cleaned_data["volume"]:
            return None
        name = self.spec.volume.name if self.spec.volume else "files"
        return VolumeSpec(name, self.cleaned_data["mount"])


def initial_of(template: Template) -> dict[str, Any]:
    """What the form shows first for a template; the volume waits to be opted into."""
    spec = template.container
    return {
        "tier": template.tier_id,
        "image": spec.image,
        "min_replicas": template.min_replicas,
        "max_replicas": template.max_replicas,
        "public": template.public,
        "mount": spec.volume.mount if spec.volume else DEFAULT_MOUNT,
        "port": spec.port,
        "health_path": spec.health_path,
        "idle": template.idle_timeout // 60,
        "startup": template.start_timeout // 60,
        "concurrency": template.concurrency,
    }


def initial_own() -> dict[str, Any]:
    """What the form shows first for a container of one's own."""
    smallest = Tier.objects.first()
    return {
        "tier": smallest.slug if smallest else None,
        "min_replicas": 1,
        "max_replicas": 1,
        "mount": DEFAULT_MOUNT,
        "port": 3000,
        "idle": 10,
        "startup": 10,
        "concurrency": 16,
    }
