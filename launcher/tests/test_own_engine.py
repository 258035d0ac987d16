"""A dockerd that we started dies, and the supervisor starts it again."""

import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from launcher import own_engine as engines
from launcher import processes
from launcher.engine import Answer, ping
from launcher.own_engine import OwnEngine
from launcher.supervisor import Supervisor
from launcher.tests.test_supervisor import FOREVER, config, handlers, service

__all__ = ["config", "handlers"]


@pytest.mark.docker
def test_it_comes_back_each_time_and_containers_run_on(config, own_engine, monkeypatch):
    monkeypatch.setattr(engines, "BACK_OFF", (0.1,))
    own_engine.start("--live-restore")
    image = own_engine.tiny_image()
    container = own_engine.docker("run", "-d", image, "sleep", "600")
    processes.record(config.pids, "dockerd", own_engine._pid())
    config = replace(config, docker_host=own_engine.host)
    started, said = threading.Semaphore(0), []

    def say(line):
        said.append(line)
        if "is started again" in line:
            started.release()

    command = own_engine.command("--live-restore")
    engine = OwnEngine(config, say, command)
    one = Supervisor(config, [service("web", FOREVER)], say, engine)
    one.start()
    seen, trouble = [], []

    def strike():
        try:
            # The first is not the supervisor's child, the second is.
            for _ in range(2):
                before = processes.running(config.pids, "dockerd")
                os.kill(before.pid, signal.SIGKILL)
                assert started.acquire(timeout=60)
                # One that was killed may leave a containerd that keeps the next from
                # starting: that one ends by itself, and another is started.
                # Then more than one start was told, and this may be of the one before.
                deadline = time.monotonic() + 120
                while (
                    processes.running(config.pids, "dockerd") in (None, before)
                    or ping(config.docker_host) is not Answer.YES
                ):
                    assert time.monotonic() < deadline, own_engine.log()
                    time.sleep(0.05)
                seen.append(own_engine.docker("ps", "-q", "--no-trunc"))
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            trouble.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=strike)
    thread.start()
    one.watch()
    thread.join()
    one.stop()
    assert trouble == [], (config.logs / "dockerd.log").read_text()[-1500:]
    processes.stop(processes.running(config.pids, "dockerd"), 30)
    assert seen == [container, container]
    assert any("The Docker engine ended." in line for line in said)


def test_somebody_elses_engine_is_left_alone(config):
    engine = OwnEngine(config, print)
    assert engine.handles() == []
    assert engine.tend(0.0) is None
