"""The text of haproxy.cfg. Pure.

docs/ingress.md explains it rule by rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from endpoints.ingress.answers import ANSWERS, content_security_policy
from endpoints.ingress.routes import Place, slot_name
from endpoints.ingress.setup import Setup

_ANSWERS = {answer.code: answer for answer in ANSWERS}
_FORWARDING = "forwarded|via|x-real-ip|x-client-ip|x-original-.*|x-rewrite-url|proxy"
_OWN = "http-after-response set-header"
_DIGEST = "req.fhdr(authorization),sha2(256),hex"


def render(setup: Setup, places: Mapping[str, Sequence[Place]] | None = None) -> str:
    """The whole file. places says who has which server, by slot; others are free."""
    taken = places or {}
    slots = (
        slot_section(slot, setup.servers, taken.get(slot, ()))
        for slot in map(slot_name, range(setup.slots))
    )
    return "\n".join((_head(setup), _frontend(setup), _fixed(setup), *slots))


def slot_section(slot: str, servers: int, places: Sequence[Place] = ()) -> str:
    """One slot. A place in use is written out, so that a restart finds it again."""
    used = {int(p.name[1:]): p for p in places if p.ready}
    lines = [f"backend {slot} from slots"]
    lines += [f"  server s{number} {_where(used[number])}" for number in sorted(used)]
    edges = [0, *sorted(used), servers + 1]
    lines += [
        f"  server-template s {before + 1}-{after - 1} 127.0.0.1:1 disabled"
        for before, after in pairwise(edges)
        if after - before > 1
    ]
    return "\n".join(lines) + "\n"


def replace_slot(text: str, slot: str, section: str) -> str:
    """The file with this slot's section changed. Raises ValueError when it has none."""
    start = text.index(f"\nbackend {slot} from slots\n") + 1
    end = text.find("\n\n", start)
    return text[:start] + section + ("" if end < 0 else text[end + 1 :])


def places_in(text: str) -> dict[str, list[Place]]:
    """The places in use that slot_section wrote, by slot; their keys are not there."""
    found: dict[str, list[Place]] = {}
    for slot, body in re.findall(
        r"^backend (e\d{4}) from slots\n((?:  .*\n)*)", text, re.M
    ):
        rows = re.findall(
            r"^  server (s\d+) (\S+):(\d+)(?: maxconn (\d+))?$", body, re.M
        )
        if rows:
            found[slot] = [
                Place(name, "", address.strip("[]"), int(port), int(limit or 0), True)
                for name, address, port, limit in rows
            ]
    return found


def _where(place: Place) -> str:
    address = f"[{place.address}]" if ":" in place.address else place.address
    limit = f" maxconn {place.limit}" if place.limit else ""
    return f"{address}:{place.port}{limit}"


def _head(setup: Setup) -> str:
    return f"""\
# Written by "manage.py write_ingress" and kept by the running console: do not edit.
global
  default-path config
  stats socket "{setup.socket}" mode 600 level admin expose-fd listeners
  stats timeout 1m
  maxconn {setup.connections}
  nbthread {setup.threads}
  hard-stop-after 24h
  tune.bufsize 32768
  tune.http.maxhdr 200

defaults base
  mode http
  option http-keep-alive
  option abortonclose
  option http-restrict-req-hdr-names delete
  option forwardfor
  # Only a connection that was refused is tried again: nothing was sent on it.
  option redispatch 1
  retries 2
  retry-on conn-failure
  http-reuse safe
  # A peer that vanished without a word is found out, also on an idle websocket.
  option clitcpka
  clitcpka-idle 60s
  clitcpka-intvl 20s
  clitcpka-cnt 3
  option srvtcpka
  srvtcpka-idle 60s
  srvtcpka-intvl 20s
  srvtcpka-cnt 3
  timeout connect 2s
  timeout client {setup.client_timeout}
  timeout client-fin 30s
  timeout server 1h
  timeout server-fin 30s
  timeout tunnel 24h
  timeout http-request 15s
  timeout http-keep-alive 120s
  timeout queue {setup.queue_timeout}
  {_error("gone")}
  {_error("unavailable")}
  {_error("timeout")}
"""


