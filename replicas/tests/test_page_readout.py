"""One headline and one sentence for every state, in the guide's words."""

from datetime import timedelta

import pytest

from endpoints.steps import Reason
from replicas.page.facts import Rollout, Usual
from replicas.page.readout import readout
from replicas.page.telling import rest
from replicas.tests.page_facts import (
    NOW,
    ago,
    event,
    facts,
    revision,
    seen,
    start,
    text,
)

READY = {"ready_at": ago(20), "since": ago(20), "events": start(122)}
STOPPED = Rollout(
    4, pk=4, stopped=True, serving=3, why="The registry answered “not found”."
)
PULLING = {"text": "48%, 4.7 of 9.8 GB, about 28 s left", "part": 0.48}


def cases():
    yield (
        "failed for good",
        facts(seen("failed", exit_code=1)),
        ("failed", "Failed", "The replica failed"),
        "The container exited with code 1. The logs show what it was doing.",
    )
    yield (
        "failed, tried again",
        facts(
            seen(
                "failed",
                trouble="RegistryUnreachable",
                trouble_text="No registry answered",
                failures=2,
                retry_at=NOW + timedelta(seconds=80),
            )
        ),
        ("failed", "Registry unreachable", "The replica failed"),
        "No registry answered. Restart 2 follows in 1 min 20 s.",
    )
    yield (
        "out of memory",
        facts(
            seen(
                "failed",
                exit_code=137,
                trouble="OutOfMemory",
                trouble_text="Out of memory: it used 30.0 of 30 GB.",
                failures=1,
                retry_at=ago(1),
            )
        ),
        ("failed", "Out of memory", "The replica failed"),
        "The container exited with code 137. "
        "Out of memory: it used 30.0 of 30 GB. Restart 1 follows now.",
    )
    yield (
        "ended by itself",
        facts(
            seen(
                "failed",
                exit_code=0,
                trouble="Ended",
                trouble_text="It ended by itself.",
                failures=1,
                retry_at=NOW + timedelta(seconds=10),
            )
        ),
        ("failed", "Ended by itself", "The replica ended"),
        "It ended by itself. Restart 1 follows in 10 s.",
    )
    yield (
        "a rollout that stopped",
        facts(seen("ready", 1, **READY), rollout=STOPPED),
        ("ready", "Revision 4 failed", "Revision 4 did not become ready"),
        "Revision 3 keeps serving. The registry answered “not found”.",
    )
    yield (
        "a rollout that stopped, and the replica that failed in it",
        facts(
            seen("ready", 1, **READY),
            seen("failed", 2, revision=revision(4)),
            rollout=STOPPED,
        ),
        ("ready", "Revision 4 failed", "Revision 4 did not become ready"),
        "Revision 3 keeps serving. The registry answered “not found”.",
    )
    yield (
        "a rollout that stopped, and nothing is ready",
        facts(seen("starting", 1), rollout=STOPPED),
        ("starting", "Revision 4 failed", "Revision 4 did not become ready"),
        "Revision 3 serves in its place. The registry answered “not found”.",
    )
    yield (
        "a rollout that stopped, and it sleeps",
        facts(rollout=STOPPED, min_replicas=0, target_count=0),
        ("slot", "Revision 4 failed", "Revision 4 did not become ready"),
        "Revision 3 will serve in its place. The registry answered “not found”.",
    )
    yield (
        "a rollout that stopped, and the last one ends",
        facts(seen("stopping"), rollout=STOPPED, min_replicas=0, target_count=0),
        ("stopping", "Revision 4 failed", "Revision 4 did not become ready"),
        "Revision 3 will serve in its place. The registry answered “not found”.",
    )
    yield (
        "a replica that serves failed too: that is worse",
        facts(seen("failed", 1, trouble_text="Gone"), rollout=STOPPED, revision=3),
        ("failed", "Failed", "The replica failed"),
        "Gone. The logs show what it was doing.",
    )
    yield (
        "moving to a revision",
        facts(
            seen("ready", 1, **READY),
            seen("ready", 2, **READY),
            seen("pulling", 3, events=start(30, upto="PullingImage"), progress=PULLING),
            rollout=Rollout(4, done=1, total=3),
        ),
        (
            "ready",
            "Moving to revision 4",
            "Moving to revision 4: 1 of 3 replicas",
        ),
        "Replica 3: pulling the image. 4.7 of 9.8 GB, about 28 s left.",
    )
    yield (
        "moving, the old ones are going",
        facts(
            seen("ready", 1, **READY),
            seen("stopping", 2),
            rollout=Rollout(4, done=1, total=1),
        ),
        (
            "ready",
            "Moving to revision 4",
            "Moving to revision 4: 1 of 1 replica",
        ),
        "The old replicas finish their requests and stop.",
    )
    yield (
        "its GPU is gone",
        facts(
            seen(
                "stopping",
                trouble="GpuLost",
                trouble_text="A10 GPU-1a2b on gpu-02 stopped reporting.",
            )
        ),
        ("stopping", "GPU lost", "GPU lost"),
        "Replica 1: A10 GPU-1a2b on gpu-02 stopped reporting.",
    )
    yield (
        "listens elsewhere",
        facts(
            seen(
                "starting",
                events=start(76, upto="WaitingForPort"),
                progress={
                    "text": "Tried 9 times, every 2 s. Nothing listens on 3000. "
                    "The container listens on 7860.",
                    "ports": [7860],
                },
            )
        ),
        ("starting", "Container started", "Container started"),
        "Tried 9 times, every 2 s. Nothing listens on 3000. "
        "The container listens on 7860.",
    )
    yield (
        "one failed beside a ready one",
        facts(seen("ready", 1, **READY), seen("failed", 2, trouble_text="Gone")),
        ("failed", "1 of 2 ready", "Replica 2 failed"),
        "Gone. The logs show what it was doing.",
    )
    yield (
        "not answering",
        facts(seen("unhealthy", silent_since=ago(28))),
        ("unhealthy", "Not answering", "Running, but not answering"),
        "Port 3000 has not answered for 28 s. It gets no traffic until it does.",
    )
    yield (
        "health check not answering",
        facts(
            seen("unhealthy", silent_since=ago(28)), spec={"health_path": "/healthz"}
        ),
        ("unhealthy", "Not answering", "Running, but not answering"),
        "/healthz has not answered for 28 s. It gets no traffic until it does.",
    )
    yield (
        "scaling up",
        facts(
            seen("ready", 1, **READY),
            seen("ready", 2, **READY),
            seen("pulling", 3, events=start(30, upto="PullingImage"), progress=PULLING),
        ),
        ("ready", "2 of 3 ready", "2 ready, 1 on the way"),
        "Replica 3: pulling the image, 4.7 of 9.8 GB, about 28 s left.",
    )
    yield (
        "in line",
        facts(
            seen(
                "waiting",
                events=start(9, upto="WaitingForHardware"),
                trouble_text="No A10 is free. This replica is 2nd in line.",
            )
        ),
        ("waiting", "Waiting for hardware", "Waiting for hardware"),
        "No A10 is free. This replica is 2nd in line.",
    )
    yield (
        "asking",
        facts(seen("waiting", events=start(9, upto="WaitingForHardware"))),
        ("waiting", "Waiting for hardware", "Waiting for hardware"),
        "Asking for one A10.",
    )
    yield (
        "assigned",
        facts(seen("assigned", events=start(4, upto="HardwareAssigned"), node_id="n1")),
        ("assigned", "Hardware assigned", "Hardware assigned"),
        "A10 24 GB on n1.",
    )
    yield (
        "pulling",
        facts(seen("pulling", events=start(30, upto="PullingImage"), progress=PULLING)),
        ("pulling", "Pulling the image", "Pulling the image"),
        "4.7 of 9.8 GB, about 28 s left.",
    )
    yield (
        "building",
        facts(
            seen("pulling", progress={"text": "Step 3 of 9: RUN pip install torch"}),
            spec={"build": "text-to-image"},
        ),
        ("pulling", "Building the image", "Building the image"),
        "Step 3 of 9: RUN pip install torch.",
    )
    yield (
        "starting the container",
        facts(seen("starting", events=start(60, upto="StartingContainer"))),
        ("starting", "Starting the container", "Starting the container"),
        "app:1, port 3000.",
    )
    yield (
        "waiting for the port, first start",
        facts(seen("starting", events=start(76, upto="WaitingForPort"))),
        ("starting", "Container started", "Container started"),
        "Waiting for port 3000 to answer.",
    )
    yield (
        "waiting for the port, with history",
        facts(
            seen("starting", events=start(76, upto="WaitingForPort")),
            usual=Usual(answer=40, start=102),
        ),
        ("starting", "Container started", "Container started"),
        "Waiting for port 3000 to answer, usually about 25 s more.",
    )
    yield (
        "longer than usual",
        facts(
            seen("starting", events=start(200, upto="WaitingForPort")),
            usual=Usual(answer=40, start=102),
        ),
        ("starting", "Container started", "Container started"),
        "Waiting for port 3000 to answer.",
    )
    yield (
        "one stopping",
        facts(
            seen("ready", 1, **READY),
            seen(
                "stopping",
                2,
                events=[
                    *start(655),
                    event(Reason.DRAINING, 8, "New requests go to other replicas."),
                ],
            ),
        ),
        ("ready", "1 of 2 ready", "1 ready, 1 stopping"),
        "Replica 2: finishing open requests. New requests go to other replicas.",
    )
    yield (
        "ready",
        facts(seen("ready", **READY)),
        ("ready", "Ready", "Ready"),
        "Answering since 12:05:10 UTC. It started in 1 min 42 s.",
    )
    yield (
        "ready for long",
        facts(seen("ready", ready_at=ago(23298), events=start(23400))),
        ("ready", "Ready", "Ready"),
        "Answering for 6 h 28 min. It started in 1 min 42 s.",
    )
    yield (
        "all ready",
        facts(*(seen("ready", n, **READY) for n in (1, 2, 3))),
        ("ready", "3 of 3 ready", "All 3 replicas ready"),
        "Answering since 12:05:10 UTC.",
    )
    yield (
        "scaled to zero",
        facts(min_replicas=0, target_count=0, usual=Usual(start=51)),
        ("slot", "Scaled to zero", "Scaled to zero"),
        "The next request wakes a replica and waits for it, about 50 s. "
        "Nothing runs until then.",
    )
    yield (
        "scaled to zero, never ran",
        facts(min_replicas=0, target_count=0),
        ("slot", "Scaled to zero", "Scaled to zero"),
        "The next request wakes a replica and waits for it. Nothing runs until then.",
    )
    yield (
        "paused",
        facts(paused=True),
        ("stopped", "Paused", "Paused"),
        "Requests get a 503 until you resume. The URL stays the same.",
    )
    yield (
        "pausing",
        facts(seen("stopping"), paused=True),
        ("stopping", "Pausing", "Pausing"),
        "Requests get a 503 until you resume. The URL stays the same.",
    )
    yield (
        "just made",
        facts(),
        ("waiting", "Waiting", "Waiting for a replica"),
        "The first replica is about to start.",
    )
    yield (
        "being deleted",
        facts(seen("failed"), deleting=True),
        ("stopping", "Deleting", "Deleting"),
        "Its replicas stop, then its name is free again.",
    )


