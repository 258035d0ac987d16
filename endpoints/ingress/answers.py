"""What the ingress says itself, when no replica can. Pure.

Browsers get a small page, everybody else JSON. Both are kept as one line each in
answers.map, cut in two where the endpoint's name belongs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from dataclasses import dataclass

# Stands for the endpoint's name until HAProxy puts the real one there.
_NAME = "@endpoint@"


@dataclass(frozen=True)
class Answer:
    """One answer. picture: the bubble's state. refresh and retry_after: seconds."""

    code: str
    status: int
    title: str
    message: str
    picture: str = "slot"
    retry_after: int = 0
    refresh: int = 0
    named: bool = True


ANSWERS = (
    Answer(
        "unknown",
        404,
        "There is nothing at this address",
        "The endpoint may have been deleted or renamed, or the link is cut short."
        " Check the address, or find the endpoint in the console.",
        named=False,
    ),
    Answer(
        "private",
        401,
        "This endpoint is private",
        "Call it with a token that its owner made: send the header"
        " “Authorization: Bearer alt_…”. To use it in a browser, its owner can enable"
        " public access.",
    ),
    Answer(
        "busy",
        429,
        "Too many requests at once",
        "This endpoint has as many open requests as it may have. Try again when some"
        " of them have finished.",
        retry_after=1,
    ),
    Answer(
        "starting",
        503,
        "Starting",
        "No replica is ready yet. The first one is on its way: try again in a few"
        " seconds.",
        picture="starting",
        retry_after=2,
        refresh=2,
    ),
    Answer(
        "paused",
        503,
        "Paused",
        "This endpoint answers 503 until its owner resumes it. The URL stays the same.",
    ),
    Answer(
        "failed",
        503,
        "The replica failed",
        "Nothing can answer here until it runs again. Its timeline and its logs in the"
        " console say why it failed.",
        picture="failed",
    ),
    Answer(
        "idle",
        503,
        "Scaled to zero",
        "No replica runs now. Start one in the console, then try again.",
    ),
    Answer(
        "gone",
        502,
        "The replica broke off",
        "It closed the connection before its answer was complete. Try again; if that"
        " goes on, its logs in the console say why.",
        picture="unhealthy",
    ),
    Answer(
        "unavailable",
        503,
        "No replica took the request",
        "Those there are did not accept it in time. Try again in a few seconds.",
        picture="unhealthy",
        retry_after=2,
    ),
    Answer(
        "timeout",
        504,
        "The replica took too long",
        "It did not answer in time. Try again; if that goes on, its logs in the console"
        " say what it was doing.",
        picture="unhealthy",
    ),
    Answer(
        "console",
        503,
        "The console is starting",
        "It does not answer yet: try again in a few seconds. Endpoints keep running.",
        picture="starting",
        retry_after=2,
        refresh=2,
        named=False,
    ),
)

# The states a Route may have, each answered by the answer of that code.
STATES = ("starting", "paused", "failed", "idle")

_STYLE = (
    ":root{color-scheme:light dark;--ink:light-dark(#151924,#eef0f3);"
    "--soft:light-dark(#4a505b,#b0b4bc);--line:light-dark(#c8ccd2,#3c4049);"
    "--live:light-dark(#154ff1,#4583ff);--wait:light-dark(#d07b18,#eba941);"
    "--fail:light-dark(#db351f,#f3654c)}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "background:light-dark(#f4f6f8,#0d1015);color:var(--ink);"
    "font:15px/1.5 'Schibsted Grotesk',ui-sans-serif,system-ui,sans-serif}"
    "main{box-sizing:border-box;width:100%;max-width:440px;padding:32px 24px}"
    "svg{width:64px;height:64px;overflow:visible;display:block}"
    "circle{fill:none;stroke:var(--line);stroke-width:2.5}"
    "circle+circle{stroke:none;fill:none}path{fill:none;stroke:none}"
    ".slot circle:first-child{stroke-dasharray:1.1 3.06;stroke-linecap:round}"
    ".starting circle:first-child{stroke:var(--live)}"
    ".starting circle+circle{fill:var(--live);transform-origin:50% 50%;"
    "animation:pulse 2.4s ease-in-out infinite}"
    ".unhealthy circle:first-child{stroke:var(--wait);stroke-dasharray:44 6}"
    ".unhealthy circle+circle{fill:var(--live)}"
    ".failed circle:first-child{stroke:var(--fail)}"
    ".failed path{stroke:var(--fail);stroke-width:4;stroke-linecap:round}"
    "h1{margin:24px 0 4px;font-size:22px;line-height:1.25;font-weight:620}"
    "p{margin:8px 0;color:var(--soft)}.name{margin:0;color:var(--ink);"
    "font:13px/1.5 'Geist Mono',ui-monospace,Menlo,Consolas,monospace}"
    "a{color:inherit}"
    "@keyframes pulse{50%{opacity:.45}}"
    "@media(prefers-reduced-motion:reduce){circle{animation:none!important}}"
)


def content_security_policy() -> str:
    """Nothing may load or run on these pages; the one style is named by its hash."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )


def as_json(answer: Answer, name: str = _NAME) -> str:
    error = {
        "code": answer.code,
        "message": answer.message,
        "endpoint": name if answer.named else None,
    }
    return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":"))


def as_page(answer: Answer, console_url: str, name: str = _NAME) -> str:
    """One line of HTML that needs nothing else."""
    again = f"<meta http-equiv=refresh content={answer.refresh}>"
    named = f"<p class=name>{html.escape(name)}</p>"
    return "".join(
        (
            "<!doctype html><html lang=en><head><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width,initial-scale=1'>",
            again if answer.refresh else "",
            f"<title>{html.escape(answer.title)}</title>",
            f"<style>{_STYLE}</style></head><body><main>",
            f"<svg class={answer.picture} viewBox='0 0 64 64' aria-hidden=true>",
            "<circle cx=32 cy=32 r=28 pathLength=100 />",
            "<circle cx=32 cy=32 r=18 /><path d='M23 23 41 41M41 23 23 41'/></svg>",
            f"<h1>{html.escape(answer.title)}</h1>",
            named if answer.named else "",
            f"<p>{html.escape(answer.message)}</p>",
            "<p>This page looks again by itself.</p>" if answer.refresh else "",
            f"<p><a href='{html.escape(console_url)}'>Open the console</a></p>",
            "</main></body></html>",
        )
    )


def answers_map(console_url: str) -> str:
    """The text of answers.map: "<code>.<html|json>.<head|tail> <the rest of the line>".

    HAProxy joins head, the endpoint's name and tail. An answer that names no endpoint
    has no tail.
    """
    lines: list[str] = []
    for answer in ANSWERS:
        for kind, text in (
            ("html", as_page(answer, console_url)),
            ("json", as_json(answer)),
        ):
            head, _, tail = text.partition(_NAME)
            lines.append(f"{answer.code}.{kind}.head {head}")
            if tail:
                lines.append(f"{answer.code}.{kind}.tail {tail}")
    return "\n".join(lines) + "\n"
