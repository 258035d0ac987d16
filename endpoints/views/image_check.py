"""What the form's script asks about an image while its name is typed."""

from __future__ import annotations

from typing import TypedDict

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from endpoints import rules, worker
from endpoints.forms.account import size_words
from endpoints.models import Endpoint
from endpoints.views.person import person


class Found(TypedDict):
    """state: "" (nothing to say), "fine" or "doubt". text: a sentence or two."""

    state: str
    text: str
    ports: list[int]
    volumes: list[str]


# By the engine's reason. Each ends with what to do, for the image may still be pulled.
_DOUBTS = {
    "ImageNotFound": "Not found: the registry has no such image or tag. "
    "Check its name, and whether it needs a sign-in.",
    "RegistryRefused": "The registry wants a sign-in for this image. Choose one, "
    "or look at the one that is chosen.",
    "RegistryUnreachable": "Its registry does not answer now. Check the name; "
    "the image is pulled once the registry answers.",
}


@never_cache
@require_GET
def check_image(request: HttpRequest) -> JsonResponse:
    """?image= and ?registry=, a sign-in of this person's, or, with ?endpoint=, of
    that endpoint's owner. Answers with what is found, also when that is trouble."""
    image = request.GET.get("image", "").strip()
    registry = request.GET.get("registry", "")
    owner_id = person(request).pk
    if name := request.GET.get("endpoint", ""):
        seen = Endpoint.objects.visible_to(request.user)
        owner_id = get_object_or_404(seen, name=name).owner_id
    if rules.image_problem(image):
        return JsonResponse(_said("", ""))
    try:
        facts = worker.image_facts(owner_id, image, registry)
    except worker.WorkerRefused as error:
        return JsonResponse(_said("doubt", _doubt(error)))
    except worker.WorkerAway as error:
        return JsonResponse(_said("doubt", str(error)))
    return JsonResponse(_said("fine", _words(facts), facts))


def _said(state: str, text: str, facts: worker.ImageFacts | None = None) -> Found:
    return {
        "state": state,
        "text": text,
        "ports": list(facts.ports) if facts else [],
        "volumes": list(facts.volumes) if facts else [],
    }


def _doubt(error: worker.WorkerRefused) -> str:
    return _DOUBTS.get(error.reason) or f"The image could not be checked. {error}"


def _words(facts: worker.ImageFacts) -> str:
    size = f", {size_words(facts.size)}" if facts.size else ""
    if facts.present:
        return f"On the node already{size}. Nothing to pull."
    return f"Found{size} to pull." if size else "Found. It is pulled on first start."
