"""What the form shows beside its fields: what the account has, and the problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.http import QueryDict

from endpoints.forms.account import NEW_VOLUME, Account
from endpoints.forms.environment import (
    Chosen,
    EnvRow,
    choices_of,
    choices_problem,
    rows_of,
    sealed_rows,
    with_spares,
)
from endpoints.models import Endpoint
from templates_app.spec import ContainerSpec, EnvVar


class AccountForm(forms.Form):
    """A form about a container of an account. `spec` is where the container comes from.

    account: the owner's secrets, sign-ins and volumes. fixed_image: the template's
    image stays. needs: variables that must have a value, by name. endpoint: the one
    that is changed, which keeps its name; None for a new one.
    """

    def __init__(
        self,
        *args: Any,
        spec: ContainerSpec,
        account: Account,
        needs: Mapping[str, EnvVar] | None = None,
        fixed_image: bool = False,
        endpoint: Endpoint | None = None,
        **kwargs: Any,
    ) -> None:
        self.spec = spec
        self.account = account
        self.needs = needs or {}
        self.fixed_image = fixed_image
        self.endpoint = endpoint
        self.env_rows = rows_of(spec.env)
        super().__init__(*args, **kwargs)
        if endpoint is not None:
            del self.fields["name"]

    @property
    def rows(self) -> list[EnvRow]:
        """The environment as the page shows it, typed secrets sealed."""
        return with_spares(sealed_rows(self.env_rows))

    @property
    def taken_secrets(self) -> list[str]:
        """Keys of the secrets that are chosen, as posted or as suggested."""
        if not self.is_bound:
            return list(self.initial.get("secrets", ()))
        return list(dict.fromkeys(cast(QueryDict, self.data).getlist("secrets")))

    @property
    def choices(self) -> list[Chosen]:
        return choices_of(self.account.secrets, self.taken_secrets)

    @property
    def volume_words(self) -> dict[str, str]:
        """What choosing a volume that is there means, by its name."""
        name = self.endpoint.name if self.endpoint else ""
        return {v.name: v.words(name) for v in self.account.volumes}

    @property
    def volume_help(self) -> str:
        """The same for the name that is in the field now."""
        return self.volume_words.get(self["volume_name"].value() or "", NEW_VOLUME)

    @property
    def registry_gone(self) -> bool:
        """A sign-in is chosen that the account does not have."""
        key = self["registry"].value()
        return bool(key) and not self.account.has_sign_in(key)

    @property
    def registry_missed(self) -> str:
        """The sign-in of a template by somebody else, "" when it is not missed."""
        key = self.spec.registry if self.fixed_image else ""
        return "" if self.account.has_sign_in(key) else key

    @property
    def problems(self) -> dict[str, str]:
        """The first sentence for each field; both replica fields share "scale"."""
        told = {field: str(errors[0]) for field, errors in self.errors.items()}
        for field in ("min_replicas", "max_replicas"):
            if field in told:
                told.setdefault("scale", told.pop(field))
        if self.is_bound and (problem := choices_problem(self.choices)):
            told["secrets"] = problem
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
