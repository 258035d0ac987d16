"""Pages that make endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse_lazy
from django.views.generic import FormView

from endpoints import services
from endpoints.forms.endpoint import EndpointForm, initial_of, initial_own
from endpoints.models import Endpoint
from endpoints.views.person import person
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec

if TYPE_CHECKING:
    FormPage = FormView[EndpointForm]
else:
    FormPage = FormView

# The script asks for the problems of what is typed so far with this header.
CHECK_HEADER = "X-Check"


class NewEndpoint(FormPage):
    """A form that makes an endpoint: from a template, or from one's own container."""

    form_class = EndpointForm
    template_name = "endpoints/clone.html"
    success_url = reverse_lazy("replicas:list")
    source: Template | None = None

    def get_spec(self) -> ContainerSpec:
        return ContainerSpec(image="", port=3000)

    def get_initial(self) -> dict[str, Any]:
        return initial_own()

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        return {**kwargs, "spec": self.get_spec(), "template": self.source}

    def form_valid(self, form: EndpointForm) -> HttpResponse:
        if CHECK_HEADER in self.request.headers:
            return JsonResponse({"problems": {}})
        try:
            endpoint = services.create(person(self.request), form.wish(), self.source)
        except services.NameTaken as error:
            form.add_error("name", str(error))
            return self.form_invalid(form)
        return redirect(endpoint)

    def form_invalid(self, form: EndpointForm) -> HttpResponse:
        if CHECK_HEADER in self.request.headers:
            return JsonResponse({"problems": form.problems})
        return super().form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            source=self.source,
            # Where a name goes in the address, for the script.
            url_pattern=Endpoint(name="NAME").url,
            **kwargs,
        )


class Clone(NewEndpoint):
    """A template's form. `?tier=` chooses other hardware, as log hints do."""

    source: Template

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        if request.user.is_authenticated:
            shown = Template.objects.published().select_related("tier")
            own = Q(owner=None) | Q(owner=request.user.pk)
            self.source = get_object_or_404(shown.filter(own), slug=kwargs["slug"])

    def get_spec(self) -> ContainerSpec:
        return self.source.container

    def get_initial(self) -> dict[str, Any]:
        initial = initial_of(self.source)
        asked = self.request.GET.get("tier", "")
        if Tier.objects.filter(pk=asked).exists():
            initial["tier"] = asked
        return initial
