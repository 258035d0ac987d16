"""The engine and the way to it."""

from contextlib import contextmanager, nullcontext

from replicas.engine.faults import Fault
from tests.chaos.faults.missed import Missed
from tests.chaos.kinds import CALLS


def _crash(stage, seconds):
    """kill -9; containers run on below their shims."""
    _away(stage, stage.engine.crash, seconds, live=True)


def _crash_all(stage, seconds):
    """Without live-restore the engine ends, as it starts, what it finds running."""
    with _strangers_end(stage):
        _away(stage, stage.engine.crash, seconds, live=False)


def _restart(stage, seconds):
    """One that was started without live-restore ends its containers as it stops."""
    with nullcontext() if stage.live_restore else _strangers_end(stage):
        _away(stage, stage.engine.stop, seconds, live=True)


def _away(stage, end, seconds, *, live):
    stage.wire.close()
    try:
        end()
        stage.wait(seconds)
        stage.engine.start(*(("--live-restore",) if live else ()))
        stage.live_restore = live
    finally:
        stage.wire.open()


@contextmanager
def _strangers_end(stage):
    stage.lose_strangers()
    yield
    stage.find_strangers()


def _cut_events(stage, times):
    cut = 0
    for _ in range(times):
        cut += stage.wire.cut(CALLS["events"])
        stage.wait(0.5)
    if not cut:
        words = "nobody listened"
        raise Missed(words)


def _spoiler(how):
    def spoil(stage, call, seconds):
        with stage.wire.spoiled(CALLS[call], how) as rule:
            stage.wait(seconds)
        if not rule.struck:
            words = f"nobody made the call “{call}”"
            raise Missed(words)

    return spoil


def _striker(does):
    def strike(stage, call, seconds, error="EngineUnreachable"):
        fault = Fault(call, does, error=error, times=None)
        before = len(stage.faults.struck())
        stage.faults.add(fault)
        try:
            stage.wait(seconds)
        finally:
            stage.faults.clear(fault.id)
        if len(stage.faults.struck()) == before:
            words = f"nobody called {call}"
            raise Missed(words)

    return strike


STRIKES = {
    "adapter call fails": _striker("fail"),
    "adapter call hangs": _striker("hang"),
    "adapter answer lost": _striker("lose"),
    "engine killed, live-restore": _crash,
    "engine killed, no live-restore": _crash_all,
    "engine restarted": _restart,
    "event stream cut": _cut_events,
    "engine call hangs": _spoiler("hang"),
    "engine call refused": _spoiler("refuse"),
    "engine call cut off": _spoiler("cut"),
    "engine call unanswered": _spoiler("mute"),
}
