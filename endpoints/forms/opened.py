"""What an endpoint was like when its form was opened, and what came in between.

The form carries a digest for each of its fields, so that nothing secret is in the
page. With them three states can be told apart: as opened, as it is now, as typed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from endpoints.models import Endpoint
from endpoints.services import Wish
from templates_app.spec import ContainerSpec

# Fields as the digest names them, in the page's words.
NAMES = {
    "image": "container image",
    "registry": "registry sign-in",
    "port": "port",
    "health_path": "health check path",
    "command": "command",
    "args": "arguments",
    "tier": "hardware",
    "min_replicas": "minimum",
    "max_replicas": "maximum",
    "public": "public access",
    "volume": "volume",
    "env": "environment",
    "secrets": "secrets",
    "idle": "idle timeout",
    "startup": "start timeout",
    "concurrency": "requests per replica",
    "hold": "hold limit",
}


@dataclass(frozen=True)
class Meanwhile:
    """What somebody else changed: `taken` were not touched here and are theirs now;
    `kept` were typed here, too, and stay as typed."""

    taken: tuple[str, ...]
    kept: tuple[str, ...]

    def words(self, by: str, me: str) -> str:
        if by == me:
            who = "You changed this endpoint elsewhere"
        else:
            who = f"{by or 'Somebody'} changed this endpoint"
        said = [f"{who} while you were editing."]
        if self.taken:
            said.append(f"Shown as it is there now: {_listed(self.taken)}.")
        if self.kept:
            said.append(
                f"As you typed it, and different there: {_listed(self.kept)}. "
                "Saving puts yours in its place."
            )
        return " ".join([*said, "Look it over and save again."])


def digests(wished: Endpoint | Wish) -> dict[str, str]:
    """A short digest for each field; equal for what means the same."""
    spec = wished.container if isinstance(wished, Endpoint) else wished.spec
    return {
        name: hashlib.sha256(json.dumps(fact).encode()).hexdigest()[:12]
        for name, fact in _facts(wished, spec).items()
    }


def _facts(wished: Endpoint | Wish, spec: ContainerSpec) -> dict[str, Any]:
    return {
        "image": spec.image,
        "registry": spec.registry,
        "port": spec.port,
        "health_path": spec.health_path,
        "command": spec.command,
        "args": spec.args,
        "tier": wished.tier.pk,
        "min_replicas": wished.min_replicas,
        "max_replicas": wished.max_replicas,
        "public": wished.public,
        "volume": asdict(spec.volume) if spec.volume else None,
        "env": [asdict(variable) for variable in spec.env],
        "secrets": sorted(spec.secrets),
        "idle": wished.idle_timeout,
        "startup": wished.start_timeout,
        "concurrency": wished.concurrency,
        "hold": wished.hold_seconds,
    }


def written(wished: Endpoint | Wish) -> str:
    return json.dumps(digests(wished))


def read(text: str) -> Mapping[str, str]:
    """What `written` wrote. Empty for anything else: then nothing is known."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def changed_since(opened: Mapping[str, str], now: Endpoint, typed: Wish) -> Meanwhile:
    """What is different now from what was opened, and not what is typed anyway."""
    there, here = digests(now), digests(typed)
    news = [n for n in NAMES if there[n] != opened.get(n, there[n])]
    news = [n for n in news if there[n] != here[n]]
    kept = [n for n in news if here[n] != opened[n]]
    return Meanwhile(tuple(n for n in news if n not in kept), tuple(kept))


def _listed(fields: tuple[str, ...]) -> str:
    names = [NAMES[field] for field in fields]
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