def _frontend(setup: Setup) -> str:
    binds = "\n".join(f"  {_bind(address, setup.port)}" for address in setup.binds)
    return f"""\
frontend people from base
{binds}

  # Who asks, and for which host, is for the ingress to say.
  http-request del-header x-forwarded- -m beg
  http-request del-header x-alight- -m beg
  http-request del-header x-ingress- -m beg
  http-request del-header x-auth- -m beg
  http-request del-header remote- -m beg
  http-request del-header '^({_FORWARDING})$' -m reg
  http-request set-header X-Forwarded-Proto {setup.scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)

  # What the ingress says itself: a page for browsers, JSON for others, kept by none.
  acl html var(txn.kind) -m str html
  acl served var(txn.served) -m bool
  http-request set-var(txn.kind) str(json)
  http-request set-var(txn.kind) str(html) if {{ req.fhdr(accept) -m sub text/html }}
  http-response set-var(txn.served) bool(true)
  {_OWN} Content-Type "text/html; charset=utf-8" if !served html
  {_OWN} Content-Security-Policy "{content_security_policy()}" if !served html
  {_OWN} X-Content-Type-Options nosniff if !served
  {_OWN} Cache-Control no-store if !served

  # http-request rules all run before any use_backend: the console leaves them here.
  acl console var(txn.host) -m str {" ".join(setup.console_hosts)}
  http-request allow if console

  http-request set-var(txn.name) var(txn.host),map(hosts.map)
  http-request set-var(txn.slot) var(txn.name),map(slots.map)
  {_say("unknown")} unless {{ var(txn.slot) -m found }}

  # The digest of the whole header, then who may be called with it.
  acl public var(txn.name),map(public.map) -m found
  acl one_token req.fhdr_cnt(authorization) eq 1
  http-request set-var(txn.until) {_DIGEST},concat(/,txn.name),map_str_int(grants.map,0)
  acl may_call date,sub(txn.until) lt 0
  acl token_passed var(txn.token) -m bool
  http-request set-var(txn.token) bool(true) if one_token may_call
  {_say("private")} unless public or token_passed

  http-request track-sc0 var(txn.name) table traffic
  {_say("busy")} if {{ sc0_conn_cur gt {setup.per_endpoint} }}

  # Neither a token of this console nor its cookies are any replica's business.
  acl our_token req.fhdr(authorization) -m reg -i '^bearer[[:space:]]+alt_'
  http-request del-header authorization if token_passed or our_token
{_cookie_rules(setup.cookies)}

  acl nobody_ready var(txn.slot),nbsrv eq 0
  acl starting var(txn.state) -m str starting
  http-request set-var(txn.state) var(txn.name),map(states.map,starting) if nobody_ready
  {_say("starting")} if starting
  {_say_state()} if {{ var(txn.state) -m found }}

  # Not asked here: keeps who has which place for those who look it up.
  acl upstreams var(txn.slot),map(upstreams.map) -m found

  use_backend console if console
  use_backend %[var(txn.slot)]
"""


def _fixed(setup: Setup) -> str:
    return f"""\
# Requests open now (those in line included) and since the first, by endpoint.
backend traffic from base
  stick-table type string len 64 size {_entries(setup)} expire 24h \
store conn_cur,http_req_cnt

backend console from base
  # A connection each: no form is posted on one that the web process is just closing.
  option http-server-close
  retries 0
  {_error("console", 502)}
  {_error("console", 503)}
  server web "unix@{setup.web_socket}"

defaults slots from base
  balance leastconn
  # An unused connection to a replica is closed here within a second, so that no request
  # is sent on one that the app is just closing (uvicorn does after 5 s).
  default-server pool-purge-delay 200ms
"""


def _bind(address: str, port: int) -> str:
    return (
        f"bind [{address}]:{port} v6only"
        if ":" in address
        else f"bind {address}:{port}"
    )


def _entries(setup: Setup) -> int:
    """Room for deleted endpoints beside those there are."""
    return max(1024, 2 * setup.slots)


def _body(code: str) -> str:
    """The log-format text that joins an answer's two halves round the name."""
    head, tail = (
        f"%[{code},concat(.,txn.kind,.{half}),map(answers.map)]"
        for half in ("head", "tail")
    )
    return f"{head}%[var(txn.name)]{tail}"


def _reply(status: int, code: str, headers: Mapping[str, str]) -> str:
    extra = "".join(f" hdr {name} {value}" for name, value in headers.items())
    return (
        f"status {status} content-type application/json{extra} lf-string {_body(code)}"
    )


def _headers(code: str) -> dict[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if code == "private" else {}
    if _ANSWERS[code].retry_after:
        headers["Retry-After"] = str(_ANSWERS[code].retry_after)
    return headers


def _say(code: str) -> str:
    answer = _reply(_ANSWERS[code].status, f"str({code})", _headers(code))
    return f"http-request return {answer}"


def _say_state() -> str:
    """The answers of all states but "starting" differ in their text only."""
    return f"http-request return {_reply(503, 'var(txn.state)', {})}"


def _error(code: str, status: int = 0) -> str:
    """What is said when HAProxy itself gives up on a request."""
    wanted = status or _ANSWERS[code].status
    return f"http-error {_reply(wanted, f'str({code})', _headers(code))}"


def _cookie_rules(cookies: Sequence[str]) -> str:
    """Take these cookies out of every Cookie header, however often they come.

    One rule takes one cookie out of a header. What is left after several rounds was
    made to be left, and goes with the whole header.
    """
    names = "|".join(re.escape(name) for name in cookies)
    rule = "  http-request replace-header cookie"
    one = f"'^(.*?)(?:^|;)\\s*(?:{names})=[^;]*(.*)$' '\\1\\2'"
    return "\n".join(
        (
            f"  acl our_cookie req.fhdr(cookie) -m reg '(^|;)\\s*({names})='",
            "  acl cookie_cut var(txn.cookie_cut) -m bool",
            "  http-request set-var(txn.cookie_cut) bool(true) if our_cookie",
            *[f"{rule} {one} if our_cookie"] * 4,
            "  http-request del-header cookie if our_cookie",
            f"{rule} '^\\s*;\\s*(.*)$' '\\1' if cookie_cut",
            "  acl one_cookie_header req.fhdr_cnt(cookie) eq 1",
            "  acl empty_cookie req.fhdr(cookie) -m len 0",
            "  http-request del-header cookie"
            " if cookie_cut one_cookie_header empty_cookie",
        )
    )
