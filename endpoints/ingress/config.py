"""The text of haproxy.cfg. Pure.

docs/ingress.md explains it rule by rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from endpoints.ingress import counting, frontend, identity, own_pages, slots
from endpoints.ingress.replies import on_error
from endpoints.ingress.routes import Place, slot_name
from endpoints.ingress.setup import Setup

_HOLD = Path(__file__).with_name("hold.lua")


def render(setup: Setup, places: Mapping[str, Sequence[Place]] | None = None) -> str:
    """The whole file. places says who has which server, by slot; others are free."""
    taken = places or {}
    sections = (
        slot_section(slot, setup.servers, taken.get(slot, ()))
        for slot in map(slot_name, range(setup.slots))
    )
    return "\n".join((_head(setup), frontend.render(setup), _fixed(setup), *sections))


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
  setenv ALIGHT_HOLD_WORKER "{setup.worker_socket}"
  setenv ALIGHT_HOLD_SECONDS {setup.hold_seconds}
  lua-load-per-thread "{_HOLD}"
  tune.lua.session-timeout 60s
  tune.bufsize 32768
  tune.http.maxhdr 200
  # Our patterns are short: to match them is quicker than to look them up.
  tune.pattern.cache-size 0

defaults base
  mode http
  option http-keep-alive
  option abortonclose
  option http-restrict-req-hdr-names delete
  # Only a connection that was refused is tried again: nothing was sent on it.
  option redispatch 1
  retries 4
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
  {on_error("gone")}
  {on_error("unavailable")}
  {on_error("timeout")}
"""


def _fixed(setup: Setup) -> str:
    return f"""\
# Requests open now (those in line and those held included) and since the first; answers
# by how long they took and by status: counting.py says which counter is what.
backend traffic from base
  stick-table type string len 64 size {_entries(setup)} expire 24h \
store conn_cur,http_req_cnt,{counting.STORED}

# Requests by the digest of what their sender showed.
backend callers from base
  stick-table type string len 64 size {_entries(setup) * 4} expire 24h \
store http_req_cnt

backend {frontend.CONSOLE} from base
{identity.rules(setup)}
{own_pages.to_the_console(setup)}
{own_pages.render(setup)}
{frontend.shut_out(setup)}
{slots.render(setup)}"""


def _entries(setup: Setup) -> int:
    """Room for deleted endpoints beside those there are."""
    return max(1024, 2 * setup.slots)
