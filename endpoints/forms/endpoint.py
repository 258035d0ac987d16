"""The endpoint's form: what one is made from, and later changed with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from endpoints import rules
from endpoints.forms.base import AccountForm
from endpoints.forms.environment import read_rows, variables_of
from endpoints.forms.fields import WordsField, minutes_of, part, ruled, whole
from endpoints.models import Endpoint
from endpoints.services import Wish, names_in_use
from templates_app.models import Tier
from templates_app.spec import ContainerSpec, VolumeSpec

IDLE_MINUTES_MAX = rules.IDLE_MAX // 60
START_MINUTES_MAX = rules.START_MAX // 60
IDLE_WORDS = f"Enter 0 to {IDLE_MINUTES_MAX:,} minutes."
HOLD_MINUTES_MAX = rules.HOLD_MAX // 60
HOLD_WORDS = f"Enter 0 to {HOLD_MINUTES_MAX} minutes."
START_WORDS = f"Enter 1 to {START_MINUTES_MAX:,} minutes."


class EndpointForm(AccountForm):
    """All fields of the page: what may be typed into each, and what comes of it."""

    name = forms.CharField(required=False)
    image = forms.CharField(required=False)
    registry = forms.CharField(required=False)
    command = WordsField()
    args = WordsField()
    tier = forms.ModelChoiceField(
        Tier.objects.all(),
        error_messages={
            "required": "Choose the hardware.",
            "invalid_choice": "This hardware is no longer offered. Choose another.",
        },
    )
    min_replicas = whole("Enter the minimum as a whole number.")
    max_replicas = whole("Enter the maximum as a whole number.")
    public = forms.BooleanField(required=False)
    volume = forms.BooleanField(required=False)
    volume_name = forms.CharField(required=False)
    mount = forms.CharField(required=False)
    port = whole(rules.port_problem(None))
    health_path = forms.CharField(required=False)
    idle = part(IDLE_WORDS)
    startup = part(START_WORDS)
    hold = part(HOLD_WORDS)
    concurrency = whole(f"Enter 1 to {rules.CONCURRENCY_MAX:,} requests.")

    def is_valid(self) -> bool:
        return super().is_valid() and not self.problems

    def clean_name(self) -> str:
        name: str = ruled(rules.name_problem, self.cleaned_data["name"])
        if Endpoint.objects.filter(name=name).exists():
            raise ValidationError(rules.taken(name, names_in_use()))
        return name

    def clean_image(self) -> str:
        if self.fixed_image:
            return self.spec.image
        image: str = ruled(rules.image_problem, self.cleaned_data["image"])
        return image

    def clean_registry(self) -> str:
        key: str = self.cleaned_data["registry"]
        if key and not self.account.has_sign_in(key):
            raise ValidationError(
                f'There is no sign-in "{key}" on this account. Choose another.'
            )
        return key

    def clean_port(self) -> int:
        port: int = ruled(rules.port_problem, self.cleaned_data["port"])
        return port

    def clean_health_path(self) -> str:
        path: str = ruled(rules.path_problem, self.cleaned_data["health_path"])
        return path

    def clean_idle(self) -> int:
        """Minutes as typed, seconds from here on."""
        return self._seconds("idle", 0, IDLE_MINUTES_MAX, IDLE_WORDS)

    def clean_startup(self) -> int:
        return self._seconds("startup", 1, START_MINUTES_MAX, START_WORDS)

    def clean_hold(self) -> int:
        return self._seconds("hold", 0, HOLD_MINUTES_MAX, HOLD_WORDS)

    def _seconds(self, field: str, least: int, most: int, words: str) -> int:
        minutes: float = self.cleaned_data[field]
        exact: int | None = self.initial.get(f"{field}_seconds")
        if exact is not None and minutes == minutes_of(exact):
            return exact
        if not least <= minutes <= most:
            raise ValidationError(words)
        return round(minutes * 60)

    def clean_concurrency(self) -> int:
        count: int = ruled(rules.concurrency_problem, self.cleaned_data["concurrency"])
        return count

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        self.env_rows = read_rows(self.data, self.needs, self.taken_secrets)
        least, most = data.get("min_replicas"), data.get("max_replicas")
        if least is None or most is None:
            problem = ""  # each says so itself
        else:
            problem = rules.scale_problem(least, most)
        if problem:
            self.add_error("min_replicas", problem)
        if data.get("volume"):
            self._check("volume_name", rules.volume_problem)
            self._check("mount", rules.mount_problem)
        return data

    def _check(self, field: str, problem_of: Callable[[str], str]) -> None:
        """By a rule of ours, unless the field itself refused what was typed."""
        typed = self.cleaned_data.get(field)
        if typed is not None and (problem := problem_of(typed)):
            self.add_error(field, problem)

    def wish(self) -> Wish:
        """What was asked for. Only for a form that is valid."""
        data = self.cleaned_data
        return Wish(
            name=self.endpoint.name if self.endpoint else data["name"],
            spec=self._container(data),
            tier=data["tier"],
            min_replicas=data["min_replicas"],
            max_replicas=data["max_replicas"],
            public=data["public"],
            idle_timeout=data["idle"],
            start_timeout=data["startup"],
            concurrency=data["concurrency"],
            hold_seconds=data["hold"],
        )

    def _container(self, data: dict[str, Any]) -> ContainerSpec:
        volume = VolumeSpec(data["volume_name"], data["mount"])
        # Another image is pulled: what built the old one does not build it.
        build = self.spec.build if data["image"] == self.spec.image else ""
        return replace(
            self.spec,
            image=data["image"],
            build=build,
            registry=data["registry"],
            port=data["port"],
            health_path=data["health_path"],
            command=data["command"],
            args=data["args"],
            env=variables_of(self.env_rows),
            secrets=self._secrets(),
            volume=volume if data["volume"] else None,
        )

    def _secrets(self) -> tuple[str, ...]:
        """In the order they had, so that choosing the same again changes nothing."""
        taken = self.taken_secrets
        old = [key for key in self.spec.secrets if key in taken]
        return (*old, *(key for key in taken if key not in old))
