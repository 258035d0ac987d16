"""The same form for an endpoint that is there."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.http import QueryDict

from endpoints import services
from endpoints.forms import initial
from endpoints.forms.account import Account
from endpoints.forms.endpoint import EndpointForm
from endpoints.forms.environment import put_rows
from endpoints.forms.opened import Meanwhile, changed_since, read, written
from endpoints.models import Endpoint

# Fields that belong together: what one digest stands for.
_PARTS = {"volume": ("volume", "volume_name", "mount")}


class EditForm(EndpointForm):
    """Everything but the name. `opened`: digests of what the form was filled with."""

    opened = forms.CharField(required=False)

    def __init__(
        self, *args: Any, endpoint: Endpoint, account: Account, **kwargs: Any
    ) -> None:
        super().__init__(
            *args,
            endpoint=endpoint,
            account=account,
            spec=endpoint.container,
            **{"initial": initial.of_endpoint(endpoint), **kwargs},
        )
        self.edited = endpoint

    @property
    def opened_as(self) -> str:
        """For the hidden field: as it was first, through every error."""
        posted = self.data.get("opened") if self.is_bound else None
        return posted or written(self.edited)

    @property
    def effect(self) -> str:
        """What saving will do; "" while that cannot be told."""
        if not self.is_bound:
            return services.effect_of(self.edited)
        return services.effect_of(self.edited, **self.changes()) if self.fine else ""

    @property
    def fine(self) -> bool:
        return self.is_bound and self.is_valid()

    def changes(self) -> dict[str, Any]:
        """The fields of `services.change`. Only for a form that is valid."""
        wish = self.wish()
        return {
            "spec": wish.spec.to_json(),
            "tier": wish.tier,
            "min_replicas": wish.min_replicas,
            "max_replicas": wish.max_replicas,
            "public": wish.public,
            "idle_timeout": wish.idle_timeout,
            "start_timeout": wish.start_timeout,
            "concurrency": wish.concurrency,
            "hold_seconds": wish.hold_seconds,
        }

    def meanwhile(self, now: Endpoint) -> Meanwhile:
        """What changed since the form was opened. Only for a form that is valid."""
        was = read(self.cleaned_data["opened"])
        return changed_since(was, now, self.wish())

    def taking(self, now: Endpoint, fields: tuple[str, ...]) -> EditForm:
        """The form with these fields as they are now, and the others as typed."""
        there = EditForm(endpoint=now, account=self.account)
        data = cast(QueryDict, self.data).copy()
        for name in fields:
            for part in _PARTS.get(name, (name,)):
                there.post(data, part)
        data["opened"] = written(now)
        return EditForm(data, endpoint=now, account=self.account, needs=self.needs)

    def post(self, data: QueryDict, name: str) -> None:
        """Put a field into `data` as a browser would post it."""
        value = self.initial.get(name)
        if name == "env":
            put_rows(data, self.env_rows)
        elif name == "secrets":
            data.setlist(name, list(self.spec.secrets))
        elif isinstance(value, bool):
            data.pop(name, None)
            if value:
                data[name] = "on"
        else:
            data[name] = str(self.fields[name].prepare_value(value))
