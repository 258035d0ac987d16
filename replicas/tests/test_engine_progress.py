"""Progress of pulls and builds from the engine's messages."""

import pytest

from replicas.engine.fetch_progress import BuildMeter, PullMeter, Speed


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def message(layer: str, status: str, current: int = 0, total: int = 0):
    detail = {"current": current, "total": total} if current or total else {}
    return {"status": status, "id": layer, "progressDetail": detail}


def announce(meter, *layers):
    meter.feed({"status": "Pulling from library/app", "id": "1"})
    for layer in layers:
        now = meter.feed(message(layer, "Pulling fs layer"))
    return now


# --- Pull ---------------------------------------------------------------------
def test_the_total_is_unknown_until_every_layer_told_its_size(clock):
    meter = PullMeter(clock)
    announce(meter, "a", "b")
    now = meter.feed(message("a", "Downloading", 10, 100))
    assert (now.done, now.total, now.layer, now.layers) == (10, 0, 0, 2)
    now = meter.feed(message("b", "Downloading", 5, 50))
    assert (now.done, now.total) == (15, 150)


def test_the_manifest_tells_the_total_at_once(clock):
    meter = PullMeter(clock, {"a": 100, "b": 50})
    assert announce(meter, "a", "b").total == 150
    assert meter.feed(message("a", "Downloading", 10, 100)).done == 10


def test_layers_that_are_here_count_as_layers_but_not_as_bytes(clock):
    meter = PullMeter(clock, {"a": 100, "b": 50})
    announce(meter, "a", "b")
    now = meter.feed(message("a", "Already exists"))
    assert (now.total, now.layer, now.layers) == (50, 1, 2)


def test_a_small_layer_arrives_without_telling_its_size(clock):
    meter = PullMeter(clock)
    announce(meter, "a", "b")
    meter.feed(message("a", "Download complete"))
    now = meter.feed(message("b", "Downloading", 5, 50))
    assert (now.done, now.total) == (5, 50)


def test_a_whole_pull(clock):
    meter = PullMeter(clock)
    announce(meter, "a", "b")
    meter.feed(message("b", "Waiting"))
    meter.feed(message("a", "Downloading", 100, 100))
    meter.feed(message("a", "Verifying Checksum"))
    now = meter.feed(message("b", "Downloading", 25, 50))
    assert (now.done, now.unpacking) == (125, False)
    now = meter.feed(message("b", "Download complete"))
    assert (now.done, now.total, now.unpacking) == (150, 150, True)
    now = meter.feed(message("a", "Extracting", 50, 100))
    assert (now.done, now.unpacking, now.layer) == (150, True, 0)
    assert meter.feed(message("a", "Pull complete")).layer == 1
    now = meter.feed(message("b", "Pull complete"))
    assert (now.layer, now.layers, now.unpacking) == (2, 2, False)
    assert meter.feed({"status": "Digest: sha256:ab"}) == now
    assert meter.feed({"status": "Status: Downloaded newer image"}) == now


def test_a_retry_starts_its_layer_again(clock):
    meter = PullMeter(clock)
    announce(meter, "a")
    meter.feed(message("a", "Downloading", 80, 100))
    assert meter.feed(message("a", "Retrying in 2 seconds")).done == 0
    assert meter.feed(message("a", "Downloading", 10, 100)).done == 10


def test_speed_is_that_of_the_last_seconds(clock):
    speed = Speed(clock, window=5)
    assert speed.at(0) == 0
    clock.now = 1
    assert speed.at(100) == 100
    for clock.now in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11):
        last = speed.at(100)
    assert last == 0


def test_speed_does_not_know_the_future(clock):
    assert Speed(clock).at(500) == 0


# --- Build --------------------------------------------------------------------
def test_steps_and_their_output(clock):
    meter = BuildMeter(clock)
    now = meter.feed({"stream": "Step 1/3 : FROM python:3.11-slim"})
    assert (now.verb, now.done, now.total) == ("build", 0, 3)
    meter.feed({"stream": "\n"})
    meter.feed({"stream": " ---> 6d41200d239e\n"})
    meter.feed({"stream": "Step 2/3 : RUN pip install gradio"})
    meter.feed({"stream": " ---> Running in 1234\n"})
    now = meter.feed({"stream": "\x1b[91mCollecting gradio\n\x1b[0m"})
    assert (now.done, now.step, now.line) == (
        1,
        "RUN pip install gradio",
        "Collecting gradio",
    )
    now = meter.feed({"stream": "Step 3/3 : CMD run"})
    assert (now.done, now.line) == (2, "")
    meter.feed({"aux": {"ID": "sha256:ab"}})
    now = meter.feed({"stream": "Successfully built 1234\n"})
    assert (now.done, now.total) == (3, 3)
    assert "Collecting gradio" in meter.tail


def test_the_base_image_is_told_while_it_is_pulled(clock):
    meter = BuildMeter(clock)
    meter.feed({"stream": "Step 1/3 : FROM --platform=linux/amd64 lab.x/base:1 AS b"})
    assert meter.base == "lab.x/base:1"
    meter.feed(message("a", "Pulling fs layer"))
    now = meter.feed(message("a", "Downloading", 5_000_000, 45_000_000))
    assert now.line == "Pulling lab.x/base:1: 5 MB of 45 MB"


def test_the_tail_holds_the_last_lines_only(clock):
    meter = BuildMeter(clock)
    for number in range(100):
        meter.feed({"stream": f"line {number}\n"})
    assert len(meter.tail) == 40
    assert meter.tail[-1] == "line 99"
