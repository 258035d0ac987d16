"""Pages that make endpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect

from endpoints import rules, services
from endpoints.forms import initial
from endpoints.forms.endpoint import EndpointForm
from endpoints.models import Endpoint
from endpoints.services import Wish
from endpoints.views.endpoint_form import EndpointPage
from endpoints.views.person import person
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec


class NewEndpoint(EndpointPage):
    """A form that makes an endpoint from one's own container."""

    template_name = "endpoints/clone.html"

    def get_spec(self) -> ContainerSpec:
        return ContainerSpec(image="", port=initial.DEFAULT_PORT)

    def get_initial(self) -> dict[str, Any]:
        return initial.own(self.account)

    def asked_tier(self) -> dict[str, Any]:
        """Other hardware with `?tier=`, as log hints and remedies ask for it."""
        asked = self.request.GET.get("tier", "")
        return {"tier": asked} if Tier.objects.filter(pk=asked).exists() else {}

    def wish(self, form: EndpointForm) -> Wish:
        return form.wish()

    def form_valid(self, form: EndpointForm) -> HttpResponse:
        owner = person(self.request)
        try:
            endpoint = services.create(owner, self.wish(form), self.source)
        except services.NameTaken as error:
            form.add_error("name", str(error))
            return self.form_invalid(form)
        return redirect(endpoint)


class Clone(NewEndpoint):
    """A template's form."""

    source: Template

    def find(self) -> None:
        shown = Template.objects.visible_to(self.request.user).select_related("tier")
        self.source = get_object_or_404(shown, slug=self.kwargs["slug"])

    def get_spec(self) -> ContainerSpec:
        return self.source.container

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "fixed_image": True}

    def get_initial(self) -> dict[str, Any]:
        return initial.of_template(self.source, self.account) | self.asked_tier()


class CloneEndpoint(NewEndpoint):
    """Another endpoint like one that is there. Its secrets come along, sealed."""

    template_name = "endpoints/clone_endpoint.html"
    like: Endpoint

    def find(self) -> None:
        seen = Endpoint.objects.visible_to(self.request.user)
        seen = seen.select_related("template__tier")
        self.like = get_object_or_404(seen, name=self.kwargs["name"])
        self.source = self.like.template

    def get_spec(self) -> ContainerSpec:
        return self.like.container

    def get_initial(self) -> dict[str, Any]:
        return initial.like_endpoint(self.like, self.account) | self.asked_tier()

    def wish(self, form: EndpointForm) -> Wish:
        return replace(form.wish(), description=self.like.description)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        free = rules.free_name(self.like.name, services.names_in_use())
        return super().get_context_data(like=self.like, suggested_name=free, **kwargs)
