"""An hour (or more) of one endpoint's life, as the collector would have kept it."""

from __future__ import annotations

import math
from datetime import timedelta

from endpoints.ingress.base import BOUNDS
from replicas.metrics import store
from replicas.metrics.point import GpuUse, Level, Point, Start, Use
from replicas.metrics.series import floor
from replicas.models import Sample

GB = 2**30


def answers(**by_bound):
    """Buckets with so many answers each: `answers(b0_5=3)` is 3 within 0.5 s."""
    bounds = {"b" + str(bound).replace(".", "_"): i for i, bound in enumerate(BOUNDS)}
    counts = [0] * (len(BOUNDS) + 1)
    for name, count in by_bound.items():
        counts[bounds[name]] = count
    return tuple(counts)


def point(requests=0, *, seconds=10, failed=0, refused=0, replicas=1, gpu=None, **more):
    """A span in which a replica ran and answered in 2.5 to 5 s."""
    good = requests - failed - refused
    uses = {
        number: Use(seconds, 0.4 * seconds, 2, Level(GB * seconds, seconds), 4 * GB,
                    2000 * requests, 50_000 * requests)
        for number in range(1, replicas + 1)
    }  # fmt: skip
    gpus = {}
    if gpu is not None:
        memory = 12 * GB * seconds
        gpus = {n: GpuUse(seconds, gpu * seconds, memory, 24 * GB) for n in uses}
    return Point(
        seconds=seconds,
        requests=requests,
        classes=(0, good, 0, refused, failed),
        buckets=answers(b2_5=good // 2, b5_0=good - good // 2),
        in_flight=Level(requests * 3, seconds, math.ceil(requests * 3 / seconds)),
        queued=Level(requests, seconds, requests // 6),
        ready=Level(replicas * seconds, seconds, replicas),
        uses=uses,
        gpus=gpus,
        **more,
    )


def keep(endpoint, at, told, step=10):
    store.write(step, floor(at, step), {endpoint.pk: told})


def tell_an_hour(endpoint, now, *, gpu=False):
    """Traffic that goes up and down, with failures in the middle and a cold start
    before, up to `now`; the last 10 min have two replicas."""
    end = floor(now, 10)
    cold = Start(int((end - timedelta(seconds=3000)).timestamp()), 42, 1, True)
    rows = []
    for index in range(360):
        part = index / 360
        waves = 3 + 2 * math.sin(part * 9) + math.sin(part * 47)
        told = point(
            max(0, round(waves)),
            failed=int(150 < index < 170),
            refused=int(200 < index < 210),
            replicas=2 if index > 300 else 1,
            gpu=0.4 + 0.3 * math.sin(part * 7) if gpu else None,
            starts=(cold,) if index == 60 else (),
        )
        at = end - timedelta(seconds=10 * (360 - index))
        rows.append(Sample(endpoint=endpoint, step=10, at=at, data=told.to_json()))
    Sample.objects.bulk_create(rows)
