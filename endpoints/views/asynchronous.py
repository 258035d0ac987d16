"""Requests that are answered later, on an endpoint's own host below /-/alight/async.

The ingress lets through only who may call the endpoint. A request's id is in its
addresses alone, and no one else's can be guessed.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from endpoints import asynchronous
from endpoints.ingress.answers import ANSWERS, Answer, as_json
from endpoints.models import AsyncRequest, AsyncState, Endpoint
from endpoints.reaching import BODY_MAX
from endpoints.views.edge import NOTHING, may_call, on_the_edge, say

_PIECE = 1 << 18
_TOO_LARGE = next(answer for answer in ANSWERS if answer.code == "too_large")
_TOO_MANY = Answer(
    "busy",
    429,
    "Too many requests are waiting",
    f"This endpoint has {asynchronous.UNFINISHED_MAX:,} requests to answer later. Try"
    " again when some of them are answered.",
    retry_after=30,
)
_PAUSED = Answer(
    "paused",
    503,
    "Paused",
    "This endpoint takes no requests until its owner resumes it. The URL stays the"
    " same.",
)
_NO_ROOM = Answer(
    "no_room",
    507,
    "The disk is full",
    "The request could not be kept. Whoever runs this installation has to make room.",
)
_TOO_MUCH = Answer(
    "no_room",
    507,
    "This endpoint keeps too much",
    f"Its requests and answers have {asynchronous.KEPT_BYTES_MAX >> 30} GB. Delete the"
    " answers you have, or wait: each is deleted after 24 hours.",
)
_REFUSED: dict[type[asynchronous.Refused], Answer] = {
    asynchronous.TooLarge: _TOO_LARGE,
    asynchronous.TooMany: _TOO_MANY,
    asynchronous.TooMuch: _TOO_MUCH,
    asynchronous.DiskFull: _NO_ROOM,
}
_ODD_STATUS = Answer(
    "failed", 502, "Not answered", "The container answered with a status that is none."
)
_BAD_METHOD = Answer(
    "bad_method",
    400,
    "This method cannot be kept",
    f"Its name has more than {asynchronous.METHOD_MAX} letters. Send the request with"
    " another one, or without X-OctoAI-Async.",
)
_UNKNOWN = Answer(
    "unknown",
    404,
    "There is no such request",
    "It was answered more than 24 hours ago, was deleted, or its address is cut short.",
)
_CANCELLED = Answer(
    "cancelled", 410, "Cancelled", "This request was cancelled and is not answered."
)
_NOT_YET = Answer(
    "not_ready",
    409,
    "Not answered yet",
    "Ask for its status until that is “completed”.",
    retry_after=1,
)


@csrf_exempt
@on_the_edge
def accept(request: HttpRequest, name: str) -> HttpResponse:
    """Any method: the ingress brings here what has X-OctoAI-Async: 1."""
    path = request.headers.get("X-Alight-Path", "")
    endpoint = Endpoint.objects.alive().filter(name=name).first()
    if endpoint is None or not path or not may_call(request):
        return say(request, NOTHING, name)
    if endpoint.paused:
        return _said(_PAUSED, name)
    if int(request.headers.get("Content-Length") or 0) > BODY_MAX:
        return _said(_TOO_LARGE, name)
    try:
        made = asynchronous.accept(
            endpoint,
            request.method or "GET",
            path,
            list(request.headers.items()),
            _pieces(request),
            grant=request.headers["X-Alight-Grant"],
        )
    except Endpoint.DoesNotExist:
        return say(request, NOTHING, name)
    except asynchronous.BadMethod:
        return _said(_BAD_METHOD, name)
    except asynchronous.BadHeader as error:
        return _said(_bad_header(str(error)), name)
    except asynchronous.Refused as error:
        return _said(_REFUSED[type(error)], name)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _said(_NO_ROOM, name)
    poll_url = _address(endpoint, made.pk)
    told = {"response_id": str(made.pk), "poll_url": poll_url}
    return JsonResponse(told, status=202, headers={"Location": poll_url})


@csrf_exempt
@require_http_methods(["GET", "HEAD", "DELETE"])
@on_the_edge
def status(request: HttpRequest, name: str, request_id: UUID) -> HttpResponse:
    """Where it stands; DELETE cancels it, or deletes its answer."""
    found = _found(request, name, request_id)
    if found is None:
        return _said(_UNKNOWN, name)
    if request.method == "DELETE":
        asynchronous.cancel(found)
        return HttpResponse(status=204)
    if found.state == AsyncState.CANCELLED:
        return _said(_CANCELLED, name)
    return JsonResponse(_told(found))


@require_safe
@on_the_edge
def response(request: HttpRequest, name: str, request_id: UUID) -> HttpResponseBase:
    """The container's answer as it was: status, headers and body."""
    found = _found(request, name, request_id)
    if found is None:
        return _said(_UNKNOWN, name)
    if found.state == AsyncState.CANCELLED:
        return _said(_CANCELLED, name)
    if found.state == AsyncState.FAILED:
        failed = Answer("failed", found.status or 503, "Not answered", found.trouble)
        return _said(failed, name)
    if found.state != AsyncState.COMPLETED:
        return _said(_NOT_YET, name)
    if found.status not in range(200, 600):
        return _said(_ODD_STATUS, name)
    file = asynchronous.answer_file(found.pk)
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return _said(_UNKNOWN, name)
    answer = StreamingHttpResponse(_read(file), status=found.status)
    del answer["Content-Type"]
    for header, value in found.response_headers:
        # What earlier versions kept may be none.
        if not _can_be_said(header, value):
            continue
        before = answer.headers.get(header)
        answer[header] = f"{before}, {value}" if before else value
    answer["Content-Length"] = str(size)
    return answer


