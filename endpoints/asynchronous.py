"""Requests that are answered later: taken at the edge, sent by the worker, kept a day.

The rows are the queue and the truth; a message to the worker only says "look". Bodies
are files in ALIGHT_ASYNC_DIR, named by the request. A request that was being sent when
everything stopped is sent again, so it reaches a container once at least.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from endpoints import signals
from endpoints.grants import grants_of
from endpoints.models import AsyncRequest, AsyncState, Endpoint
from endpoints.reaching import BODY_MAX, NOT_HANDED_ON

# What an endpoint may have unfinished, so that nobody fills the disk.
UNFINISHED_MAX = 1000
# Bytes an endpoint may have on the disk: requests that wait, and answers.
KEPT_BYTES_MAX = 1 << 30
# Bytes of the disk that stay free, or this part of a small one.
FREE_BYTES = 1 << 30
FREE_PART = 0.05
# As long as its column.
METHOD_MAX = 10
# How often one is begun: whatever ends the worker each time ends with it.
BEGUN_MAX = 10
# How long a request waits at most, and then how long its answer is kept.
KEPT = timedelta(hours=24)
# Files without a row are left alone for this long: their row may be on its way.
_STRAY = timedelta(hours=1)

UNFINISHED = (AsyncState.PENDING, AsyncState.RUNNING)
Headers = Sequence[tuple[str, str]]

# Credentials are not kept, and what the ingress or this module says is said anew.
_NOT_KEPT = NOT_HANDED_ON | {"authorization", "cookie", "x-octoai-async"}
_OF_THE_INGRESS = ("x-alight-", "x-forwarded-")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# All but the tab.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Of an answer: what belongs to one connection, and what the sender of it says anew.
_NOT_GIVEN_BACK = NOT_HANDED_ON | {"set-cookie", "date", "server", "alt-svc"}


_TOO_OFTEN = (
    f"Sending it was broken off {BEGUN_MAX} times. The worker's log says by what."
)
_NO_LONGER = (
    "The token, pass or link it was sent with no longer opens this endpoint. Send it"
    " again with one that does."
)


class Refused(Exception):
    """There is no room for it."""


class TooLarge(Refused):
    """The body has more than BODY_MAX bytes."""


class TooMany(Refused):
    """The endpoint has UNFINISHED_MAX requests that are not answered yet."""


class TooMuch(Refused):
    """The endpoint has KEPT_BYTES_MAX bytes on the disk."""


class DiskFull(Refused):
    """The disk has no more free than is to stay free."""


class BadHeader(Exception):
    """No container could be sent the header of this name."""


class BadMethod(Exception):
    """Its name has more than METHOD_MAX letters, which no usual one has."""


def request_file(request_id: UUID) -> Path:
    return settings.ALIGHT_ASYNC_DIR / f"{request_id}.request"


def answer_file(request_id: UUID) -> Path:
    return settings.ALIGHT_ASYNC_DIR / f"{request_id}.answer"


def accept(
    endpoint: Endpoint,
    method: str,
    path: str,
    headers: Headers,
    body: Iterable[bytes],
    *,
    grant: str,
) -> AsyncRequest:
    """Keep it, on disk when this returns, and tell the worker.

    grant: what the ingress let whoever asks in by. Raises BadHeader, BadMethod,
    TooLarge, TooMany, TooMuch, DiskFull, Endpoint.DoesNotExist when it is gone, and
    OSError when the disk takes no more.
    """
    kept = kept_headers(headers)
    if len(method) > METHOD_MAX:
        raise BadMethod
    waiting = AsyncRequest.objects.filter(endpoint=endpoint, state__in=UNFINISHED)
    if waiting.count() >= UNFINISHED_MAX:
        raise TooMany
    check_room(endpoint.pk)
    made = AsyncRequest(
        endpoint=endpoint,
        method=method,
        path=path,
        headers=kept,
        grant=grant,
        expires_at=timezone.now() + KEPT,
    )
    # The body first: whoever sees the row finds it.
    write(request_file(made.pk), _limited(body))
    try:
        made.body_bytes = request_file(made.pk).stat().st_size
        with transaction.atomic():
            made.save(force_insert=True)
            signals.announce_async(endpoint.pk)
    except BaseException as error:
        request_file(made.pk).unlink(missing_ok=True)
        if isinstance(error, IntegrityError):
            # All it refers to is the endpoint.
            raise Endpoint.DoesNotExist from error
        raise
    return made


def _limited(body: Iterable[bytes]) -> Iterable[bytes]:
    size = 0
    for piece in body:
        size += len(piece)
        if size > BODY_MAX:
            raise TooLarge
        yield piece


def check_room(endpoint_id: int) -> None:
    """Raises TooMuch and DiskFull when no more is to be kept."""
    rows = AsyncRequest.objects.filter(endpoint_id=endpoint_id)
    sums = rows.aggregate(bodies=Sum("body_bytes"), answers=Sum("answer_bytes"))
    if (sums["bodies"] or 0) + (sums["answers"] or 0) >= KEPT_BYTES_MAX:
        raise TooMuch
    folder: Path = settings.ALIGHT_ASYNC_DIR
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk = shutil.disk_usage(folder)
    if disk.free < min(FREE_BYTES, disk.total * FREE_PART):
        raise DiskFull


def kept_headers(headers: Headers) -> list[list[str]]:
    """Those that a container is sent later, as JSON keeps them. Raises BadHeader."""
    kept = [
        [name, _as_sent(value)]
        for name, value in headers
        if name.lower() not in _NOT_KEPT
        and not name.lower().startswith(_OF_THE_INGRESS)
    ]
    for name, value in kept:
        if not fits(name, value):
            raise BadHeader(name)
    return kept


def given_headers(headers: Headers) -> list[list[str]]:
    """Those of an answer that are kept for whoever asked, a character for each byte."""
    return [
        [name, as_bytes(value)]
        for name, value in headers
        if name.lower() not in _NOT_GIVEN_BACK and fits(name, value)
    ]


def fits(name: str, value: str) -> bool:
    """Whether HTTP has room for such a header."""
    return bool(_NAME.fullmatch(name)) and not _CONTROL.search(value)


def as_bytes(value: str) -> str:
    """A header's value with a character for each byte, as web servers take it."""
    return value.encode(errors="surrogateescape").decode("latin-1")


