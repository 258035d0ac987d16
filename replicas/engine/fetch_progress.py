"""How far a pull or a build is, from the engine's messages. Pure: the clock is given.

Both meters take one decoded message at a time and answer with the newest
`FetchProgress`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from replicas.engine.base import FetchProgress

# Seconds over which the speed is taken.
WINDOW = 5.0
# Lines of a build kept for its error.
TAIL = 40

Message = Mapping[str, Any]
Clock = Callable[[], float]


@dataclass
class _Layer:
    """One layer: bytes here and in all (0 while unknown)."""

    done: int = 0
    total: int = 0
    arrived: bool = False  # every byte is here
    finished: bool = False  # and unpacked
    ours: bool = True  # false when it was on the node already


class Speed:
    """Bytes per second over a sliding window."""

    def __init__(self, clock: Clock, window: float = WINDOW) -> None:
        self._clock = clock
        self._window = window
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, done: int) -> float:
        now = self._clock()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        since, first = self._seen[0]
        return (done - first) / (now - since) if now > since else 0.0


class PullMeter:
    """Adds up the layers of one pull.

    `sizes` maps layer ids to bytes when the registry's manifest is known: the engine
    tells a layer's size only when its turn comes, three at a time.
    """

    def __init__(self, clock: Clock, sizes: Mapping[str, int] | None = None) -> None:
        self.sizes = dict(sizes or {})
        self._layers: dict[str, _Layer] = {}
        self._speed = Speed(clock)
        self._now = FetchProgress("pull")

    def feed(self, message: Message) -> FetchProgress:
        status, layer_id = str(message.get("status", "")), message.get("id")
        if layer_id and not status.startswith("Pulling from"):
            layer = self._layers.setdefault(str(layer_id), _Layer())
            self._note(layer, status, message.get("progressDetail") or {})
            self._now = self._sum()
        return self._now

    def _note(self, layer: _Layer, status: str, detail: Mapping[str, Any]) -> None:
        match status:
            case "Already exists":
                layer.ours, layer.arrived, layer.finished = False, True, True
            case "Downloading":
                layer.done = max(layer.done, int(detail.get("current") or 0))
                layer.total = max(layer.total, int(detail.get("total") or 0))
            case "Verifying Checksum" | "Download complete":
                self._arrive(layer, 0)
            case "Extracting":
                self._arrive(layer, int(detail.get("total") or 0))
            case "Pull complete":
                self._arrive(layer, 0)
                layer.finished = True
            case _ if status.startswith("Retrying"):
                layer.done, layer.arrived = 0, False

    @staticmethod
    def _arrive(layer: _Layer, total: int) -> None:
        layer.total = layer.total or total
        layer.done, layer.arrived = layer.total, True

    def _sum(self) -> FetchProgress:
        done = total = 0
        known = True
        for layer_id, layer in self._layers.items():
            if not layer.ours:
                continue
            size = self.sizes.get(layer_id) or layer.total
            known = known and (bool(size) or layer.arrived)
            total += size
            done += size if layer.arrived else min(layer.done, size or layer.done)
        layers = self._layers.values()
        arrived = all(layer.arrived for layer in layers)
        finished = sum(layer.finished for layer in layers)
        return FetchProgress(
            "pull",
            done=done,
            total=total if known else 0,
            layer=finished,
            layers=len(layers),
            speed=0.0 if arrived else self._speed.at(done),
            unpacking=arrived and finished < len(layers),
        )


class BuildMeter:
    """Follows a build by the classic builder's output."""

    def __init__(self, clock: Clock) -> None:
        self.step = ""
        self.base = ""
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._clock = clock
        self._pull = PullMeter(clock)
        self._now = FetchProgress("build")

    def feed(self, message: Message) -> FetchProgress:
        if "stream" in message:
            for line in re.split(r"[\r\n]+", str(message["stream"])):
                self._line(line.rstrip())
        elif "status" in message:
            self._pulled(message)
        return self._now

    def _line(self, line: str) -> None:
        line = _plain(line)
        if not line.strip():
            return
        step = _STEP.match(line)
        if step:
            self.step = step["what"]
            self._now = replace(
                self._now,
                done=int(step["at"]) - 1,
                total=int(step["of"]),
                step=self.step,
                line="",
            )
            self._pull = PullMeter(self._clock)
            if found := _FROM.match(self.step):
                self.base = found["image"]
        elif not line.startswith((" --->", "Removing intermediate")):
            self.tail.append(line)
            self._now = replace(self._now, line=line)
        if line.startswith("Successfully built"):
            self._now = replace(self._now, done=self._now.total, line="")

    def _pulled(self, message: Message) -> None:
        now = self._pull.feed(message)
        if now.layers:
            of = f" of {_mb(now.total)}" if now.total else ""
            line = f"Pulling {self.base}: {_mb(now.done)}{of}"
            self._now = replace(self._now, line=line)


_STEP = re.compile(r"^Step (?P<at>\d+)/(?P<of>\d+) : (?P<what>.*)$")
_FROM = re.compile(r"^FROM\s+(?:--\S+\s+)*(?P<image>\S+)", re.IGNORECASE)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def _plain(line: str) -> str:
    """Without colours, which builders write even where nobody can see them."""
    return _ESCAPE.sub("", line)


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
