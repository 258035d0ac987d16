"""The form that makes a template from an endpoint, and what goes into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError

from endpoints.models import Endpoint
from templates_app.catalogue.reading import LAST, NOTE_MAX
from templates_app.forms import NAME_MAX, SUMMARY_MAX, WordsForm, one_line
from templates_app.models import Template
from templates_app.own import Draft
from templates_app.spec import ContainerSpec, EnvVar

NOTE = "note-"


@dataclass(frozen=True)
class Asked:
    """A variable that a clone is asked for; `note` says where to get its value."""

    name: str
    note: str
    problem: str = ""


def contents(endpoint: Endpoint) -> ContainerSpec:
    """The endpoint's container as a template may have it: nothing that is secret.

    Secrets are asked for by name; the registry sign-in belongs to its owner.
    """
    spec = endpoint.container
    named = {var.name for var in spec.env}
    shared = [key for key in spec.secrets if key not in named]
    return replace(
        spec,
        env=(*map(_open, spec.env), *(EnvVar(k, "", True, True) for k in shared)),
        secrets=(),
        registry="",
    )


def _open(var: EnvVar) -> EnvVar:
    if var.secret:
        return replace(var, value="", needed=True)
    return replace(var, needed=var.needed and not var.value)


def _minutes(seconds: int) -> int:
    """In whole minutes, as a template's file has them; never shorter."""
    return -(-seconds // 60) * 60


class SaveTemplateForm(WordsForm):
    """The words, and a note for each variable that the template asks for."""

    def __init__(
        self, *args: Any, endpoint: Endpoint, source: Template | None, **kwargs: Any
    ) -> None:
        self.endpoint = endpoint
        # What the endpoint was made from, for what no container says.
        self.source = source
        self.spec = contents(endpoint)
        self.notes = {v.name: v.note for v in source.container.env} if source else {}
        kwargs["initial"] = {
            "name": (endpoint.display_name or endpoint.name)[:NAME_MAX],
            "summary": source.summary[:SUMMARY_MAX] if source else "",
            "kind": source.kind if source else "tools",
        }
        super().__init__(*args, **kwargs)

    @property
    def asked(self) -> list[Asked]:
        """The variables a clone is asked for, with their notes as typed."""
        told = self.problems if self.is_bound else {}
        return [
            Asked(var.name, self._note(var), told.get(NOTE + var.name, ""))
            for var in self.spec.env
            if var.needed
        ]

    def _note(self, var: EnvVar) -> str:
        if self.is_bound:
            return str(self.data.get(NOTE + var.name, "")).strip()
        return var.note or self.notes.get(var.name, "")

    def clean(self) -> dict[str, Any]:
        for var in self.spec.env:
            if not var.needed:
                continue
            try:
                one_line(self._note(var), NOTE_MAX)
            except ValidationError as error:
                # Not a field of the class: there is one for each variable.
                self.errors[NOTE + var.name] = self.error_class(error.messages)
        return self.cleaned_data

    def draft(self) -> Draft:
        """What is kept; for a form that is valid, or not sent yet."""
        endpoint, source = self.endpoint, self.source
        env = (
            replace(var, note=self._note(var)) if var.needed else var
            for var in self.spec.env
        )
        same = source is not None and source.container.image == self.spec.image
        told = source.description if source and same else ""
        words = self.cleaned_data if self.is_bound else self.initial
        fields: dict[str, Any] = {
            "name": words.get("name", ""),
            "summary": words.get("summary", ""),
            "kind": words.get("kind", ""),
            "description": (endpoint.description or told).strip(),
            "motif": source.motif if source else "box",
            "position": LAST,
            "image_bytes": source.image_bytes if source and same else 0,
            "build_minutes": source.build_minutes if source and same else 0,
            "min_replicas": endpoint.min_replicas,
            "max_replicas": endpoint.max_replicas,
            "public": endpoint.public,
            "idle_timeout": _minutes(endpoint.idle_timeout),
            "start_timeout": _minutes(endpoint.start_timeout),
            "concurrency": endpoint.concurrency,
            "spec": replace(self.spec, env=tuple(env)).to_json(),
        }
        return Draft(endpoint.tier, fields)
