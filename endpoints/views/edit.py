"""The page that changes an endpoint's settings."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render

from endpoints import services, timeline
from endpoints.forms.edit import EditForm
from endpoints.forms.endpoint import EndpointForm
from endpoints.holding import held
from endpoints.models import Endpoint
from endpoints.views.endpoint_form import EndpointPage
from endpoints.views.person import person
from templates_app.spec import ContainerSpec


class Edit(EndpointPage):
    """The form as the endpoint is. Saving changes only what differs."""

    form_class = EditForm
    template_name = "endpoints/edit.html"
    endpoint: Endpoint

    def find(self) -> None:
        seen = Endpoint.objects.visible_to(self.request.user)
        seen = seen.select_related("tier", "template__tier")
        self.endpoint = get_object_or_404(seen, name=self.kwargs["name"])
        self.owner_id = self.endpoint.owner_id
        self.source = self.endpoint.template

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        if self.endpoint.deleting:
            return self.too_late()
        return super().dispatch(request, *args, **kwargs)

    def too_late(self) -> HttpResponse:
        context = {"endpoint": self.endpoint}
        return render(self.request, "endpoints/edit_too_late.html", context, status=409)

    def get_spec(self) -> ContainerSpec:
        return self.endpoint.container

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        # These the form takes from the endpoint.
        del kwargs["initial"], kwargs["spec"]
        return {**kwargs, "endpoint": self.endpoint}

    def told(self, form: EndpointForm) -> dict[str, Any]:
        return {**super().told(form), "effect": cast(EditForm, form).effect}

    def form_valid(self, form: EndpointForm) -> HttpResponse:
        edit, me = cast(EditForm, form), person(self.request)
        with held(self.endpoint) as now:
            if now.deleting:
                return self.too_late()
            news = edit.meanwhile(now)
            if news.taken or news.kept:
                words = news.words(timeline.last_hand(now), me.get_username())
                form = edit.taking(now, news.taken)
                return self.render_to_response(
                    self.get_context_data(form=form, meanwhile=words)
                )
            saved = services.change(now, me.get_username(), **edit.changes())
        messages.success(self.request, _said(self.endpoint, saved))
        return redirect(saved)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(endpoint=self.endpoint, **kwargs)


def _said(before: Endpoint, after: Endpoint) -> str:
    if after.revision != before.revision:
        return f"Saved as revision {after.revision}"
    return "Saved"
