"""What people do and what breaks, as data: names, chances, and what may be chosen."""

from dataclasses import dataclass, field
from inspect import isfunction

from replicas.engine.base import Engine, EngineStreams

# Tiers with so many GPUs; all have little memory, which is soon used up.
MEMORY_MB = 64
TIERS = {"chaos0": 0, "chaos1": 1, "chaos2": 2}
TIER_WEIGHTS = (2, 1, 1)
GPUS = 6

# By how often people do it.
ACTS = {
    "create": 5,
    "scale": 3,
    "edit": 3,
    "pause": 2,
    "resume": 3,
    "delete": 2,
    "restart": 2,
    "requests": 3,
    "viewer": 2,
}

_SAY = 'echo "$OCTOAI_REPLICA_NAME" >/tmp/index.html; '
_SERVE = "exec httpd -f -p 8080 -h /tmp"
# What containers run, as a shell script. Each answers with its own name.
APPS = {
    "plain": _SAY + _SERVE,
    "late": _SAY + "sleep 2; " + _SERVE,
    "counting": _SAY
    + "(n=0; while :; do n=$((n+1)); echo line $n; sleep 0.3; done) & "
    + _SERVE,
    "broken": "echo I cannot; exit 1",
}

# Every call that the adapter makes on replicas' behalf: method and path, as patterns.
CALLS = {
    "list": r"GET /containers/json",
    "inspect": r"GET /containers/[^/]+/json",
    "create": r"POST /containers/create",
    "start": r"POST /containers/[^/]+/start",
    "kill": r"POST /containers/[^/]+/kill",
    "stop": r"POST /containers/[^/]+/stop",
    "remove": r"DELETE /containers/",
    "logs": r"GET /containers/[^/]+/logs",
    "stats": r"GET /containers/[^/]+/stats",
    "image": r"GET /images/[^?]+/json",
    "networks": r"GET /networks",
    "info": r"GET /info",
    "version": r"GET /version",
    "events": r"GET /events",
    # The last matches them all.
    "any": r"",
}

# Every method of the adapter, by the name that replicas.engine.faults knows it by.
METHODS = tuple(
    name
    for protocol in (Engine, EngineStreams)
    for name, member in vars(protocol).items()
    if isfunction(member) and not name.startswith("_") and name != "close"
)


@dataclass(frozen=True)
class Fault:
    """part: two of one part never strike in the same round. args: what each may be."""

    part: str
    args: dict[str, tuple[object, ...]] = field(default_factory=dict)


_ERRORS = ("EngineUnreachable", "EngineRefused", "DiskFull")
_METHOD = {"call": METHODS, "seconds": (5, 8)}
_AWAY = {"seconds": (1, 3, 6)}
_WHICH = {"which": tuple(range(8))}
FAULTS = {
    # our own processes
    "worker killed": Fault("worker"),
    "worker frozen": Fault("worker", {"seconds": (3, 12)}),
    "two workers": Fault("worker", {"seconds": (4, 8), "ends": ("TERM", "KILL")}),
    "worker frozen beside another": Fault("worker", {"seconds": (10, 14)}),
    "web killed": Fault("web"),
    "beat killed": Fault("beat"),
    "HAProxy killed": Fault("haproxy"),
    "Valkey killed": Fault("valkey"),
    "Valkey killed and emptied": Fault("valkey"),
    # the engine
    "engine killed, live-restore": Fault("engine", _AWAY),
    "engine killed, no live-restore": Fault("engine", _AWAY),
    "engine restarted": Fault("engine", _AWAY),
    "event stream cut": Fault("wire", {"times": (1, 3)}),
    "engine call hangs": Fault("wire", {"call": tuple(CALLS), "seconds": (6, 12)}),
    "engine call refused": Fault("wire", {"call": tuple(CALLS), "seconds": (6, 9)}),
    "engine call cut off": Fault("wire", {"call": tuple(CALLS), "seconds": (6, 9)}),
    "engine call unanswered": Fault("wire", {"call": tuple(CALLS), "seconds": (6, 9)}),
    "adapter call fails": Fault("adapter", {**_METHOD, "error": _ERRORS}),
    "adapter call hangs": Fault("adapter", _METHOD),
    "adapter answer lost": Fault("adapter", _METHOD),
    # containers, by hand
    "container killed": Fault("container", _WHICH),
    "container removed": Fault("container", _WHICH),
    "container stopped": Fault("container", _WHICH),
    "container out of memory": Fault("container", _WHICH),
    "container paused": Fault("container", {**_WHICH, "seconds": (3, 8)}),
    # below everything
    "database locked": Fault("home", {"seconds": (3, 10, 25)}),
    "disk full": Fault("home", {"seconds": (3, 8)}),
    "clock jumps": Fault("clock", {"by": (-3600, -90, 90, 3600), "seconds": (3, 8)}),
}
# Where the database is a PostgreSQL of this run.
_SESSION = {"which": tuple(range(8))}
SERVER_FAULTS = {
    "database restarted": Fault("database", {"seconds": (0, 3, 12)}),
    "database killed": Fault("database", {"seconds": (0, 3, 12)}),
    "database frozen": Fault("database", {"seconds": (3, 12, 25)}),
    "database session killed": Fault("database", _SESSION),
    "database session frozen": Fault("database", {**_SESSION, "seconds": (3, 12)}),
    "database sessions ended": Fault("database", {"times": (1, 4)}),
    "database full of sessions": Fault("database", {"seconds": (3, 15)}),
    "database disk full": Fault(
        "database", {"of": ("rows", "log"), "seconds": (3, 8, 15)}
    ),
}
ALL_FAULTS = {**FAULTS, **SERVER_FAULTS}
