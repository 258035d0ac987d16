"""The REST root: how bodies are read, and the one shape in which it refuses.

    {"error": {"code": …, "message": …, "fields": {field: [sentence, …]}}}

The header x-request-id names the request, the same in the answer and in the log.
"""

from __future__ import annotations

import json
import logging
import math
from typing import IO, Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.response import Response

from console import away, space
from endpoints import advice, trail
from endpoints.models import Endpoint

log = logging.getLogger(__name__)

BODY_MAX = 1_000_000


class TooLarge(exceptions.APIException):
    status_code = 413
    default_code = "too_large"
    default_detail = f"Send at most {BODY_MAX:,} bytes."


class NoSpace(exceptions.APIException):
    status_code = 507
    default_code = "disk_full"

    def __init__(self) -> None:
        super().__init__(
            f"The console's disk is full. Free some space {space.place()}, then send "
            "this again. Endpoints keep running."
        )


class DatabaseAway(exceptions.APIException):
    status_code = 503
    default_code = "database_away"
    default_detail = (
        "The console's database does not answer. Send this again in a moment; if that "
        f"goes on, {advice.doctor()} says why. Endpoints keep running."
    )
    wait = away.AGAIN


class DatabaseBusy(exceptions.APIException):
    status_code = 503
    default_code = "database_busy"
    default_detail = (
        "Something else keeps the console's database busy, such as a backup or "
        "somebody's shell. Send this again in a moment. Endpoints keep running."
    )
    wait = away.AGAIN


class JSONParser(BaseParser):
    """A JSON object as RFC 8259 has it: UTF-8, no NaN; at most BODY_MAX bytes."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        body = stream.read(BODY_MAX + 1)
        if len(body) > BODY_MAX:
            raise TooLarge
        try:
            value = json.loads(body.decode(), parse_constant=_no_constant)
        except UnicodeDecodeError:
            raise exceptions.ParseError("The body is not UTF-8. Send JSON.") from None
        except json.JSONDecodeError as error:
            raise exceptions.ParseError(
                f"The body is not JSON: line {error.lineno}, column {error.colno}. "
                "Check it for a missing quote, comma or bracket."
            ) from None
        except (ValueError, RecursionError):
            raise exceptions.ParseError(
                "The body is not JSON that can be read here. "
                "Check it for NaN, very long numbers and deep nesting."
            ) from None
        if not isinstance(value, dict):
            raise exceptions.ParseError('Send a JSON object, such as {"name": "app"}.')
        return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def explain(error: Exception, context: dict[str, Any]) -> Response:
    """Every refusal of the API, and what went wrong on our side, as one shape."""
    # Outside of our server, as in a test, nobody has named it yet.
    request_id = trail.now().request or trail.new_request()
    refusal = _refusal(error)
    if refusal is None:
        log.error("Request %s failed", request_id, exc_info=error)
        refusal = exceptions.APIException(
            "The console hit a problem. Your endpoints keep running; only this "
            f"request failed. Reference {request_id}."
        )
    fields = _sentences(refusal.detail)
    general = fields.pop("", [])
    body = {
        "code": refusal.default_code,
        "message": _worded(refusal, context) or " ".join(general) or _summary(fields),
        "fields": fields,
    }
    headers = {"x-request-id": request_id}
    if challenge := getattr(refusal, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(refusal, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return Response({"error": body}, status=refusal.status_code, headers=headers)


def _refusal(error: Exception) -> exceptions.APIException | None:
    """The refusal that an exception means; None when the fault is ours."""
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404 | Endpoint.DoesNotExist):
        return exceptions.NotFound("There is nothing at this address.")
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if space.is_full(error):
        return NoSpace()
    if away.is_away(error):
        log.error("The database does not answer: %s", error)
        return DatabaseAway()
    if away.is_busy(error):
        log.error("The database is busy: %s", error)
        return DatabaseBusy()
    if isinstance(error, SuspiciousOperation | BadRequest | MultiPartParserError):
        return exceptions.ParseError("The request could not be read.")
    return None


def _worded(refusal: exceptions.APIException, context: dict[str, Any]) -> str:
    """Our sentence where the framework's says too little; "" to keep what there is."""
    match refusal:
        case exceptions.NotAuthenticated():
            return (
                'Sign in, or send "Authorization: Bearer <token>". '
                "Tokens are made on the Tokens page."
            )
        case exceptions.MethodNotAllowed():
            method, view = context["request"].method, context["view"]
            possible = ", ".join(view.allowed_methods)
            return f"{method} is not possible here. Possible: {possible}."
        case exceptions.UnsupportedMediaType():
            return "Send JSON, with the header content-type: application/json."
        case exceptions.NotAcceptable():
            return "Answers are JSON. Send the header accept: application/json."
        case exceptions.PermissionDenied() if "CSRF" in str(refusal.detail):
            return (
                "The page's CSRF token is missing or old. Send it as x-csrftoken, "
                "or use a bearer token."
            )
    return ""


def _sentences(detail: Any, path: str = "") -> dict[str, list[str]]:
    """Sentences by field; nested ones as "volumes_experimental.0.mount"."""
    if isinstance(detail, str):
        return {path: [_printable(detail)]}
    named: Any = detail.items() if isinstance(detail, dict) else enumerate(detail)
    if isinstance(detail, list) and all(isinstance(item, str) for item in detail):
        named = [("", item) for item in detail]
    told: dict[str, list[str]] = {}
    for name, inner in named:
        own = "" if name == "non_field_errors" else _printable(str(name))
        below = ".".join(part for part in (path, own) if part)
        for field, sentences in _sentences(inner, below).items():
            told.setdefault(field, []).extend(sentences)
    return told


def _summary(fields: dict[str, list[str]]) -> str:
    said = [sentence for sentences in fields.values() for sentence in sentences]
    return said[0] if len(said) == 1 else f"{len(fields)} fields need a change."


def _printable(text: str) -> str:
    """Half of a surrogate pair can be in JSON, but not in an answer."""
    return text.encode(errors="replace").decode()
