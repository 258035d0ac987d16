"""The request that is tried from an endpoint's page, and the snippets beside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from endpoints import asynchronous, passes
from endpoints.forms.account import size_words
from endpoints.forms.trying import TryForm, form_for
from endpoints.models import Endpoint
from endpoints.ndjson import NdjsonRenderer, beating, ndjson
from endpoints.snippets import snippets_of
from endpoints.trying import sending
from endpoints.trying.asked import Asked
from endpoints.trying.sending import Begun, Ended, Piece, Text, Trouble
from endpoints.trying.showing import Shown, packing
from endpoints.views.person import person

# Seconds between two signs of life while nothing comes.
_BEAT = 15.0
# A pass outlives the longest try by this.
_SPARE = 60
_TAKEN = 202


@require_http_methods(["GET", "POST"])
async def try_it(
    request: HttpRequest, name: str
) -> HttpResponse | StreamingHttpResponse:
    """A page of its own; a POST sends. Scripts that accept NDJSON get it piece by
    piece: {"begun"}, {"text"}, {"shown"}, {"ended"}, or {"trouble"}."""
    endpoint = await sync_to_async(_found)(request, name)
    streams = request.accepts(NdjsonRenderer.media_type) and not request.accepts(
        "text/html"
    )
    if request.method == "GET":
        return await _page(request, endpoint, form_for(endpoint))
    form = TryForm(request.POST)
    if not form.is_valid():
        if streams:
            return JsonResponse({"problems": form.problems}, status=422)
        return await _page(request, endpoint, form, status=422)
    asked = form.asked()
    admission = await sync_to_async(_let_in)(request, endpoint, asked)
    pieces = _sent(endpoint, asked, admission)
    if streams:
        return ndjson(_lines(pieces))
    return await _page(request, endpoint, form, answer=await _gathered(pieces))


def _found(request: HttpRequest, name: str) -> Endpoint:
    rows = Endpoint.objects.visible_to(request.user).alive()
    return get_object_or_404(rows, name=name)


def _let_in(
    request: HttpRequest, endpoint: Endpoint, asked: Asked
) -> passes.Admission | None:
    """A pass for a private endpoint, of the person who asks."""
    if endpoint.public:
        return None
    life = timedelta(seconds=sending.LONGEST * 2 + _SPARE)
    if asked.later:
        # It is sent only while what it came with counts.
        life = asynchronous.KEPT
    return passes.issue(endpoint, person(request), timezone.now() + life)


async def _sent(
    endpoint: Endpoint, asked: Asked, admission: passes.Admission | None
) -> AsyncGenerator[Piece | None, None]:
    """What comes back, None now and then. The pass ends with it, unless the request
    was taken to be answered later."""
    cookie = admission.cookie if admission else ""
    taken = False
    try:
        async with (
            aclosing(sending.send(endpoint, asked, cookie)) as pieces,
            aclosing(beating(pieces, _BEAT)) as beats,
        ):
            async for piece in beats:
                if isinstance(piece, Begun):
                    taken = asked.later and piece.status == _TAKEN
                yield piece
    finally:
        if admission and not taken:
            await sync_to_async(passes.end)(admission)


async def _lines(
    pieces: AsyncGenerator[Piece | None, None],
) -> AsyncGenerator[dict[str, Any] | None, None]:
    gathered = Answer()
    async with aclosing(pieces):
        async for piece in pieces:
            if piece is None:
                yield None
                continue
            gathered.add(piece)
            line: dict[str, Any] = {type(piece).__name__.lower(): asdict(piece)}
            if isinstance(piece, Begun | Ended):
                line["words"] = gathered.words
                line["note"] = gathered.note
            yield line


@dataclass
class Answer:
    """An answer as far as it has come, for a page that shows it."""

    begun: Begun | None = None
    ended: Ended | None = None
    trouble: str = ""
    texts: list[str] = field(default_factory=list)
    shown: Shown = field(default_factory=Shown)

    def add(self, piece: Piece) -> None:
        match piece:
            case Begun():
                self.begun = piece
            case Text(text):
                self.texts.append(text)
            case Shown():
                self.shown = piece
            case Ended():
                self.ended = piece
            case Trouble(sentence):
                self.trouble = sentence

    @property
    def text(self) -> str:
        return "".join(self.texts) or self.shown.text

    @property
    def words(self) -> str:
        """ "200 OK after 0.21 s", then "200 OK in 1.2 s, 340 kB"."""
        if self.begun is None:
            return ""
        status = f"{self.begun.status} {_reason(self.begun)}".strip()
        if self.ended is None:
            return f"{status} after {_seconds(self.begun.seconds)}"
        read = f", {size_words(self.ended.size)}" if self.ended.size else ", no body"
        return f"{status} in {_seconds(self.ended.seconds)}{read}"

    @property
    def note(self) -> str:
        """What is not shown of it; "" when all is."""
        if self.ended is None:
            return ""
        if not self.ended.cut:
            return self._packed()
        what = "Shown is the beginning" if self.texts else "It is too large to show"
        return f"{what}: get the whole answer with one of the snippets."

    def _packed(self) -> str:
        """Why text came as a file: the container packs what it was asked not to."""
        named = self.begun.headers if self.begun else ()
        values = [value for name, value in named if name.lower() == "content-encoding"]
        how = packing(",".join(values))
        if not how or not self.shown.file:
            return ""
        return f"It came packed ({how[:40]}): save it, and unpack it to read it."


def _reason(begun: Begun) -> str:
    if begun.reason:
        return begun.reason
    known = {status.value: status.phrase for status in HTTPStatus}
    return known.get(begun.status, "")


def _seconds(seconds: float) -> str:
    """ "0.21 s", "14 s", "102 s": times of requests are compared."""
    digits = 2 if seconds < 1 else 1 if seconds < 10 else 0
    return f"{seconds:.{digits}f} s"


async def _gathered(pieces: AsyncGenerator[Piece | None, None]) -> Answer:
    answer = Answer()
    async with aclosing(pieces):
        async for piece in pieces:
            if piece is not None:
                answer.add(piece)
    return answer


@sync_to_async
def _page(
    request: HttpRequest,
    endpoint: Endpoint,
    form: TryForm,
    *,
    answer: Answer | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "endpoint": endpoint,
        "form": form,
        "answer": answer,
        "snippets": snippets_of(endpoint.url, endpoint.container, endpoint.public),
    }
    return render(request, "endpoints/try.html", context, status=status)
