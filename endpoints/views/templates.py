"""The page that saves an endpoint as a template."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from endpoints.forms.template import SaveTemplateForm
from endpoints.models import Endpoint
from endpoints.views.person import person
from templates_app import own
from templates_app.models import Template
from templates_app.names import KINDS
from templates_app.views.own import to_yours


@require_http_methods(["GET", "POST"])
def save_template(request: HttpRequest, name: str) -> HttpResponse:
    """A GET shows what would go into it; a POST keeps it."""
    rows = Endpoint.objects.visible_to(request.user).alive().select_related("tier")
    endpoint = get_object_or_404(rows, name=name)
    seen = Template.objects.visible_to(request.user)
    source = seen.filter(endpoint=endpoint).first()
    form = SaveTemplateForm(request.POST or None, endpoint=endpoint, source=source)
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            shared = form.cleaned_data["shared"]
            kept = own.add(person(request), form.draft(), shared=shared)
        except own.CannotKeep as error:
            problem = str(error)
        else:
            messages.success(request, f"Saved {kept.name} as a template")
            return to_yours()
    context = {
        "endpoint": endpoint,
        "form": form,
        "kinds": KINDS.items(),
        "template": form.draft().template,
        "problem": problem,
        "sign_in": endpoint.container.registry,
    }
    return render(request, "endpoints/save_template.html", context)