CASES = list(cases())


@pytest.mark.parametrize(
    ("known", "head", "sentence"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_it_says(known, head, sentence):
    said = readout(known)
    assert (said.state, said.word, said.headline) == head
    assert text(said.sentence) == sentence


def test_the_worst_speaks_first():
    order = ["failed", "unhealthy", "starting", "pulling", "assigned", "waiting"]
    replicas = [seen(state, n) for n, state in enumerate(reversed(order), 1)]
    told = []
    while replicas:
        told.append(readout(facts(*replicas, max_replicas=8)).state)
        replicas.pop()
    assert told == order


def test_answering_means_that_some_replica_is_ready():
    assert readout(facts(seen("ready"), seen("failed", 2))).answering
    assert not readout(facts(seen("unhealthy"))).answering
    assert not readout(facts(seen("starting"))).answering


def test_progress_of_an_earlier_state_is_not_told():
    stale = seen("starting", events=start(76, upto="WaitingForPort"))
    object.__setattr__(stale, "last_progress", {"state": "pulling", "part": 0.9})
    assert readout(facts(stale)).part is None


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("48%, 4.7 of 9.8 GB", "4.7 of 9.8 GB"),
        ("Step 3 of 9: RUN a, b", "Step 3 of 9: RUN a, b"),
        ("Asking the registry.", "Asking the registry."),
    ],
)
def test_the_percent_stands_under_the_bubble(whole, part):
    assert rest(whole) == part


def test_after_a_stopped_rollout_a_sleeping_one_can_be_woken_and_kept_warm():
    asleep = facts(rollout=STOPPED, min_replicas=0, target_count=0)
    keys = [act.key for act in readout(asleep).acts]
    assert keys == ["edit", "roll-back", "try-again", "wake", "warm"]
    for up in (facts(rollout=STOPPED), facts(seen("starting"), rollout=STOPPED)):
        assert not {"wake", "warm"} & {act.key for act in readout(up).acts}
