"""Pages of one's own templates, and the file that any template can be had as."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from templates_app import own
from templates_app.catalogue.writing import as_yaml
from templates_app.forms import WordsForm, words_of
from templates_app.models import Template
from templates_app.names import KINDS
from templates_app.views.listing import YOURS
from templates_app.views.person import person


def to_yours() -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('templates:list')}?kind={YOURS}")


def mine(request: HttpRequest, slug: str) -> Template:
    """This person's template; somebody else's is not there."""
    rows = Template.objects.filter(owner_id=person(request).pk)
    return get_object_or_404(rows.select_related("tier"), slug=slug)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Its words, and who sees it. The container stays as it is."""
    template = mine(request, slug)
    form = WordsForm(request.POST or None, initial=words_of(template))
    if request.method == "POST" and form.is_valid():
        own.change(template, **form.cleaned_data)
        messages.success(request, f"Saved {template.name}")
        return to_yours()
    context = {"form": form, "template": template, "kinds": KINDS.items()}
    return render(request, "templates_app/edit.html", context)


@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """A GET asks whether to; a POST does it."""
    template = mine(request, slug)
    if request.method == "GET":
        return render(request, "templates_app/delete.html", {"template": template})
    own.delete(template)
    messages.success(request, f"Deleted {template.name}")
    return to_yours()


@require_GET
def export(request: HttpRequest, slug: str) -> HttpResponse:
    """Any template this person may clone, as the file that can be imported."""
    rows = Template.objects.visible_to(request.user)
    template = get_object_or_404(rows, slug=slug)
    return HttpResponse(
        as_yaml(template),
        content_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{template.slug}.yaml"'},
    )
