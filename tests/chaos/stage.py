"""Where it plays: a console in a home of its own, an engine of its own, and strangers.

Everything is real: the processes of `make up`, dockerd, HAProxy, Valkey, containers.
"""

import threading
from contextlib import ExitStack, contextmanager

from launcher import processes
from launcher.replicas import installation
from replicas.engine.faults import Faults
from tests.api import Api
from tests.chaos.disk import Disk
from tests.chaos.faults import clock
from tests.chaos.kinds import GPUS, MEMORY_MB, TIERS
from tests.chaos.look import ROLE, Looker
from tests.chaos.server import own_server
from tests.chaos.wire import Wire
from tests.console import new_console, remove_console
from tests.engine import OwnEngine

IMAGE = "alight-test/own:1"
_TIERS = """
from templates_app.models import Tier
for slug, gpus in {tiers}.items():
    Tier.objects.create(slug=slug, name=slug, gpu_model="A10" if gpus else "",
        gpus=gpus, gpu_memory_gb=24 if gpus else 0, cores=0.5, memory_mb={memory},
        shm_mb=16, edited=True)
"""


class Stage:
    """console, engine, wire (between them), disk (the console's), server (None with
    SQLite), api, looker, and `strangers`."""

    def __init__(self, engine, wire, console, disk, server=None):
        self.engine, self.wire, self.console = engine, wire, console
        self.disk, self.server = disk, server
        self.api = Api(console)
        self.client = engine.client()
        self.looker = Looker(console, self.client)
        self.looker_of_rounds = Looker(console, engine.client())
        # Faults strike from threads of their own, one at a time on containers.
        self.client_of_faults = engine.client()
        self.looker_of_faults = Looker(console, self.client_of_faults)
        self.faults = Faults(engine.home / "faults")
        self.over = threading.Event()
        # Whether the engine that runs now leaves its containers running at its end.
        self.live_restore = True
        self._strangers = None
        self.place_strangers()

    def pid(self, name):
        """Of one of the console's processes that runs; None while it does not."""
        found = processes.running(self.console.config.pids, name)
        return None if found is None else found.pid

    def wait(self, seconds):
        """Let time pass, unless the run is over."""
        self.over.wait(seconds)

    def logs(self):
        """The last lines of every process, of the engine and of the database."""
        logs = sorted(self.console.config.logs.glob("*.log"))
        ends = [(log.name, log.read_text(errors="replace")[-20000:]) for log in logs]
        ends.append(("dockerd", self.engine.log()))
        if self.server:
            ends.append(("postgres", self.server.log()))
        return "\n".join(f"== {name}\n{end}" for name, end in ends)

    # --- strangers ------------------------------------------------------------------

    def standing(self):
        """How the strangers should be; None while nobody can say."""
        return self._strangers

    def place_strangers(self):
        """Of another installation with all our labels but one; and with our
        installation's, but of no endpoint."""
        ours = installation(self.console.config)
        labels = {
            "alight.endpoint": "c001",
            "alight.replica": "1",
            "alight.attempt": "1",
        }
        near = {**labels, "alight.installation": f"{ours}x"}
        half = {"alight.installation": ours, "alight.replica": "1"}
        for name, has in (("near", near), ("half", half)):
            self._place(f"{name}-{ours}", {**has, ROLE: name})
        self._strangers = self.looker_of_faults.strangers()

    def _place(self, name, labels):
        words = [word for k, v in labels.items() for word in ("--label", f"{k}={v}")]
        given = ("--network", "none", "--restart", "no", "--init")
        self.engine.docker("run", "-d", "--name", name, *given, *words, IMAGE)

    def lose_strangers(self):
        """The engine is about to end them; nobody else may."""
        self._strangers = None

    def find_strangers(self):
        """Start them again, the same ones."""
        for name in self.engine.containers():
            if name.startswith(("near-", "half-")):
                self.engine.docker("start", name)
        self._strangers = self.looker_of_faults.strangers()


@contextmanager
def stage(folder, *, server=False):
    """Everything running, and all of it gone afterwards, whatever did not begin.

    folder: an empty one, for what lies beside it. server: its database is a PostgreSQL
    of its own.
    """
    with ExitStack() as ends:
        own = ends.enter_context(own_server(folder)) if server else None
        engine = OwnEngine()
        ends.callback(engine.destroy)
        wire = Wire(engine.home / "wire.sock", engine.home / "docker.sock")
        ends.callback(wire.end)
        _pretend_gpus(engine, folder)
        engine.start("--live-restore")
        engine.tiny_image()
        wire.open()
        console = new_console(**_settings(wire, own))
        ends.callback(console.home.rmdir)
        disk = Disk(console.home, "1g")
        ends.enter_context(disk.mounted())
        ends.callback(remove_console, console)
        ends.callback(disk.free)
        clock.give(console)
        console.launch("up", "DETACH=1")
        console.manage("shell", "-c", _TIERS.format(tiers=TIERS, memory=MEMORY_MB))
        yield Stage(engine, wire, console, disk, own)


def _settings(wire, server):
    uuids = [f"GPU-{number}e57-0000" for number in range(GPUS)]
    return {
        "ALIGHT_DOCKER_HOST": wire.host,
        "ALIGHT_ENGINE": "replicas.engine.faulty.FaultyEngine",
        "ALIGHT_ENGINE_STREAMS": "replicas.engine.faulty.FaultyStreams",
        "ALIGHT_FAULTS": str(wire.path.parent / "faults"),
        "ALIGHT_GPUS": ",".join(f"{uuid}=A10:24" for uuid in uuids),
        "ALIGHT_STOP_GRACE": "2",
        "ALIGHT_DRAIN_SECONDS": "2",
        "ALIGHT_SHRINK_SECONDS": "10",
        **({"ALIGHT_DATABASE_URL": server.address} if server else {}),
    }


def _pretend_gpus(engine, folder):
    """An engine has the driver "nvidia" when it finds a hook of this name."""
    hook = folder / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    engine.look_in(folder)
