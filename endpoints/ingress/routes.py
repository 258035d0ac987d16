"""From wanted and actual to the commands that make them alike. Pure.

What HAProxy holds is told in maps, which only these commands change:

hosts.map      host → endpoint name
ways.map       name → all that a request to a ready replica needs: see Way
states.map     name → what holds while no replica answers
reasons.map    name+kind → why it failed, as that kind of answer spells it, in base64
holds.map      name → seconds a request waits for a replica
grants.map     digest/name → Unix time until which whoever shows it may call
upstreams.map  slot/server → key of the upstream that has this place
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address as _ip
from typing import NamedTuple, Self

from endpoints.ingress.answers import STATES, reasons
from endpoints.ingress.base import Grant, IngressFull, Route, Upstream, seal

HOSTS, WAYS, STATES_MAP = "hosts.map", "ways.map", "states.map"
GRANTS, UPSTREAMS = "grants.map", "upstreams.map"
REASONS, HOLDS = "reasons.map", "holds.map"
# Those with one row for each endpoint, by its name.
_BY_NAME = (STATES_MAP, HOLDS)
MAPS = (HOSTS, WAYS, STATES_MAP, GRANTS, UPSTREAMS, REASONS, HOLDS)

Tables = dict[str, dict[str, str]]

# Said in place of 0, with which HAProxy would let those who wait in line wait on.
NO_LIMIT = 1_000_000

# Requests one endpoint may have open where its route sets no limit.
_MOST_OPEN = 2000
# Characters of a reason: the runtime socket takes commands of a limited length.
_LONGEST_REASON = 300

# What a way says of an endpoint's grants when one came since they were written.
UNSURE = "-"

# Nothing else may reach the runtime socket, where a space or a semicolon has meaning.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@=+-]*")


class Way(NamedTuple):
    """A row of ways.map: one lookup for all that every request asks, "a/b/c/d/e".

    slot: the backend that was given to this endpoint. limit: requests it may have open
    at once. access: "public" or "private". grants: `seal` of its rows in grants.map,
    or UNSURE. Whatever is revoked changes the row, which HAProxy notices.
    """

    name: str
    slot: str
    limit: str
    access: str
    grants: str

    @classmethod
    def read(cls, row: str) -> Self:
        return cls(*row.split("/"))

    def __str__(self) -> str:
        return "/".join(self)


def access(*, public: bool) -> str:
    return "public" if public else "private"


def slots_of(ways: Mapping[str, str]) -> dict[str, str]:
    """Which endpoint has which slot, by name. ways: rows of ways.map."""
    return {name: Way.read(row).slot for name, row in ways.items()}


@dataclass(frozen=True)
class Place:
    """One server of a slot: who has it, and how HAProxy treats it.

    key: the upstream that was put there last, "" for none. limit: requests at a time,
    0 for any number. open: requests and sockets still open on it.
    """

    name: str
    key: str = ""
    address: str = "127.0.0.1"
    port: int = 1
    limit: int = 0
    ready: bool = False
    open: int = 0


def is_word(text: str) -> bool:
    """Whether it may be sent to the runtime socket as it is."""
    return _WORD.fullmatch(text) is not None


def empty_tables() -> Tables:
    return {name: {} for name in MAPS}


def slot_name(index: int) -> str:
    return f"e{index:04d}"


def free_slot(taken: Container[str], slots: int) -> str:
    """The first slot nobody has."""
    for index in range(slots):
        if slot_name(index) not in taken:
            return slot_name(index)
    msg = (
        f"All {slots} places for endpoints are taken in the ingress. Raise"
        " ALIGHT_INGRESS_SLOTS and start the ingress again."
    )
    raise IngressFull(msg)


class Draft:
    """Commands in the order they must be run, and the tables as they will be then.

    slots: which endpoint has which, by name.

    Each step leaves the ingress in a state that is safe to stop at: who may no longer
    pass is shut out first, and a host leads somewhere only when all else is in place.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables: Tables = {name: dict(rows) for name, rows in tables.items()}
        self.commands: list[str] = []
        self.touched: set[str] = set()
        # Slots whose places changed.
        self.places: dict[str, list[Place]] = {}
        # How it was, by name and by slot, so that a thousand routes stay quick.
        self._hosts = _grouped((n, host) for host, n in tables[HOSTS].items())
        self._grants = _grouped((t.partition("/")[2], t) for t in tables[GRANTS])
        self.slots = slots_of(tables[WAYS])
        self._claims = Counter(self.slots.values())

    def lead(self, route: Route, slot: str, places: Sequence[Place]) -> None:
        """Make route.host lead exactly there, through this slot."""
        check(route)
        self._shut(route)
        self._arrange(slot, places, route)
        self._open(route, slot)

    def describe(self, route: Route, slot: str) -> None:
        """The same without its replicas, which somebody else will add."""
        check(route)
        self._shut(route)
        self._open(route, slot)

    def slot_for(self, name: str, slots: int) -> str:
        """The slot this endpoint has, else a free one, its own from now on.

        Raises IngressFull.
        """
        mine = self.slots.get(name)
        if mine is not None:
            if self._claims[mine] == 1 and int(mine[1:]) < slots:
                return mine
            self._claims[mine] -= 1
        slot = free_slot(+self._claims, slots)
        self._claims[slot] += 1
        return slot

    def forget_strays(self, listed: Mapping[str, Route]) -> None:
        """Rows of endpoints that are not listed, whatever left them behind."""
        for host, name in list(self.tables[HOSTS].items()):
            if name not in listed:
                self._drop(HOSTS, host)
        for table in _BY_NAME:
            for name in self.tables[table].keys() - listed.keys():
                self._drop(table, name)
        for key in list(self.tables[REASONS]):
            if key.partition(".")[0] not in listed:
                self._drop(REASONS, key)
        for key in list(self.tables[GRANTS]):
            if key.partition("/")[2] not in listed:
                self._drop(GRANTS, key)

    def forget(self, name: str, places: Sequence[Place] = ()) -> None:
        """Take the endpoint out of every map and its replicas out of use.

        Requests still open go on; their replicas' end is theirs.
        """
        for host in sorted(self._hosts[name]):
            self._drop(HOSTS, host)
        self._drop(WAYS, name)
        for key in sorted(self._grants[name]):
            self._drop(GRANTS, key)
        slot = self.slots.pop(name, None)
        if slot is not None:
            after = [self._retire(slot, place) for place in places]
            self._note(slot, places, after)
            self._claims[slot] -= 1
        self._explain(name, "")
        for table in _BY_NAME:
            self._drop(table, name)

    def admit(self, name: str, grant: Grant) -> None:
        """One more may call an endpoint that is led somewhere."""
        key, until = f"{grant.digest}/{name}", str(grant.until)
        known = self.tables[GRANTS].get(key) == until
        if not known and self._change(name, grants=UNSURE):
            self._put(GRANTS, key, until)

    def publish(self, name: str, *, public: bool) -> None:
        """Everybody may call it, or only those with a grant."""
        self._change(name, access=access(public=public))

    def expel(self, digests: Collection[str], but_at: Collection[str] = ()) -> None:
        """These may call nothing any more, but endpoints of these names."""
        out: set[str] = set()
        for key in list(self.tables[GRANTS]):
            digest, _, name = key.partition("/")
            if digest in digests and name not in but_at:
                self._drop(GRANTS, key)
                out.add(name)
        for name in sorted(out):
            self._change(name, grants=seal(self._granted(name)))

    # -- places of one slot -------------------------------------------------------

    def _arrange(self, slot: str, places: Sequence[Place], route: Route) -> None:
        """Newcomers in first, leavers out after, so that somebody always answers."""
        now = {place.name: place for place in places}
        wanted = {upstream.key: upstream for upstream in route.upstreams}
        if len(wanted) > len(now):
            msg = (
                f"“{route.name}” has {len(wanted)} replicas, and the ingress takes"
                f" {len(now)} each. Raise ALIGHT_INGRESS_SERVERS and start the ingress"
                " again."
            )
            raise IngressFull(msg)
        staying: dict[str, str] = {}
        for place in places:
            upstream = wanted.get(place.key)
            if upstream and place.key not in staying and _is_at(place, upstream):
                staying[place.key] = place.name
                now[place.name] = self._use(slot, place, upstream, route.concurrency)
        for key, upstream in wanted.items():
            if key not in staying:
                free = _best_place([now[n] for n in now if n not in staying.values()])
                staying[key] = free.name
                empty = self._empty(slot, free)
                now[free.name] = self._use(slot, empty, upstream, route.concurrency)
        for name, place in now.items():
            if name not in staying.values():
                now[name] = self._retire(slot, place)
        self._note(slot, places, list(now.values()))

    def _note(self, slot: str, before: Sequence[Place], after: list[Place]) -> None:
        if after != list(before):
            self.places[slot] = after

    def _use(self, slot: str, place: Place, to: Upstream, limit: int) -> Place:
        server = f"{slot}/{place.name}"
        if not _is_at(place, to):
            self._run(f"set server {server} addr {to.address} port {to.port}")
        if place.limit != limit:
            self._run(f"set maxconn server {server} {limit or NO_LIMIT}")
        self._put(UPSTREAMS, server, to.key)
        if not place.ready:
            self._run(f"set server {server} state ready")
        return Place(
            place.name, to.key, to.address, to.port, limit, ready=True, open=place.open
        )

    def _retire(self, slot: str, place: Place) -> Place:
        """No new requests; those that are open go on, websockets too."""
        if not place.ready:
            return place
        self._run(f"set server {slot}/{place.name} state maint")
        return replace(place, ready=False)

    def _empty(self, slot: str, place: Place) -> Place:
        """End what a leaver still has open: its place is needed, there is no other."""
        retired = self._retire(slot, place)
        if place.open:
            self._run(f"shutdown sessions server {slot}/{place.name}")
        return replace(retired, open=0)

    # -- maps ---------------------------------------------------------------------

    def _shut(self, route: Route) -> None:
        """Who may no longer call is out, and what is said meanwhile is known."""
        if not route.public:
            self._change(route.name, access=access(public=False))
        wanted = rows_of(route)
        for key in sorted(self._grants[route.name] - wanted.keys()):
            self._drop(GRANTS, key)
        for key, until in sorted(wanted.items()):
            self._put(GRANTS, key, until)
        self._change(route.name, grants=route.seal)
        state = route.state if route.state in STATES else "starting"
        self._explain(route.name, route.reason if state == "failed" else "")
        self._put(STATES_MAP, route.name, state)
        self._put(HOLDS, route.name, str(route.hold))

    def _explain(self, name: str, reason: str) -> None:
        """Why it failed; "" for nothing to say."""
        for kind, spelled in reasons(reason[:_LONGEST_REASON]).items():
            if reason:
                self._put(REASONS, f"{name}{kind}", spelled)
            else:
                self._drop(REASONS, f"{name}{kind}")

    def _open(self, route: Route, slot: str) -> None:
        way = Way(
            name=route.name,
            slot=slot,
            limit=str(route.most_open or _MOST_OPEN),
            access=access(public=route.public),
            grants=route.seal,
        )
        self._put(WAYS, route.name, str(way))
        self.slots[route.name] = slot
        for host in sorted(self._hosts[route.name] - {route.host}):
            self._drop(HOSTS, host)
        self._put(HOSTS, route.host, route.name)

    def _change(self, name: str, **fields: str) -> bool:
        """Change the way there; False where none is known."""
        row = self.tables[WAYS].get(name)
        if row is None:
            return False
        self._put(WAYS, name, str(Way.read(row)._replace(**fields)))
        return True

    def _granted(self, name: str) -> Iterable[Grant]:
        """The grants that are left to this endpoint."""
        rows = self.tables[GRANTS]
        left = (key for key in self._grants[name] if key in rows)
        return (Grant(key.partition("/")[0], int(rows[key])) for key in left)

    def _put(self, table: str, key: str, value: str) -> None:
        rows = self.tables[table]
        if rows.get(key) == value:
            return
        verb = "set" if key in rows else "add"
        rows[key] = value
        self._run(f"{verb} map {table} {key} {value}", table)

    def _drop(self, table: str, key: str) -> None:
        if self.tables[table].pop(key, None) is not None:
            self._run(f"del map {table} {key}", table)

    def _run(self, command: str, table: str = "") -> None:
        self.commands.append(command)
        if table:
            self.touched.add(table)


