"""What the ingress says itself, when no replica can. Pure.

Browsers get a small page, everybody else JSON. Both are kept as one line each in
answers.map, cut where the endpoint's name and the reason of a failure belong.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from dataclasses import dataclass

# Stand for the endpoint's name and for why it failed until HAProxy puts them there.
_NAME, _REASON = "@endpoint@", "@reason@"


@dataclass(frozen=True)
class Answer:
    """One answer. picture: the bubble's state. refresh and retry_after: seconds.

    named: it says the endpoint's name. looks: its page follows the start and turns
    into whatever comes. reasoned: it says why.
    """

    code: str
    status: int
    title: str
    message: str
    picture: str = "slot"
    retry_after: int = 0
    refresh: int = 0
    named: bool = True
    looks: bool = False
    reasoned: bool = False


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
        "Call it with a token that may call it: send the header"
        " “Authorization: Bearer alt_…”. To use it in a browser, open it from the"
        " console, or ask its owner for a link.",
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
        "waiting",
        503,
        "Starting",
        "A replica is on its way. This page turns into the endpoint as soon as it"
        " answers.",
        picture="starting",
        retry_after=2,
        refresh=2,
        looks=True,
    ),
    Answer(
        "too_large",
        413,
        "The request is too large",
        "A request that is answered later may have 10 MB, and says its length before."
        " Send less, or send it without X-OctoAI-Async.",
    ),
    Answer(
        "starting",
        503,
        "Starting",
        "A replica is on its way, and the request has waited for it as long as it may."
        " Try again in a few seconds, or wait longer: send “X-Alight-Wait: 600”.",
        picture="starting",
        retry_after=5,
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
        looks=True,
        reasoned=True,
    ),
    Answer(
        "idle",
        503,
        "Scaled to zero",
        "No replica runs now. This request has asked for one: try again in a while, or"
        " have the request wait for it: send “X-Alight-Wait: 300”.",
        retry_after=5,
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

# How each answer is spelled: for browsers, and for everybody else, who is told JSON.
HTML, JSON = ".html", ""
KINDS = (HTML, JSON)

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
    ".reason{color:var(--ink)}.reason:empty{display:none}"
    "a{color:inherit}"
    "@keyframes pulse{50%{opacity:.45}}"
    "@media(prefers-reduced-motion:reduce){circle{animation:none!important}}"
)


# Follows a start once a second; a failed endpoint, which may be tried again, every 5 s.
_SCRIPT = (
    "(()=>{const page=document.querySelector('main'),"
    "failed=page.dataset.code==='failed',title=page.querySelector('h1'),text=page.querySelector('.says'),"
    "ring=page.querySelector('circle'),again=()=>location.reload();"
    "async function look(){try{"
    "const answer=await fetch('/-/alight/start',{cache:'no-store',"
    "headers:{Accept:'application/json'}});"
    "if(answer.status===401)return again();"
    "const now=await answer.json();"
    "if(failed){if(now.state&&now.state!=='failed')return again()}"
    "else{if(['ready','failed','paused'].includes(now.state))return again();"
    "if(now.title&&title.textContent!==now.title)"
    "title.textContent=document.title=now.title;"
    "if(now.detail)text.textContent=now.detail;"
    "ring.setAttribute('stroke-dasharray',"
    "now.progress==null?'100':`${100*now.progress} 100`)}"
    "}catch{}setTimeout(look,failed?5000:1000)}look()})()"
)


def content_security_policy() -> str:
    """Nothing may load on these pages; the one style and script are named by hash."""
    return (
        f"default-src 'none'; style-src '{_digest(_STYLE)}'; script-src"
        f" '{_digest(_SCRIPT)}'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256-{digest}"


def as_json(answer: Answer, name: str = _NAME, reason: str = _REASON) -> str:
    error: dict[str, str | None] = {
        "code": answer.code,
        "endpoint": name if answer.named else None,
        "message": f"{answer.title}. {answer.message}",
    }
    if answer.reasoned:
        error["reason"] = reason
    return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":"))


def as_page(
    answer: Answer, console_url: str, name: str = _NAME, reason: str = _REASON
) -> str:
    """One line of HTML that needs nothing else."""
    again = f"<meta http-equiv=refresh content={answer.refresh}>"
    if answer.looks:
        again = f"<noscript>{again}</noscript>"
    named = f"<p class=name>{html.escape(name)}</p>"
    return "".join(
        (
            "<!doctype html><html lang=en><head><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width,initial-scale=1'>",
            again if answer.refresh else "",
            f"<title>{html.escape(answer.title)}</title>",
            f"<style>{_STYLE}</style></head><body><main data-code={answer.code}>",
            f"<svg class={answer.picture} viewBox='0 0 64 64' aria-hidden=true>",
            "<circle cx=32 cy=32 r=28 pathLength=100 />",
            "<circle cx=32 cy=32 r=18 /><path d='M23 23 41 41M41 23 23 41'/></svg>",
            f"<h1 role=status>{html.escape(answer.title)}</h1>",
            named if answer.named else "",
            f"<p class=reason>{html.escape(reason)}</p>" if answer.reasoned else "",
            f"<p class=says>{html.escape(answer.message)}</p>",
            "<p>This page looks again by itself.</p>"
            if answer.refresh and not answer.looks
            else "",
            f"<p><a href='{html.escape(console_url)}'>Open the console</a></p>",
            "</main>",
            f"<script>{_SCRIPT}</script>" if answer.looks else "",
            "</body></html>",
        )
    )


def reasons(reason: str) -> dict[str, str]:
    """A reason as it stands in each kind of answer, by kind; base64 of UTF-8."""
    spelled = {
        HTML: html.escape(reason),
        JSON: json.dumps(reason, ensure_ascii=False)[1:-1],
    }
    return {
        kind: base64.b64encode(text.encode()).decode() for kind, text in spelled.items()
    }


def answers_map(console_url: str) -> str:
    """The text of answers.map: "<code>.<part><kind> <the rest of the line>".

    HAProxy joins head, the endpoint's name, middle, the reason and tail. An answer that
    names no endpoint has a head only, one without reasons no tail.
    """
    lines: list[str] = []
    for answer in ANSWERS:
        for kind, text in (
            (HTML, as_page(answer, console_url)),
            (JSON, as_json(answer)),
        ):
            head, _, rest = text.partition(_NAME)
            middle, _, tail = rest.partition(_REASON)
            parts = {"head": head, "middle": middle, "tail": tail}
            lines += [f"{answer.code}.{p}{kind} {t}" for p, t in parts.items() if t]
    return "\n".join(lines) + "\n"
