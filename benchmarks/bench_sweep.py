"""A sweep that finds nothing to do: 500 endpoints, 2,000 replicas, as many containers.

    .venv/bin/python benchmarks/bench_sweep.py [--endpoints 500] [--each 4] [--times 5]

In one process, with its own database and Valkey; engine and ingress are the fakes of
the tests, so this is what the console itself costs. Milliseconds of processor time:

sweep    replicas.reconciler.loop.sweep()
floor    the containers listed by the engine and the same rows read, and nothing made
         of them

Prints one JSON object. Good: sweep < 1,000 ms (one comes every 10 s).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.many import cost, fill, house, profile  # isort: skip - sets Django up

import pytest
from django.conf import settings

from endpoints.ingress.fake import FakeIngress
from endpoints.models import Endpoint
from replicas.engine import names
from replicas.engine.base import Wanted
from replicas.models import Replica
from replicas.reconciler import loop
from replicas.tests.house import House


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=500)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with house(), pytest.MonkeyPatch.context() as patch:
        print(json.dumps(measure(asked, House(patch)), indent=1))


def measure(asked: argparse.Namespace, fakes: House) -> dict[str, object]:
    fill(asked.endpoints, asked.each)
    fakes.ingress = FakeIngress(slots=asked.endpoints)
    fakes.has_image()
    run_all(fakes)

    def sweep() -> None:
        due = loop.sweep()
        assert due == [], f"{len(due)} endpoints were not at rest"

    def floor() -> None:
        label = {names.INSTALLATION: settings.ALIGHT_INSTALLATION}
        assert len(fakes.engine.observe(label)) == asked.endpoints * asked.each
        assert len(list(Endpoint.objects.select_related("tier"))) == asked.endpoints
        list(Replica.objects.alive().select_related("revision"))

    loop.sweep()  # the first one tells the ingress everything
    if asked.profile:
        profile(sweep)
    spent, bare = cost(sweep, asked.times), cost(floor, asked.times)
    return {"sweep_ms": spent, "floor_ms": bare, "ratio": round(spent / bare, 2)}


def run_all(fakes: House) -> None:
    """A running container for every replica, as the reconciler would have made it."""
    installation = settings.ALIGHT_INSTALLATION
    replicas = list(Replica.objects.select_related("endpoint"))
    for replica in replicas:
        place = (installation, replica.endpoint.name)
        made = fakes.engine.create(
            Wanted(
                name=names.container_name(*place, replica.pk, replica.attempt),
                image="lab/app:1",
                labels=names.container_labels(*place, replica.pk, replica.attempt),
                port=7860,
                node="node-1",
            )
        )
        replica.container_id = fakes.engine.start(made.id).id
    Replica.objects.bulk_update(replicas, ["container_id"], batch_size=200)


if __name__ == "__main__":
    main()
