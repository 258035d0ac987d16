"""Requests that are answered later: taken at the edge, sent by the worker, kept a day.

The rows are the queue and the truth; a message to the worker only says "look". Bodies
are files in ALIGHT_ASYNC_DIR, named by the request. A request that was being sent when
everything stopped is sent again, so it reaches a container once at least.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from endpoints import signals
from endpoints.models import AsyncRequest, AsyncState, Endpoint
from endpoints.reaching import BODY_MAX, NOT_HANDED_ON

# What an endpoint may have unfinished, so that nobody fills the disk.
UNFINISHED_MAX = 1000
# How long a request waits at most, and then how long its answer is kept.
KEPT = timedelta(hours=24)
# Files without a row are left alone for this long: their row may be on its way.
_STRAY = timedelta(hours=1)

UNFINISHED = (AsyncState.PENDING, AsyncState.RUNNING)
Headers = Sequence[tuple[str, str]]

# Credentials are not kept, and what the ingress or this module says is said anew.
_NOT_KEPT = NOT_HANDED_ON | {"authorization", "cookie", "x-octoai-async"}
_OF_THE_INGRESS = ("x-alight-", "x-forwarded-")
# Of an answer: what belongs to one connection, and what the sender of it says anew.
_NOT_GIVEN_BACK = NOT_HANDED_ON | {"set-cookie", "date", "server", "alt-svc"}


class TooLarge(Exception):
    """The body has more than BODY_MAX bytes."""


class TooMany(Exception):
    """The endpoint has UNFINISHED_MAX requests that are not answered yet."""


def request_file(request_id: UUID) -> Path:
    return settings.ALIGHT_ASYNC_DIR / f"{request_id}.request"


def answer_file(request_id: UUID) -> Path:
    return settings.ALIGHT_ASYNC_DIR / f"{request_id}.answer"


def accept(
    endpoint: Endpoint, method: str, path: str, headers: Headers, body: Iterable[bytes]
) -> AsyncRequest:
    """Keep it, on disk when this returns, and tell the worker.

    Raises TooLarge, TooMany, and OSError when the disk takes no more.
    """
    waiting = AsyncRequest.objects.filter(endpoint=endpoint, state__in=UNFINISHED)
    if waiting.count() >= UNFINISHED_MAX:
        raise TooMany
    made = AsyncRequest(
        endpoint=endpoint,
        method=method,
        path=path,
        headers=kept_headers(headers),
        expires_at=timezone.now() + KEPT,
    )
    # The body first: whoever sees the row finds it.
    write(request_file(made.pk), _limited(body))
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            signals.announce_async(endpoint.pk)
    except BaseException:
        request_file(made.pk).unlink(missing_ok=True)
        raise
    return made


def _limited(body: Iterable[bytes]) -> Iterable[bytes]:
    size = 0
    for piece in body:
        size += len(piece)
        if size > BODY_MAX:
            raise TooLarge
        yield piece


def kept_headers(headers: Headers) -> list[list[str]]:
    """Those that a container is sent later, as JSON keeps them."""
    return [
        [name, value]
        for name, value in headers
        if name.lower() not in _NOT_KEPT
        and not name.lower().startswith(_OF_THE_INGRESS)
    ]


def given_headers(headers: Headers) -> list[list[str]]:
    """Those of an answer that are kept for whoever asked."""
    return [[n, v] for n, v in headers if n.lower() not in _NOT_GIVEN_BACK]


def write(file: Path, pieces: Iterable[bytes]) -> None:
    """The file is whole, and on the disk, or not there."""
    part = new_part()
    try:
        with part:
            part.writelines(pieces)
        settle(Path(part.name))
        Path(part.name).rename(file)
    except BaseException:
        Path(part.name).unlink(missing_ok=True)
        raise


def new_part() -> IO[bytes]:
    """A file to write to, and to rename when it is whole."""
    folder: Path = settings.ALIGHT_ASYNC_DIR
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return (folder / f"part-{uuid4()}").open("xb")


def settle(file: Path) -> None:
    """What was written is on the disk when this returns."""
    with file.open("rb") as written:
        os.fsync(written.fileno())


# --- What becomes of it ------------------------------------------------------
def begin(request_id: UUID) -> AsyncRequest | None:
    """It is sent from now on; None when nobody waits for it any more."""
    rows = AsyncRequest.objects.filter(pk=request_id, state__in=UNFINISHED)
    now = timezone.now()
    # Counted before: who dies while it is sent cannot count.
    if not rows.update(
        state=AsyncState.RUNNING, started_at=now, attempts=F("attempts") + 1
    ):
        return None
    found = AsyncRequest.objects.select_related("endpoint__owner")
    return found.filter(pk=request_id).first()


def put_back(request_id: UUID, why: str, *, seen: bool) -> None:
    """It waits again. seen: whether a container may have got some of it."""
    rows = AsyncRequest.objects.filter(pk=request_id, state=AsyncState.RUNNING)
    count = F("attempts") if seen else F("attempts") - 1
    rows.update(state=AsyncState.PENDING, trouble=why, attempts=count)


def complete(request_id: UUID, status: int, headers: Headers) -> bool:
    """Its answer is in `answer_file`. False when nobody waits for it any more."""
    return _finish(
        request_id,
        AsyncState.COMPLETED,
        status=status,
        response_headers=given_headers(headers),
        trouble="",
    )


def fail(request_id: UUID, status: int, why: str) -> bool:
    """There will be no answer; whoever asks gets this status and sentence."""
    return _finish(request_id, AsyncState.FAILED, status=status, trouble=why)


def _finish(request_id: UUID, state: AsyncState, **values: object) -> bool:
    now = timezone.now()
    rows = AsyncRequest.objects.filter(pk=request_id, state__in=UNFINISHED)
    done = rows.update(state=state, finished_at=now, expires_at=now + KEPT, **values)
    # Nobody sends it again.
    request_file(request_id).unlink(missing_ok=True)
    return bool(done)


def cancel(request: AsyncRequest) -> None:
    """Unfinished: it is not sent, or its sending ends. Finished: its answer goes."""
    with transaction.atomic():
        rows = AsyncRequest.objects.filter(pk=request.pk)
        unfinished = rows.filter(state__in=UNFINISHED)
        if unfinished.update(state=AsyncState.CANCELLED, finished_at=timezone.now()):
            signals.announce_async(request.endpoint_id)
        else:
            rows.exclude(state=AsyncState.CANCELLED).delete()
    _remove_files(request.pk)


def prune(now: datetime) -> int:
    """Delete what is older than it is kept, and files that nobody knows; how many."""
    old: QuerySet[AsyncRequest] = AsyncRequest.objects.filter(expires_at__lte=now)
    ids = list(old.values_list("pk", flat=True))
    AsyncRequest.objects.filter(pk__in=ids).delete()
    for request_id in ids:
        _remove_files(request_id)
    return len(ids) + _remove_strays(now)


def _remove_strays(now: datetime) -> int:
    """Files of endpoints that were deleted, and of writes that were broken off."""
    if not settings.ALIGHT_ASYNC_DIR.is_dir():
        return 0
    known = {str(pk) for pk in AsyncRequest.objects.values_list("pk", flat=True)}
    oldest = (now - _STRAY).timestamp()
    count = 0
    for file in settings.ALIGHT_ASYNC_DIR.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if file.stem not in known and file.stat().st_mtime < oldest:
                file.unlink()
                count += 1
    return count


def _remove_files(request_id: UUID) -> None:
    request_file(request_id).unlink(missing_ok=True)
    answer_file(request_id).unlink(missing_ok=True)
