"""What the checks judge: rows, containers and routes of one moment, as plain data."""

from dataclasses import dataclass, field

# An installation beside ours, and what of ours nobody may take for a replica.
STRANGER = "stranger"


@dataclass(frozen=True)
class Endpoint:
    """wanted: how many replicas there should be now."""

    id: int
    name: str
    wanted: int
    paused: bool
    deleting: bool
    low: int
    high: int
    ready_count: int
    revision: int
    observed_revision: int
    phase: str
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Replica:
    """since, retry_at: seconds since the epoch."""

    id: int
    endpoint: str
    number: int
    attempt: int
    revision: int
    state: str
    since: float
    retry_at: float | None
    failures: int
    retire: bool
    gpus_needed: int
    trouble: str = ""
    container_id: str = ""
    address: str = ""

    @property
    def key(self) -> str:
        """As the ingress calls it."""
        return f"{self.id}.{self.attempt}"


@dataclass(frozen=True)
class Gpu:
    uuid: str
    present: bool
    replica: int | None


@dataclass(frozen=True)
class Event:
    id: int
    endpoint: str
    replica: int | None
    attempt: int
    reason: str


@dataclass(frozen=True)
class Container:
    """state: the engine's own word. owner: replica and attempt, None of a stranger."""

    id: str
    name: str
    state: str
    endpoint: str
    owner: tuple[int, int] | None
    gpus: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        return self.state in ("running", "paused")


@dataclass(frozen=True)
class World:
    """now: seconds since the epoch. containers, strangers and routes are None while
    nobody tells. routes: keys of replicas in traffic, by endpoint."""

    now: float
    endpoints: tuple[Endpoint, ...] = ()
    replicas: tuple[Replica, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    events: tuple[Event, ...] = ()
    containers: tuple[Container, ...] | None = None
    strangers: dict[str, str] | None = None
    routes: dict[str, frozenset[str]] | None = None

    def of(self, endpoint: Endpoint) -> list[Replica]:
        """Its living replicas."""
        return [r for r in self.alive if r.endpoint == endpoint.name]

    @property
    def alive(self) -> list[Replica]:
        return [r for r in self.replicas if r.state != "stopped"]
