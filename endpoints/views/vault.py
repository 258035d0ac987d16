"""The Secrets page: secrets and registry sign-ins of an account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from endpoints import rules, worker
from endpoints import vault as verbs
from endpoints.forms.vault import SecretForm, SignInForm, ValueForm
from endpoints.models import Endpoint, RegistryCredential, Secret
from endpoints.views.person import person

asks = require_http_methods(["GET", "POST"])


@dataclass(frozen=True)
class Row:
    """Something the account keeps, and the endpoints that use it."""

    it: Secret | RegistryCredential
    users: list[Endpoint]

    @property
    def place(self) -> str:
        """A sign-in's registry as people call it."""
        registry = getattr(self.it, "registry", "")
        return "Docker Hub" if registry == rules.DOCKER_HUB else registry


@never_cache
@require_GET
def secrets(request: HttpRequest) -> HttpResponse:
    """Both lists. `?changed=KEY` names a secret whose value was just replaced."""
    owner_id = person(request).pk
    used = verbs.uses(owner_id)
    kept = [
        Row(row, used.secrets.get(row.key, []))
        for row in Secret.objects.filter(owner_id=owner_id)
    ]
    sign_ins = [
        Row(row, used.registries.get(row.key, []))
        for row in RegistryCredential.objects.filter(owner_id=owner_id)
    ]
    asked = request.GET.get("changed", "")
    changed = next((row for row in kept if row.it.key == asked and row.users), None)
    context = {
        "rows": kept,
        "sign_ins": sign_ins,
        "changed": changed,
        "running": [one for one in changed.users if not one.paused] if changed else [],
    }
    return render(request, "endpoints/secrets.html", context)


# --- Secrets -----------------------------------------------------------------
@never_cache
@asks
@sensitive_post_parameters("value", "kept")
def add_secret(request: HttpRequest) -> HttpResponse:
    form = SecretForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            row = verbs.add_secret(person(request).pk, data["key"], data["value"])
        except verbs.KeyTaken as taken:
            form.add_error("key", str(taken))
        else:
            messages.success(request, f"Added {row.key}")
            return redirect("endpoints:secrets")
    return render(request, "endpoints/secret_form.html", {"form": form})


@never_cache
@asks
@sensitive_post_parameters("value", "kept")
def change_secret(request: HttpRequest, secret_id: int) -> HttpResponse:
    """A new value for it; the page then says which endpoints wait for it."""
    row = _own(request, Secret, secret_id)
    form = ValueForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        verbs.change_secret(row, form.cleaned_data["value"])
        messages.success(request, f"Replaced the value of {row.key}")
        there = reverse("endpoints:secrets")
        return redirect(f"{there}?{urlencode({'changed': row.key})}")
    users = verbs.uses(row.owner_id).secrets.get(row.key, [])
    context = {"form": form, "row": row, "users": users}
    return render(request, "endpoints/secret_form.html", context)


@asks
def delete_secret(request: HttpRequest, secret_id: int) -> HttpResponse:
    row = _own(request, Secret, secret_id)
    users = verbs.uses(row.owner_id).secrets.get(row.key, [])
    return _delete(request, row, users, lambda: verbs.delete_secret(row))


# --- Registry sign-ins -------------------------------------------------------
@never_cache
@asks
@sensitive_post_parameters("password")
def add_registry(request: HttpRequest) -> HttpResponse:
    form = SignInForm(request.POST or None)
    owner_id = person(request).pk
    if request.method == "POST" and form.is_valid():
        key = form.cleaned_data["key"]
        try:
            verbs.check_free(owner_id, key)
            wish, reason = _tried(form)
            verbs.add_registry(owner_id, key, wish)
        except verbs.KeyTaken as taken:
            form.add_error("key", str(taken))
        except worker.WorkerRefused as refused:
            form.add_error(verbs.blamed(refused), str(refused))
        else:
            return _kept(request, f"Added {key}", reason)
    return render(request, "endpoints/registry_form.html", {"form": form})


@never_cache
@asks
@sensitive_post_parameters("password")
def change_registry(request: HttpRequest, registry_id: int) -> HttpResponse:
    """Other words for it; saving it as it is tries it again."""
    row = _own(request, RegistryCredential, registry_id)
    now = {
        "registry": "" if row.registry == rules.DOCKER_HUB else row.registry,
        "username": row.username,
    }
    form = SignInForm(request.POST or None, row=row, initial=now)
    if request.method == "POST" and form.is_valid():
        try:
            wish, reason = _tried(form)
        except worker.WorkerRefused as refused:
            form.add_error(verbs.blamed(refused), str(refused))
        else:
            verbs.change_registry(row, wish)
            return _kept(request, f"Changed {row.key}", reason)
    context = {"form": form, "row": row}
    return render(request, "endpoints/registry_form.html", context)


@asks
def delete_registry(request: HttpRequest, registry_id: int) -> HttpResponse:
    row = _own(request, RegistryCredential, registry_id)
    users = verbs.uses(row.owner_id).registries.get(row.key, [])
    return _delete(request, row, users, lambda: verbs.delete_registry(row))


def _tried(form: SignInForm) -> tuple[verbs.SignInWish, str]:
    data = form.cleaned_data
    return verbs.checked(data["registry"], data["username"], data["password"])


def _kept(request: HttpRequest, said: str, reason: str) -> HttpResponse:
    if reason:
        messages.warning(request, f"{said}. Not checked yet: {reason}")
    else:
        messages.success(request, f"{said}. The registry accepts it.")
    return redirect("endpoints:secrets")


# --- Both --------------------------------------------------------------------
def _own(request: HttpRequest, model: Any, pk: int) -> Any:
    return get_object_or_404(model, pk=pk, owner_id=person(request).pk)


def _delete(
    request: HttpRequest,
    row: Secret | RegistryCredential,
    users: list[Endpoint],
    go: Callable[[], None],
) -> HttpResponse:
    """A GET asks whether to, or says who uses it; a POST does it."""
    context = {"row": row, "users": users, "is_secret": isinstance(row, Secret)}
    if request.method == "GET":
        return render(request, "endpoints/secret_delete.html", context)
    try:
        go()
    except verbs.InUse:
        return render(request, "endpoints/secret_delete.html", context, status=409)
    messages.success(request, f"Deleted {row.key}")
    return redirect("endpoints:secrets")