def _can_be_said(header: str, value: str) -> bool:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return asynchronous.fits(header, value)


def _bad_header(header: str) -> Answer:
    return Answer(
        "bad_header",
        400,
        "A header cannot be sent",
        f"The value of “{header}” has control characters. Send it without them.",
    )


def _found(request: HttpRequest, name: str, request_id: UUID) -> AsyncRequest | None:
    if not may_call(request):
        return None
    rows = AsyncRequest.objects.select_related("endpoint")
    return rows.filter(
        pk=request_id, endpoint__name=name, endpoint__deleting=False
    ).first()


def _told(found: AsyncRequest) -> dict[str, Any]:
    """As the service in docs/api.md had it: what failed is completed as well, and its
    response says why, so that a client which waits for that word goes on."""
    address = _address(found.endpoint, found.pk)
    told: dict[str, Any] = {"response_id": str(found.pk), "poll_url": address}
    if found.state in asynchronous.UNFINISHED:
        told["status"] = found.state
        if found.trouble:
            told["detail"] = found.trouble
        return told
    told |= {
        "status": "completed",
        "response_url": f"{address}/response",
        "response_status": found.status,
    }
    if found.state == AsyncState.FAILED:
        told["error"] = {"code": "failed", "message": found.trouble}
    return told


def _address(endpoint: Endpoint, request_id: UUID) -> str:
    return f"{endpoint.url}/-/alight/async/{request_id}"


def _said(answer: Answer, name: str) -> HttpResponse:
    """Always JSON: programs ask, and they are told the same whatever they accept."""
    headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after else {}
    return HttpResponse(
        as_json(answer, name),
        status=answer.status,
        content_type="application/json",
        headers=headers,
    )


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    while piece := request.read(_PIECE):
        yield piece


async def _read(file: Path) -> AsyncIterator[bytes]:
    source = await asyncio.to_thread(file.open, "rb")
    try:
        while piece := await asyncio.to_thread(source.read, _PIECE):
            yield piece
    finally:
        source.close()
