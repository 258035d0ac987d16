"""The API on what containers write: a span of time, or line after line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from channels.db import database_sync_to_async
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints.api import find, query, token_of
from endpoints.feed import BEAT_SECONDS, may_listen
from endpoints.ndjson import NdjsonRenderer, beating, ndjson
from endpoints.serializers.errors import ErrorSerializer
from endpoints.serializers.events import ReplicaQuery
from replicas.logs import store
from replicas.logs.reader import LogReader
from replicas.logs.threads import in_thread
from replicas.serializers import (
    LOG_LINES_MAX,
    LogLineSerializer,
    LogQuery,
    shown_gap,
    shown_line,
    shown_page_line,
)

Allowed = Callable[[], Awaitable[bool]]


class Logs(APIView):
    @extend_schema(
        operation_id="logs",
        summary="Lines of a span of time, oldest first",
        parameters=[LogQuery],
        responses={200: LogLineSerializer(many=True), 404: ErrorSerializer},
        tags=["logs"],
    )
    def get(self, request: Request, name: str) -> Response:
        asked = query(LogQuery, request)
        lines = store.read(
            find(request, name).pk,
            begin=asked.get("begin_time"),
            end=asked.get("end_time"),
            max_lines=asked.get("max_lines", LOG_LINES_MAX),
            replica_id=asked.get("replica_id"),
            attempt=asked.get("attempt"),
        )
        return Response([shown_line(line) for line in lines])


class LogStream(APIView):
    """The newest lines, then each as it is written, one JSON object a line."""

    http_method_names = ["get", "options"]
    renderer_classes = [JSONRenderer, NdjsonRenderer]

    @extend_schema(
        operation_id="logs_stream",
        summary="Lines as they are written, one JSON object a line",
        parameters=[ReplicaQuery],
        responses={(200, "application/x-ndjson"): LogLineSerializer},
        tags=["logs"],
    )
    def get(self, request: Request, name: str) -> Any:
        asked = query(ReplicaQuery, request)
        endpoint = find(request, name)
        user, key = request.user, token_of(request)

        @database_sync_to_async
        def allowed() -> bool:
            return may_listen(endpoint.pk, user, key)

        return ndjson(_following(endpoint.pk, asked.get("replica_id"), allowed))


async def _following(
    endpoint_id: int, replica_id: int | None, allowed: Allowed
) -> AsyncGenerator[dict[str, Any] | None, None]:
    """Lines as the API shows them, None at each beat; ends when not `allowed`."""
    async with (
        aclosing(_lines(endpoint_id, replica_id)) as lines,
        aclosing(beating(lines, BEAT_SECONDS)) as items,
    ):
        async for item in items:
            if item is None and not await allowed():
                return
            yield item


async def _lines(
    endpoint_id: int, replica_id: int | None
) -> AsyncGenerator[dict[str, Any], None]:
    """The newest lines, then each new one."""
    wanted = None if replica_id is None else {replica_id}
    reader = LogReader(endpoint_id)
    try:
        # The reader's place first: what is written meanwhile comes from it.
        place = (await reader.backlog(limit=1))["cursors"]
        found = await in_thread(
            lambda: store.tail(endpoint_id, LOG_LINES_MAX, replica_ids=wanted)
        )
        for line in found:
            if line.n <= place.get(line.attempt.key, 0):
                yield shown_line(line)
        async for message in reader.follow():
            if missed := message.get("dropped", 0):
                yield shown_gap(missed)
            for page_line in message.get("lines", []):
                shown = shown_page_line(page_line)
                if wanted is None or shown["replica_id"] == str(replica_id):
                    yield shown
    finally:
        await reader.close()
