"""The real ingress: HAProxy, told what to do through its runtime socket.

Everything it knows it keeps itself, in maps and in the servers of its slots; nothing is
remembered here, so any thread of any process may speak to it. A lock on a file lets one
change happen at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from endpoints.ingress import files
from endpoints.ingress.answers import KINDS
from endpoints.ingress.base import (
    Answers,
    Grant,
    IngressFull,
    Route,
    RouteNow,
    Routes,
    Still,
    Traffic,
    always,
    no_route,
    stray_route,
    wrong_route,
)
from endpoints.ingress.counting import answers_rows
from endpoints.ingress.routes import (
    GRANTS,
    HOLDS,
    HOSTS,
    MAPS,
    REASONS,
    STATES_MAP,
    UPSTREAMS,
    WAYS,
    Draft,
    Place,
    Tables,
    Way,
    check,
    empty_tables,
    free_slot,
    is_word,
    rows_of,
    slots_of,
)
from endpoints.ingress.runtime import (
    Runtime,
    caller_rows,
    map_rows,
    map_value,
    slot_places,
    slot_sessions,
    traffic_rows,
)
from endpoints.ingress.setup import Setup, setup_from_settings


class HAProxyIngress:
    """Implements Ingress. Raises IngressFull when slots or servers run out."""

    def __init__(self, setup: Setup | None = None) -> None:
        self._setup = setup or setup_from_settings()

    def apply(self, route: RouteNow) -> None:
        with files.locked(self._setup.folder), self._runtime() as hap:
            self._lead(hap, route, newly=False)

    def introduce(self, route: RouteNow) -> None:
        with files.locked(self._setup.folder), self._runtime() as hap:
            self._lead(hap, route, newly=True)

    def forget(self, name: str) -> None:
        if not is_word(name):
            return
        with files.locked(self._setup.folder), self._runtime() as hap:
            tables = self._tables(hap)
            slot = slots_of(tables[WAYS]).get(name)
            places, _ = self._places(hap, [slot] if slot else [])
            draft = Draft(tables)
            draft.forget(name, places[slot] if slot else ())
            self._carry_out(hap, draft)
            if slot:
                # Kept while a request is still open; it leaves the table by itself.
                hap.ask([f"clear table traffic key {name}"])

    def sync(self, routes: Routes) -> None:
        with files.locked(self._setup.folder), self._runtime() as hap:
            draft, places, full, _ = self._overall(hap, routes)
            hap.order(draft.commands)
            files.write_state(self._setup, draft.tables, places | draft.places)
            files.vouch(self._setup)
        if full:
            raise full

    def differences(self, routes: Routes) -> list[str]:
        with files.locked(self._setup.folder), self._runtime() as hap:
            *_, full, told = self._overall(hap, routes)
        return [*told, *([str(full)] if full else [])]

    def _overall(
        self, hap: Runtime, routes: Routes
    ) -> tuple[Draft, dict[str, list[Place]], IngressFull | None, list[str]]:
        """What makes the whole ingress match: commands, the places as they are, what
        there is no room for, and a sentence for each endpoint that differs."""
        wanted = routes() if callable(routes) else routes
        draft = Draft(self._tables(hap))
        known = dict(draft.slots)
        listed = {route.name: route for route in wanted}
        places, _ = self._places(hap, sorted(set(known.values())))
        told = [stray_route(name) for name in sorted(known.keys() - listed.keys())]
        for name in known.keys() - listed.keys():
            draft.forget(name, places[known[name]])
        draft.forget_strays(listed)
        full: IngressFull | None = None
        for route in wanted:
            before = len(draft.commands)
            try:
                slot = draft.slot_for(route.name, self._setup.slots)
                if slot not in places:
                    more, _ = self._places(hap, [slot])
                    places |= more
                draft.lead(route, slot, draft.places.get(slot, places[slot]))
            except IngressFull as error:
                full = error
            if len(draft.commands) > before:
                told.append(
                    (wrong_route if route.name in known else no_route)(route.name)
                )
        return draft, places, full, told

    def open_requests(self, name: str, key: str) -> int:
        # By key alone: what a forgotten endpoint still has open is known this way too.
        with self._runtime() as hap:
            keys = map_rows(hap.ask([f"show map {UPSTREAMS}"])[0])
            slots = {place.partition("/")[0] for place, k in keys.items() if k == key}
            places, _ = self._places(hap, slots)
        found = (place for slot in places.values() for place in slot)
        return sum(place.open for place in found if place.key == key)

    def admit(self, name: str, grant: Grant, still: Still = always) -> None:
        if not (is_word(name) and is_word(grant.digest)):
            msg = f"The ingress cannot take {name!r}."
            raise ValueError(msg)
        with files.locked(self._setup.folder), self._runtime() as hap:
            row = f"{grant.digest}/{name}"
            draft = Draft(self._rows(hap, [(WAYS, name), (GRANTS, row)]))
            if still():
                draft.admit(name, grant)
            self._carry_out(hap, draft)

    def publish(self, name: str, *, public: bool, still: Still = always) -> None:
        if not is_word(name):
            return
        with files.locked(self._setup.folder), self._runtime() as hap:
            draft = Draft(self._rows(hap, [(WAYS, name)]))
            if still():
                draft.publish(name, public=public)
            self._carry_out(hap, draft)

    def expel(self, digests: Collection[str], *, but_at: Collection[str] = ()) -> None:
        with files.locked(self._setup.folder), self._runtime() as hap:
            told = map(map_rows, hap.ask([f"show map {t}" for t in (WAYS, GRANTS)]))
            draft = Draft(empty_tables() | dict(zip((WAYS, GRANTS), told, strict=True)))
            draft.expel(digests, but_at)
            self._carry_out(hap, draft)

    def traffic(self) -> dict[str, Traffic]:
        with self._runtime() as hap:
            names, table = hap.ask([f"show map {WAYS}", "show table traffic"])
        seen = dict(traffic_rows(table))
        return {name: seen.get(name, Traffic(0, 0)) for name in map_rows(names)}

    def waiting(self) -> dict[str, int]:
        with self._runtime() as hap:
            names, table, stats = hap.ask(
                [f"show map {WAYS}", "show table traffic", "show stat -1 2 -1"]
            )
        at_replicas = slot_sessions(stats)
        open_now = {name: seen.in_flight for name, seen in traffic_rows(table)}
        found = {
            name: open_now.get(name, 0) - at_replicas.get(slot, 0)
            for name, slot in slots_of(map_rows(names)).items()
        }
        return {name: number for name, number in found.items() if number > 0}

    def answers(self) -> dict[str, Answers]:
        with self._runtime() as hap:
            return dict(answers_rows(hap.ask(["show table traffic"])[0]))

    def callers(self) -> dict[str, int]:
        with self._runtime() as hap:
            return dict(caller_rows(hap.ask(["show table callers"])[0]))

    # -- looking ------------------------------------------------------------------

    def _runtime(self) -> Runtime:
        return Runtime(self._setup.socket)

    def _tables(self, hap: Runtime) -> Tables:
        answers = hap.ask([f"show map {table}" for table in MAPS])
        return {
            table: map_rows(answer) for table, answer in zip(MAPS, answers, strict=True)
        }

    def _tables_of(self, hap: Runtime, route: Route) -> Tables:
        """The rows that concern one route: asking for a row beats a thousand rows."""
        by_name = (WAYS, STATES_MAP, HOLDS)
        wanted = [(HOSTS, route.host), *((table, route.name) for table in by_name)]
        wanted += [(REASONS, f"{route.name}{kind}") for kind in KINDS]
        tables = self._rows(hap, wanted)
        row = tables[WAYS].get(route.name)
        if row and Way.read(row).grants == route.seal:
            # As they should be. Looking them up would be most of this change's time.
            tables[GRANTS] = rows_of(route)
        else:
            grants = hap.ask([f"show map {GRANTS}"])[0]
            tables[GRANTS] = map_rows(grants, having=f"/{route.name} ")
        return tables

    def _rows(self, hap: Runtime, wanted: Sequence[tuple[str, str]]) -> Tables:
        """These rows of these tables, as far as they are there."""
        tables = empty_tables()
        answers = hap.ask([f"get map {table} {key}" for table, key in wanted])
        for (table, key), answer in zip(wanted, answers, strict=True):
            value = map_value(answer)
            if value is not None:
                tables[table][key] = value
        return tables

    def _places(
        self, hap: Runtime, slots: Iterable[str]
    ) -> tuple[dict[str, list[Place]], dict[str, str]]:
        """The servers of these slots, and what upstreams.map says of them."""
        names = list(slots)
        if len(names) == 1:
            # A handful of rows, rather than those of all endpoints.
            (slot,) = names
            places = [f"{slot}/s{n}" for n in range(1, self._setup.servers + 1)]
            keys = self._rows(hap, [(UPSTREAMS, place) for place in places])[UPSTREAMS]
        else:
            keys = map_rows(hap.ask([f"show map {UPSTREAMS}"])[0])
        answers = hap.ask([f"show stat {slot} 4 -1" for slot in names])
        found = zip(names, answers, strict=True)
        return {slot: slot_places(answer, keys) for slot, answer in found}, keys

    # -- acting -------------------------------------------------------------------

    def _lead(self, hap: Runtime, route: RouteNow, *, newly: bool) -> None:
        """newly: only if it has no slot yet."""
        wanted = route() if callable(route) else route
        check(wanted)
        tables = self._tables_of(hap, wanted)
        slot = slots_of(tables[WAYS]).get(wanted.name)
        if slot is not None and newly:
            return
        if slot is None:
            taken = slots_of(map_rows(hap.ask([f"show map {WAYS}"])[0]))
            slot = free_slot(set(taken.values()), self._setup.slots)
        places, tables[UPSTREAMS] = self._places(hap, [slot])
        draft = Draft(tables)
        draft.lead(wanted, slot, places[slot])
        self._carry_out(hap, draft)

    def _carry_out(self, hap: Runtime, draft: Draft) -> None:
        """Run the commands; then write down what HAProxy now holds."""
        hap.order(draft.commands)
        tables = sorted(draft.touched)
        answers = hap.ask([f"show map {table}" for table in tables])
        for table, answer in zip(tables, answers, strict=True):
            files.write_map(self._setup.folder, table, map_rows(answer))
        if draft.places:
            files.write_slots(self._setup, draft.places)
