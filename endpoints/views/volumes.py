"""The Volumes page: what there is and who uses it, download, delete."""

from __future__ import annotations

from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.middleware import HtmxDetails

from endpoints import volumes as verbs
from endpoints import worker
from endpoints.models import Volume, VolumeQuerySet
from endpoints.views.person import person


class Request(HttpRequest):
    htmx: HtmxDetails


@dataclass(frozen=True)
class Row:
    """A volume, the names of endpoints that use it, and why it cannot be deleted."""

    volume: Volume
    users: list[str]

    @property
    def refusal(self) -> str:
        return verbs.in_use(self.volume.name, self.users) if self.users else ""


@never_cache
@require_GET
def volumes(request: Request) -> HttpResponse:
    """The list as it is known; a script then asks for the part with fresh sizes."""
    if not request.htmx:
        return _page(request)
    context = _list(request, measured=True, problem=_measure(request))
    return render(request, "endpoints/volumes.html#list", context)


def _page(
    request: HttpRequest, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = _list(request, problem=problem)
    return render(request, "endpoints/volumes.html", context, status=status)


def _rows(request: HttpRequest) -> VolumeQuerySet:
    return Volume.objects.visible_to(person(request)).select_related("owner")


def _list(
    request: HttpRequest, *, measured: bool = False, problem: str = ""
) -> dict[str, object]:
    rows = list(_rows(request))
    uses = verbs.uses({volume.owner_id for volume in rows})
    going = any(volume.deleting and not volume.trouble for volume in rows)
    stale = not measured and any(verbs.is_stale(volume) for volume in rows)
    return {
        "rows": [Row(volume, _users(volume, uses)) for volume in rows],
        "problem": problem,
        # When the list is asked for again: soon, at once, or not.
        "again": "load delay:2s" if going else "load" if stale else "",
    }


def _users(volume: Volume, uses: dict[verbs.Named, list[str]]) -> list[str]:
    return [] if volume.deleting else uses.get((volume.owner_id, volume.name), [])


def _measure(request: HttpRequest) -> str:
    """What kept the sizes from being measured; "" when nothing did."""
    rows = [volume for volume in _rows(request) if verbs.is_stale(volume)]
    owners = {volume.owner_id for volume in rows}
    if not owners:
        return ""
    try:
        worker.measure_volumes(owners.pop() if len(owners) == 1 else None)
    except worker.WorkerSlow:
        return "The files are still being counted. Reload the page in a while."
    except (worker.WorkerAway, worker.WorkerRefused) as error:
        return str(error)
    return ""


@require_http_methods(["GET", "POST"])
def delete_volume(request: HttpRequest, volume_id: int) -> HttpResponse:
    """A GET asks whether to, or says who uses it; a POST does it."""
    volume = get_object_or_404(_rows(request), pk=volume_id)
    row = Row(volume, verbs.users_of(volume))
    if request.method == "POST":
        try:
            verbs.delete(volume)
        except verbs.VolumeInUse:
            row = Row(volume, verbs.users_of(volume))
            return _ask(request, row, status=409)
        left = Volume.objects.filter(pk=volume_id).first()
        # What the worker says against it is in the list.
        if left is None or not left.trouble:
            said = "Deleted {}" if left is None else "Deleting {}"
            messages.success(request, said.format(volume.name))
        return redirect("endpoints:volumes")
    return _ask(request, row)


def _ask(request: HttpRequest, row: Row, *, status: int = 200) -> HttpResponse:
    context = {"row": row, "volume": row.volume}
    return render(request, "endpoints/volume_delete.html", context, status=status)


@require_GET
async def download_volume(
    request: HttpRequest, volume_id: int
) -> HttpResponse | StreamingHttpResponse:
    """All its files as a tar, as the worker reads them; replicas may run meanwhile."""
    volume = await sync_to_async(_found)(request, volume_id)
    try:
        pieces = await worker.volume_archive(volume.pk)
    except (worker.WorkerAway, worker.WorkerRefused) as error:
        return await sync_to_async(_page)(request, problem=str(error), status=503)
    headers = {
        "Content-Disposition": content_disposition_header(True, f"{volume.name}.tar")
        or "attachment",
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(
        pieces, content_type="application/x-tar", headers=headers
    )


def _found(request: HttpRequest, volume_id: int) -> Volume:
    return get_object_or_404(_rows(request), pk=volume_id)
