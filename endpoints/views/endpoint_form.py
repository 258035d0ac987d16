"""What the pages with the endpoint's form have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.generic import FormView

from endpoints.forms.account import Account, account_of
from endpoints.forms.endpoint import EndpointForm
from endpoints.models import Endpoint
from endpoints.views.person import person
from templates_app.models import Template
from templates_app.spec import ContainerSpec, EnvVar

if TYPE_CHECKING:
    FormPage = FormView[EndpointForm]
else:
    FormPage = FormView

# The script asks for the problems of what is typed so far with this header.
CHECK_HEADER = "X-Check"


class EndpointPage(FormPage):
    """A page with the form, empty, filled, or with what is wrong beside its fields.

    `source` is the template it is about; the account is that of `owner_id`.
    """

    form_class: type[EndpointForm] = EndpointForm
    source: Template | None = None
    owner_id: int
    account: Account

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        # The middleware turns strangers away once this view is set up.
        if request.user.is_authenticated:
            self.owner_id = person(request).pk
            self.find()
            self.account = account_of(self.owner_id)

    def find(self) -> None:
        """Look up what the address names; sets `source`, maybe `owner_id`."""

    def get_spec(self) -> ContainerSpec:
        raise NotImplementedError

    def get_needs(self) -> dict[str, EnvVar]:
        """Variables that the template or the container cannot do without, by name."""
        offered = [*(self.source.container.env if self.source else ())]
        offered += self.get_spec().env
        return {variable.name: variable for variable in offered if variable.needed}

    def get_form_kwargs(self) -> dict[str, Any]:
        return {
            **super().get_form_kwargs(),
            "spec": self.get_spec(),
            "account": self.account,
            "needs": self.get_needs(),
        }

    def is_check(self) -> bool:
        return CHECK_HEADER in self.request.headers

    def told(self, form: EndpointForm) -> dict[str, Any]:
        """What the script is told about a form."""
        return {"problems": form.problems}

    def post(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponse:
        if self.is_check():
            return JsonResponse(self.told(self.get_form()))
        return super().post(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            source=self.source,
            account=self.account,
            own_account=self.owner_id == self.request.user.pk,
            # Where a name goes in the address, for the script.
            url_pattern=Endpoint(name="NAME").url,
            **kwargs,
        )
