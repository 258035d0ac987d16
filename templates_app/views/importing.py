"""The page that reads somebody's file, shows what is in it, and then keeps it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from templates_app import own
from templates_app.forms import ImportForm
from templates_app.views.own import to_yours
from templates_app.views.person import person


@require_http_methods(["GET", "POST"])
def import_template(request: HttpRequest) -> HttpResponse:
    """A POST shows what was read; with step=save it is kept, with step=back not yet.

    The text goes from page to page, so that nothing of it is lost.
    """
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "GET" or not form.is_valid():
        return _ask(request, form)
    assert form.draft is not None  # noqa: S101 - a valid form has read one
    step = request.POST.get("step")
    if step == "back":
        return _ask(request, form)
    problem = ""
    if step == "save":
        try:
            shared = form.cleaned_data["shared"]
            kept = own.add(person(request), form.draft, shared=shared)
        except own.CannotKeep as error:
            problem = str(error)
        else:
            messages.success(request, f"Imported {kept.name}")
            return to_yours()
    context = {"form": form, "template": form.draft.template, "problem": problem}
    return render(request, "templates_app/import_preview.html", context)


def _ask(request: HttpRequest, form: ImportForm) -> HttpResponse:
    context: dict[str, Any] = {"form": form}
    return render(request, "templates_app/import.html", context)
