"""A house of many endpoints in a folder of its own, for benchmarks. Import it first."""

from __future__ import annotations

import cProfile
import os
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(tempfile.mkdtemp(prefix="alight-bench-"))
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings"
os.environ["ALIGHT_HOME"] = str(HOME)
os.environ["ALIGHT_INSTALLATION"] = uuid.uuid4().hex[:12]
(HOME / "run").mkdir(mode=0o700)

(HOME / "static").mkdir()

import django  # noqa: E402

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from endpoints.models import Endpoint, Revision  # noqa: E402
from endpoints.tests.factories import TemplateFactory, TierFactory, spec  # noqa: E402
from launcher.services import (  # noqa: E402
    answers_ping,
    valkey_options,
    valkey_server,
)
from replicas.models import Node, Replica  # noqa: E402
from replicas.states import ReplicaState  # noqa: E402


@contextmanager
def house() -> Iterator[None]:
    """A database and a Valkey, removed at the end."""
    path, data = HOME / "run" / "valkey.sock", HOME / "valkey"
    data.mkdir()
    command = [valkey_server(ROOT / ".venv"), *valkey_options(path, data)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not answers_ping(path):
            time.sleep(0.02)
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        yield
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(HOME)


def fill(endpoints: int, each: int):
    """Ready replicas, `each` for every endpoint; the person who owns them all."""
    owner = get_user_model().objects.create_user("grace")
    template, tier = TemplateFactory(), TierFactory()
    node, _ = Node.objects.get_or_create(name="node-1")
    ago = timezone.now() - timedelta(hours=1)
    container = spec().to_json()
    made = Endpoint.objects.bulk_create(
        Endpoint(
            name=f"bench-{n}", owner=owner, template=template,
            template_name=template.name, spec=container, tier=tier,
            min_replicas=each, max_replicas=each, target_count=each,
            phase="ready", ready_count=each, observed_revision=1,
        )
        for n in range(endpoints)
    )  # fmt: skip
    revisions = Revision.objects.bulk_create(
        Revision(
            endpoint=e, number=1, spec=container, tier=tier, actor="grace",
            settled_at=ago,
        )
        for e in made
    )  # fmt: skip
    Replica.objects.bulk_create(
        Replica(
            endpoint=revision.endpoint, revision=revision, number=number,
            state=ReplicaState.READY, node=node, address="127.0.0.1",
            started_at=ago, answered_at=ago, ready_at=ago, since=ago,
        )
        for revision in revisions
        for number in range(1, each + 1)
    )  # fmt: skip
    return owner


def cost(work: Callable[[], object], times: int) -> float:
    """Milliseconds of this process's processor time, the median of several."""
    work()
    spent = []
    for _ in range(times):
        begun = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - begun))
    return round(median(spent), 1)


def profile(work: Callable[[], object]) -> None:
    """Where the time goes, to stderr."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(60)
