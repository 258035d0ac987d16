"""Real processes: started in order, restarted, stopped in reverse."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from launcher import logs, processes, supervisor
from launcher.config import make_folders, read_config
from launcher.errors import LaunchError
from launcher.services import Service
from launcher.supervisor import AlreadyRunning, Supervisor, only_one

FOREVER = "exec sleep 600"


@pytest.fixture
def config(tmp_path):
    found = read_config({**os.environ, "ALIGHT_HOME": str(tmp_path / "h")})
    make_folders(found)
    yield found
    # Outside of tmp_path where that is too long for a socket.
    shutil.rmtree(found.run)


@pytest.fixture(autouse=True)
def handlers():
    """Put back the signal handlers that a supervisor sets."""
    numbers = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in kept.items():
        signal.signal(number, handler)


def service(name, script, **more):
    return Service(name, name.title(), ("sh", "-c", script), 60, **more)


def test_a_thousand_pages_find_descriptors(config, tmp_path):
    kept = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = tmp_path / "told"
    one = Supervisor(
        config,
        [
            service(
                "web",
                f"ulimit -n > {told}.new; mv {told}.new {told}; {FOREVER}",
                ready=told.exists,
            )
        ],
        print,
    )
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, kept[1]))
        one.start()
        one.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, kept)
    assert int(told.read_text()) > 512


def test_each_is_ready_before_the_next_and_they_stop_in_reverse(config, tmp_path):
    story = tmp_path / "story"
    tell = "trap 'echo -{0} >> {1}; exit' TERM; echo +{0} >> {1}; touch {2}; {3}"
    wait = "while :; do sleep 600 & wait $!; done"

    def telling(name):
        flag = tmp_path / f"{name}.ready"
        script = tell.format(name, story, flag, wait)
        return service(name, script, ready=flag.exists, first=True)

    one = Supervisor(config, [telling("a"), telling("b"), telling("c")], print)
    one.start()
    assert story.read_text().split() == ["+a", "+b", "+c"]
    one.stop()
    assert story.read_text().split() == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert list(config.pids.iterdir()) == []


def test_one_that_ends_at_once_takes_all_down_and_shows_its_last_words(config):
    bad = service("bad", "echo it is broken; exit 3", ready=lambda: False)
    one = Supervisor(config, [service("good", FOREVER), bad], print)
    with pytest.raises(LaunchError) as caught:
        one.start()
    assert "Bad ended at once." in str(caught.value)
    assert "it is broken" in str(caught.value)
    assert processes.running(config.pids, "good") is None


def test_a_failed_preparation_is_told_with_its_output(config):
    before = (("sh", "-c", "echo line 7: unknown keyword; exit 1"),)
    one = Supervisor(config, [service("web", FOREVER, before=before)], print)
    with pytest.raises(LaunchError, match="unknown keyword"):
        one.start()


def test_one_that_is_killed_is_started_again_and_said_so(config, monkeypatch):
    monkeypatch.setattr(supervisor, "BACK_OFF", (0.01,))
    again = threading.Event()
    said = []

    def say(line):
        said.append(line)
        if "runs again" in line:
            again.set()

    one = Supervisor(config, [service("web", FOREVER)], say)
    one.start()
    first = processes.running(config.pids, "web").pid

    def killer():
        os.kill(first, signal.SIGKILL)
        again.wait(30)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=killer)
    thread.start()
    one.watch()
    thread.join()
    second = processes.running(config.pids, "web").pid
    one.stop()
    assert second != first
    assert any("Web ended (SIGKILL)" in line for line in said)


def test_one_that_ran_long_enough_is_started_at_once_each_time(config, monkeypatch):
    monkeypatch.setattr(supervisor, "BACK_OFF", (0.0, 600.0))
    again = threading.Semaphore(0)

    def say(line):
        if "runs again" in line:
            again.release()

    # Any life is long enough for this one.
    one = Supervisor(config, [service("web", FOREVER, steady=0.0)], say)
    one.start()
    came = []

    def killer():
        for _ in range(3):
            os.kill(processes.running(config.pids, "web").pid, signal.SIGKILL)
            came.append(again.acquire(timeout=30))
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=killer)
    thread.start()
    one.watch()
    thread.join()
    one.stop()
    assert came == [True] * 3


def test_a_second_supervisor_finds_the_lock_held(config):
    with only_one(config), pytest.raises(AlreadyRunning), only_one(config):
        pass
    with only_one(config):
        pass


def test_the_lock_goes_with_a_killed_supervisor(config):
    hold = (
        "import os, signal, sys\n"
        "from launcher.config import read_config\n"
        "from launcher.supervisor import only_one\n"
        "with only_one(read_config(os.environ)):\n"
        "    print('held', flush=True)\n"
        "    signal.pause()\n"
    )
    env = {**os.environ, "ALIGHT_HOME": str(config.home)}
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdout=subprocess.PIPE, env=env, cwd=config.root
    ) as holder:
        holder.stdout.readline()
        with pytest.raises(AlreadyRunning), only_one(config):
            pass
        holder.kill()
    with only_one(config):
        pass


def test_a_log_that_grows_while_its_process_runs_is_cut(config, monkeypatch):
    monkeypatch.setattr(logs, "BIG_LOG", 1000)
    monkeypatch.setattr(logs, "LOOK_SECONDS", 0.01)
    older = config.logs / "web.log.1"
    # Ends the test as soon as it sees that what it wrote was put aside.
    say = "i=0; while test ! -e {0}; do i=$((i+1)); echo line $i; done; kill {1}; {2}"
    web = service("web", say.format(older, os.getpid(), FOREVER))
    one = Supervisor(config, [web], print)
    one.start()
    one.watch()
    one.stop()
    assert older.read_text().startswith("line 1\nline 2\n")


def test_the_first_restart_comes_at_once_and_later_ones_prepare(config, monkeypatch):
    monkeypatch.setattr(supervisor, "BACK_OFF", (0.0, 0.01))
    mark = config.home / "prepared"
    web = service("web", FOREVER, before_again=(("touch", str(mark)),))
    said, prepared = [], []

    def say(line):
        said.append(line)
        if "runs again" in line:
            prepared.append(mark.exists())
            if len(prepared) == 1:
                os.kill(processes.running(config.pids, "web").pid, signal.SIGKILL)
            else:
                os.kill(os.getpid(), signal.SIGTERM)

    one = Supervisor(config, [web], say)
    one.start()
    os.kill(processes.running(config.pids, "web").pid, signal.SIGKILL)
    one.watch()
    one.stop()
    assert prepared == [False, True]
    assert any("Starting again at once." in line for line in said)
