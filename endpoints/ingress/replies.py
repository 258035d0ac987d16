"""What the ingress says itself, as HAProxy's rules say it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from endpoints.ingress.answers import ANSWERS

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


def _reply(status: int, code: str, named: str = "") -> str:
    extra = "".join(f" hdr {name} {value}" for name, value in _headers(named).items())
    return (
        f"status {status} content-type application/json{extra} lf-string {_body(code)}"
    )


def _headers(code: str) -> Mapping[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if code == "private" else {}
    if code and _ANSWERS[code].retry_after:
        headers["Retry-After"] = str(_ANSWERS[code].retry_after)
    return headers


def _body(code: str) -> str:
    """The log-format text that puts name and reason between an answer's parts."""
    head, middle, tail = (
        f"%[{code},concat(.,txn.kind,.{part}),map(answers.map)]"
        for part in ("head", "middle", "tail")
    )
    # A reason is there for endpoints that failed, in each kind's own spelling.
    reason = "%[var(txn.name),concat(.,txn.kind),map(reasons.map),b64dec]"
    return f"{head}%[var(txn.name)]{middle}{reason}{tail}"
