"""What following traffic costs each second, with 1,000 endpoints.

    .venv/bin/python benchmarks/bench_scaler.py [--endpoints 1000] [--times 10]

In one process with its own database; the ingress's numbers are made up, so this is what
the console itself costs. Milliseconds of processor time:

running  a look when all of them run one replica and are in use
asleep   the same when all but ten sleep, as most do
floor    the rows of all of them read, and nothing made of them

Prints one JSON object. Good: running < 100 ms, asleep < 10 ms.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.many import cost, fill, house, profile  # isort: skip - sets Django up

import pytest
from django.utils import timezone

from endpoints.ingress.base import Traffic
from endpoints.ingress.fake import FakeIngress
from endpoints.models import Endpoint
from replicas.models import Replica
from replicas.scaling.scaler import Scaler


class Busy(FakeIngress):
    """One request is in flight at each of `names`."""

    names: list[str] = []

    def traffic(self) -> dict[str, Traffic]:
        return {name: Traffic(1, 100) for name in self.names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with house(), pytest.MonkeyPatch.context() as patch:
        ingress = Busy()
        patch.setattr("replicas.scaling.scaler.get_ingress", lambda: ingress)
        print(json.dumps(measure(asked, ingress), indent=1))


def measure(asked: argparse.Namespace, ingress: Busy) -> dict[str, object]:
    fill(asked.endpoints, 1)
    names = list(Endpoint.objects.values_list("name", flat=True))
    ingress.names = names

    def looks() -> float:
        scaler = Scaler()
        if asked.profile:
            profile(lambda: scaler.tick(timezone.now()))
        return cost(lambda: scaler.tick(timezone.now()), asked.times)

    running = looks()
    floor = cost(lambda: [list(Endpoint.objects.all()), list(Replica.objects.all())], 5)
    asleep = Endpoint.objects.exclude(name__in=names[:10])
    Replica.objects.filter(endpoint__in=asleep).delete()
    asleep.update(min_replicas=0, target_count=0)
    ingress.names = names[:10]
    return {
        "endpoints": asked.endpoints,
        "running_ms": running,
        "asleep_ms": looks(),
        "floor_ms": floor,
    }


if __name__ == "__main__":
    main()
