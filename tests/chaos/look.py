"""Reads one moment of a real installation: its database, engine and ingress.

Each of them is read in one go, but not all at the same instant: only what one of them
says alone may be judged while things move.
"""

import json
import time
from datetime import UTC, datetime

from docker.errors import DockerException
from requests import RequestException

from endpoints.ingress.base import IngressUnreachable
from endpoints.ingress.routes import UPSTREAMS, WAYS, slots_of
from endpoints.ingress.runtime import Runtime, map_rows, slot_places
from launcher.replicas import installation
from replicas.engine import names
from tests.chaos.world import Container, Endpoint, Event, Gpu, Replica, World
from tests.rows import reading

_ENDPOINTS = """
    select e.id, e.name, e.paused, e.deleting, e.min_replicas, e.max_replicas,
      e.target_count, coalesce(e.minimum_now, e.min_replicas), e.ready_count,
      e.revision, e.observed_revision, e.phase, e.spec
    from endpoints_endpoint e"""
_REPLICAS = """
    select r.id, e.name, r.number, r.attempt, v.number, r.state, r.since, r.retry_at,
      r.failures, r.retire, t.gpus, r.trouble, r.container_id, r.address
    from replicas_replica r join endpoints_endpoint e on e.id = r.endpoint_id
    join endpoints_revision v on v.id = r.revision_id
    join templates_app_tier t on t.slug = v.tier_id"""
_EVENTS = """
    select v.id, e.name, v.replica_id, v.attempt, v.reason from endpoints_event v
    join endpoints_endpoint e on e.id = v.endpoint_id
    where v.replica_id is not null order by v.id"""
# The container that stands beside ours from the beginning.
ROLE = "alight.chaos"


class Looker:
    """Looks at one installation again and again. Not for two threads at once."""

    def __init__(self, console, client):
        self._console, self._client = console, client
        self._given = {}

    def look(self) -> World:
        """Raises one of tests.rows.CannotRead."""
        rows = _rows(self._console)
        containers, strangers = self._containers()
        return World(
            now=time.time(),
            **rows,
            containers=containers,
            strangers=strangers,
            routes=_routes(self._console),
        )

    def containers(self):
        """Ours; None while the engine does not answer."""
        return self._containers()[0]

    def strangers(self):
        """{name: "id state"}; None while the engine does not answer."""
        return self._containers()[1]

    def _containers(self):
        """Ours, and the strangers by name with their id; (None, None) of no engine."""
        ours, strangers, our_name = [], {}, installation(self._console.config)
        try:
            for one in self._client.containers(all=True):
                labels, name = one["Labels"] or {}, one["Names"][0].lstrip("/")
                if ROLE in labels:
                    strangers[name] = f"{one['Id']} {one['State']}"
                elif labels.get(names.INSTALLATION) == our_name and (
                    names.REPLICA in labels
                ):
                    ours.append(self._container(one, name, labels))
        except (DockerException, RequestException):
            return None, None
        return tuple(ours), strangers

    def _container(self, one, name, labels):
        whole_id = one["Id"]
        if whole_id not in self._given:
            host = self._client.inspect_container(whole_id)["HostConfig"]
            asked = host["DeviceRequests"] or []
            self._given[whole_id] = tuple(
                uuid for request in asked for uuid in request["DeviceIDs"] or ()
            )
        owner = (int(labels[names.REPLICA]), int(labels[names.ATTEMPT]))
        endpoint = labels[names.ENDPOINT]
        gpus = self._given[whole_id]
        return Container(whole_id, name, one["State"], endpoint, owner, gpus)


def _rows(console):
    with reading(console) as ask:
        return {
            "endpoints": tuple(map(_endpoint, ask(_ENDPOINTS))),
            "replicas": tuple(map(_replica, ask(_REPLICAS))),
            "gpus": tuple(
                Gpu(uuid, bool(present), replica)
                for uuid, present, replica in ask(
                    "select uuid, present, replica_id from replicas_gpu"
                )
            ),
            "events": tuple(Event(*row) for row in ask(_EVENTS)),
        }


def _endpoint(row):
    pk, name, paused, deleting, low, high, target, minimum, *rest = row
    ready_count, revision, observed, phase, spec = rest
    wanted = 0 if paused or deleting else min(max(target, minimum), high)
    env = {one["name"]: one["value"] for one in _json(spec).get("env", ())}
    return Endpoint(
        pk, name, wanted, bool(paused), bool(deleting), low, high,
        ready_count, revision, observed, phase, env,
    )  # fmt: skip


def _replica(row):
    pk, endpoint, number, attempt, revision, state, since, retry_at, *rest = row
    failures, retire, gpus, trouble, container, address = rest
    return Replica(
        pk, endpoint, number, attempt, revision, state, _epoch(since),
        None if retry_at is None else _epoch(retry_at), failures, bool(retire), gpus,
        trouble, container, address,
    )  # fmt: skip


def _json(kept):
    """SQLite keeps it as text."""
    return json.loads(kept) if isinstance(kept, str) else kept


def _epoch(at):
    """SQLite keeps times as text, in UTC."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return at.timestamp()


def _routes(console):
    try:
        with Runtime(console.config.env["ALIGHT_INGRESS_SOCKET"]) as haproxy:
            told = haproxy.ask([f"show map {WAYS}", f"show map {UPSTREAMS}"])
            ways, keys = map(map_rows, told)
            slots = slots_of(ways)
            stats = haproxy.ask([f"show stat {slot} 4 -1" for slot in slots.values()])
    except IngressUnreachable:
        return None
    return {
        name: frozenset(place.key for place in slot_places(answer, keys) if place.ready)
        for name, answer in zip(slots, stats, strict=True)
    }
