"""A pid that was used again is never signalled."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from launcher import processes


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def test_a_recorded_process_is_found_again_while_it_runs(tmp_path, sleeper):
    processes.record(tmp_path, "web", sleeper.pid)
    assert processes.running(tmp_path, "web").pid == sleeper.pid
    sleeper.kill()
    sleeper.wait()
    assert processes.running(tmp_path, "web") is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_another_process_with_that_pid_is_left_alone(tmp_path, sleeper, change):
    written = processes.record(tmp_path, "web", sleeper.pid)
    stranger = replace(written, **change)
    assert not processes.alive(stranger)
    processes.stop(stranger, 5)
    assert sleeper.poll() is None


def test_a_process_that_ended_but_was_not_collected_does_not_count(tmp_path):
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_time(process.pid) is None
    process.wait()


def test_stop_asks_first(tmp_path, sleeper):
    written = processes.record(tmp_path, "web", sleeper.pid)
    assert processes.stop(written, 10) is True
    assert sleeper.wait() == -15


def test_stop_ends_one_that_does_not_listen(tmp_path):
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as it:
        it.stdout.readline()
        written = processes.record(tmp_path, "web", it.pid)
        assert processes.stop(written, 0.2) is False
        assert it.wait() == -9


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"pid": 1}'])
def test_a_broken_record_is_no_record(tmp_path, content):
    (tmp_path / "web.json").write_text(content)
    assert processes.read(tmp_path, "web") is None


def test_a_process_is_seen_with_all_below_it(tmp_path):
    shell = "sleep 600 & echo started; wait"
    with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        family = processes.tree(process.pid)
        assert family[0] == process.pid
        assert len(family) == 2
        assert processes.memory(process.pid) > 0
        for pid in family:
            os.kill(pid, 9)