def rows_of(route: Route) -> dict[str, str]:
    """Its rows in grants.map."""
    return {f"{one.digest}/{route.name}": str(one.until) for one in route.grants}


def check(route: Route) -> None:
    """Refuse what must never reach the runtime socket. Raises ValueError."""
    words = [route.name, route.host, *(u.key for u in route.upstreams)]
    words += [grant.digest for grant in route.grants]
    for word in words:
        if not is_word(word):
            msg = f"The ingress cannot take {word!r}."
            raise ValueError(msg)
    for upstream in route.upstreams:
        _ip(upstream.address)
        if not 0 < upstream.port < 65536:
            msg = f"{upstream.port} is not a port."
            raise ValueError(msg)
    if route.concurrency < 0 or route.most_open < 0 or route.hold < 0:
        msg = f"{route.name}: fewer than no requests or seconds are not possible."
        raise ValueError(msg)


def _is_at(place: Place, upstream: Upstream) -> bool:
    if place.port != upstream.port:
        return False
    same = place.address == upstream.address
    # An IPv6 address has more than one spelling.
    return same or _ip(place.address) == _ip(upstream.address)


def _grouped(pairs: Iterable[tuple[str, str]]) -> defaultdict[str, set[str]]:
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for key, value in pairs:
        groups[key].add(value)
    return groups


def _best_place(places: Sequence[Place]) -> Place:
    """Where the least is lost: an unused place, else the leaver with least open."""
    return min(places, key=lambda place: (place.open, place.ready, place.name))
