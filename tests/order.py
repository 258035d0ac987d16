"""What order tests run in, and how they are shared out to run side by side."""

import gc
import os
import time
from contextlib import suppress

import pytest
from xdist.scheduler import LoadFileScheduling

# Each has a console and a browser of its own: about 1 GB.
MOST = 6
COMPOSE = "tests/compose"


def pytest_collection_modifyitems(items):
    """Files with a browser last, and before all others those with an engine.

    Playwright leaves an event loop running in this thread, in which no later test
    could start one. What takes long begins early, so that all lanes end together.
    """
    browser = {_share(item.nodeid) for item in items if _has_browser(item)}
    engine = {_share(item.nodeid) for item in items if _needs_engine(item)}
    items.sort(
        key=lambda item: (
            _share(item.nodeid) in browser,
            # Nothing takes longer than to bring that up.
            _share(item.nodeid) != COMPOSE,
            _share(item.nodeid) not in engine,
        )
    )


def _share(nodeid):
    """What goes to one lane together: a file, or all that needs the compose stack."""
    path = nodeid.partition("::")[0]
    return COMPOSE if path.startswith(f"{COMPOSE}/") else path


def _has_browser(item):
    return "chromium" in item.fixturenames


def _needs_engine(item):
    return "docker_engine" in item.fixturenames or item.get_closest_marker("docker")


def pytest_xdist_auto_num_workers(config):
    """Lanes of `-n auto`: most tests wait, so there are two more than cores."""
    if config.getoption("usepdb"):
        return 0
    return min(len(os.sched_getaffinity(0)) + 2, MOST)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Five thousand tests are no rubbish: nothing looks for any while they come."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config, log):
    """A file is one lane's, in the order above: its tests share what they set up."""
    config.option.loadscopereorder = False
    return _Sharing(config, log)


class _Sharing(LoadFileScheduling):
    def _split_scope(self, nodeid):
        return _share(nodeid)


_lanes = []
# Seconds that consoles and engines of a run that was interrupted have to end in.
_PATIENCE = 120


def pytest_testnodeready(node):
    _lanes.append(node)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    """After Ctrl-C, which the lanes got as well, let them take away what they began.

    Otherwise they are killed in the middle of it.
    """
    if exitstatus == pytest.ExitCode.INTERRUPTED:
        for node in _lanes:
            node.shutdown()
        until = time.monotonic() + _PATIENCE
        for node in _lanes:
            with suppress(node.channel.TimeoutError):
                node.channel.waitclose(max(0.0, until - time.monotonic()))
