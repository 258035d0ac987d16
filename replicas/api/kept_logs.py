"""The API on kept logs: what there is, what is found in it, and all of it as text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints.api import find, query
from endpoints.serializers.errors import ErrorSerializer
from endpoints.serializers.fields import CountField
from replicas.logs import kept, search, store
from replicas.logs.records import Line
from replicas.serializers import (
    LOG_LINES_MAX,
    LogLineSerializer,
    LogSpanQuery,
    moment,
    shown_line,
)

_BAD_CURSOR = "Send the cursor as “next” gave it, with the same question."


class LogSearchQuery(LogSpanQuery):
    """What is looked for."""

    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        trim_whitespace=False,
        help_text="Text in the line, in any case; colours count as nothing.",
    )
    level = serializers.ChoiceField(
        choices=("info", "warn", "error"),
        required=False,
        error_messages={"invalid_choice": "Choose info, warn or error."},
        help_text="At least this serious.",
    )
    # `source` is a word of rest_framework's own.
    by = serializers.ChoiceField(
        choices=("stdout", "stderr", "system"),
        required=False,
        error_messages={"invalid_choice": "Choose stdout, stderr or system."},
    )
    max_lines = CountField(
        1, LOG_LINES_MAX, f"Enter 1 to {LOG_LINES_MAX:,} lines.", required=False
    )
    cursor = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=20_000,
        help_text="“next” of the answer before, for older lines.",
    )


class FoundLineSerializer(LogLineSerializer):
    """A line with its place."""

    number = serializers.IntegerField(help_text="Its replica's: “Replica 2”.")
    line = serializers.IntegerField(help_text="Its number within the attempt, from 1.")


class LogFoundSerializer(serializers.Serializer[Any]):
    """Newest first. `next` goes on with older lines; null when all was looked at."""

    lines = FoundLineSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    searched_back_to = serializers.DateTimeField(
        allow_null=True, help_text="How far it came in its second; null: to the end."
    )


class LogAttemptSerializer(serializers.Serializer[Any]):
    """One start of a replica and what is kept of its log."""

    replica_id = serializers.CharField()
    number = serializers.IntegerField(help_text="The replica's; 0 when it is history.")
    attempt = serializers.IntegerField()
    begins_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    first_line = serializers.IntegerField(help_text="Above 1 where lines were removed.")
    last_line = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="Of the disk.")
    removed_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField(help_text="What is not kept and why; else empty.")


def shown_found(line: Line) -> dict[str, Any]:
    return {**shown_line(line), "number": line.attempt.number, "line": line.n}


def shown_attempt(one: kept.KeptLog) -> dict[str, Any]:
    def at(ns: int) -> str | None:
        return moment(ns // 1000) if ns else None

    return {
        "replica_id": str(one.attempt.replica_id),
        "number": one.attempt.number,
        "attempt": one.attempt.attempt,
        "begins_at": at(one.begin),
        "ends_at": at(one.end),
        "first_line": one.first,
        "last_line": one.last,
        "bytes": one.room,
        "removed_at": at(one.removed_at),
        "note": one.note,
    }


class LogAttempts(APIView):
    @extend_schema(
        operation_id="logs_attempts",
        summary="Which starts have a log, oldest first",
        responses={200: LogAttemptSerializer(many=True), 404: ErrorSerializer},
        tags=["logs"],
    )
    def get(self, request: Request, name: str) -> Response:
        found = kept.kept_logs(find(request, name).pk)
        return Response([shown_attempt(one) for one in found])


class LogSearch(APIView):
    @extend_schema(
        operation_id="logs_search",
        summary="Lines of kept logs with a text, newest first",
        parameters=[LogSearchQuery],
        responses={
            200: LogFoundSerializer,
            400: ErrorSerializer,
            404: ErrorSerializer,
        },
        tags=["logs"],
    )
    def get(self, request: Request, name: str) -> Response:
        asked = query(LogSearchQuery, request)
        wanted = search.Query(
            text=asked.get("q", ""),
            level=asked.get("level", "info"),
            source=asked.get("by", ""),
            begin=store.nanoseconds(asked.get("begin_time")) or 0,
            end=store.nanoseconds(asked.get("end_time")),
            replica_id=asked.get("replica_id"),
            attempt=asked.get("attempt"),
        )
        try:
            found = search.search(
                find(request, name).pk,
                wanted,
                asked.get("max_lines", LOG_LINES_MAX),
                cursor=asked.get("cursor", ""),
            )
        except search.BadCursor:
            raise serializers.ValidationError({"cursor": [_BAD_CURSOR]}) from None
        return Response(
            {
                "lines": [shown_found(line) for line in found.lines],
                "next": found.next or None,
                "searched_back_to": moment(found.back // 1000) if found.next else None,
            }
        )


class AnyAccept(DefaultContentNegotiation):
    """The answer is text whatever is asked for; a refusal is JSON as everywhere."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class LogDownload(APIView):
    http_method_names = ["get", "options"]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="logs_download",
        summary="Kept logs as text, attempt by attempt",
        parameters=[LogSpanQuery],
        responses={(200, "text/plain"): OpenApiTypes.STR, 404: ErrorSerializer},
        tags=["logs"],
    )
    def get(self, request: Request, name: str) -> StreamingHttpResponse:
        asked = query(LogSpanQuery, request)
        return as_text(name, find(request, name).pk, asked)


def as_text(
    name: str, endpoint_id: int, asked: dict[str, Any]
) -> StreamingHttpResponse:
    """Sent as it is read: however long the logs are, little of them is held."""
    begin: datetime | None = asked.get("begin_time")
    pieces = store.iter_text(
        endpoint_id,
        begin=begin,
        end=asked.get("end_time"),
        replica_id=asked.get("replica_id"),
        attempt=asked.get("attempt"),
    )
    response = StreamingHttpResponse(
        store.text_stream(pieces), content_type="text/plain; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.log"'
    return response
