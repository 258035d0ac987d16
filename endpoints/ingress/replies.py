"""What the ingress says itself, as HAProxy's rules say it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from endpoints.ingress.answers import ANSWERS

# The endpoint's name in what is known of it (Way, in routes.py).
NAME = "var(txn.way),word(1,/)"
_ANSWERS = {answer.code: answer for answer in ANSWERS}


def say(code: str) -> str:
    """The rule that answers with this; a condition may follow."""
    return f"http-request return {_reply(status_of(code), f'str({code})', code)}"


def say_state() -> str:
    """The same with the code that is in txn.state; its answer is a 503 at once."""
    return f"http-request return {_reply(503, 'var(txn.state)')}"


def on_error(code: str, status: int = 0) -> str:
    """What is said when HAProxy itself gives up on a request."""
    return f"http-error {_reply(status or status_of(code), f'str({code})', code)}"


def status_of(code: str) -> int:
    return _ANSWERS[code].status


def _reply(status: int, code: str, known: str = "") -> str:
    """code: an expression; known: the code where it is the same for all requests."""
    extra = "".join(f" hdr {name} {value}" for name, value in _headers(known).items())
    named = not known or _ANSWERS[known].named
    text = _named_body(code) if named else _part(code, "head")
    return f"status {status} content-type application/json{extra} lf-string {text}"


def _headers(code: str) -> Mapping[str, str]:
    # So that programs can tell these answers from a replica's.
    headers = {"X-Alight-Answer": code or "%[var(txn.state)]"}
    if code == "private":
        headers["WWW-Authenticate"] = "Bearer"
    if code and _ANSWERS[code].retry_after:
        headers["Retry-After"] = str(_ANSWERS[code].retry_after)
    return headers


def _named_body(code: str) -> str:
    """The log-format text that puts name and reason between an answer's parts."""
    # A reason is there for endpoints that failed, in each kind's own spelling.
    reason = f"%[{NAME},concat(,txn.kind),map(reasons.map),b64dec]"
    head, middle, tail = (_part(code, part) for part in ("head", "middle", "tail"))
    return f"{head}%[{NAME}]{middle}{reason}{tail}"


def _part(code: str, part: str) -> str:
    return f"%[{code},concat(.{part},txn.kind),map(answers.map)]"