def _as_sent(value: str) -> str:
    """The text of which a web server gave a character for each byte."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


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
    """It is sent from now on; None when nobody waits for it any more.

    It fails when who asked may no longer call the endpoint, or when it was begun
    BEGUN_MAX times.
    """
    rows = AsyncRequest.objects.filter(pk=request_id, state__in=UNFINISHED)
    now = timezone.now()
    # Counted before: who dies while it is sent cannot count.
    if not rows.update(
        state=AsyncState.RUNNING,
        started_at=now,
        attempts=F("attempts") + 1,
        answer_bytes=0,
    ):
        return None
    rows = AsyncRequest.objects.select_related("endpoint__owner")
    found = rows.filter(pk=request_id).first()
    if found is None:
        return None
    if found.attempts > BEGUN_MAX:
        fail(request_id, 503, _TOO_OFTEN)
        return None
    if not _may_still_call(found):
        fail(request_id, 401, _NO_LONGER)
        return None
    return found


def _may_still_call(request: AsyncRequest) -> bool:
    if request.endpoint.public:
        return True
    return any(one.digest == request.grant for one in grants_of(request.endpoint))


def grow(request: AsyncRequest, size: int) -> None:
    """Its answer has this many bytes so far. Raises TooMuch and DiskFull."""
    AsyncRequest.objects.filter(pk=request.pk).update(answer_bytes=size)
    check_room(request.endpoint_id)


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
    return _finish(
        request_id, AsyncState.FAILED, status=status, trouble=why, answer_bytes=0
    )


def _finish(request_id: UUID, state: AsyncState, **values: object) -> bool:
    now = timezone.now()
    rows = AsyncRequest.objects.filter(pk=request_id, state__in=UNFINISHED)
    done = rows.update(
        state=state, finished_at=now, expires_at=now + KEPT, body_bytes=0, **values
    )
    # Nobody sends it again.
    request_file(request_id).unlink(missing_ok=True)
    return bool(done)


def cancel(request: AsyncRequest) -> None:
    """Unfinished: it is not sent, or its sending ends. Finished: its answer goes."""
    with transaction.atomic():
        rows = AsyncRequest.objects.filter(pk=request.pk)
        unfinished = rows.filter(state__in=UNFINISHED)
        if unfinished.update(
            state=AsyncState.CANCELLED,
            finished_at=timezone.now(),
            body_bytes=0,
            answer_bytes=0,
        ):
            signals.announce_async(request.endpoint_id)
        else:
            rows.exclude(state=AsyncState.CANCELLED).delete()
    _remove_files(request.pk)


def overdue(now: datetime) -> QuerySet[AsyncRequest]:
    """Those older than they are kept."""
    return AsyncRequest.objects.filter(expires_at__lte=now)


def prune(now: datetime) -> int:
    """Delete what is older than it is kept, and files that nobody knows; how many."""
    ids = list(overdue(now).values_list("pk", flat=True))
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
