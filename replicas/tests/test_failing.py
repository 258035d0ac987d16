"""Each failure is one event with a name, its reason, and the last lines beside it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints.models import Event
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory, MediumTierFactory, spec
from replicas import progress, services
from replicas.engine.fake import FakeEngine, FakeImage, World
from replicas.reconciler import failing
from replicas.reconciler.words import exit_trouble, exited
from replicas.tests.factories import ReplicaFactory

pytestmark = [pytest.mark.valkey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world(valkey, monkeypatch):
    world = World()
    world.images["lab/app:1"] = FakeImage(ports=(80,))
    engine = FakeEngine(world)
    monkeypatch.setattr("replicas.ports.get_engine", lambda: engine)
    return world


def starting(**changes):
    made = EndpointFactory(tier=MediumTierFactory(), spec=spec(**changes).to_json())
    return ReplicaFactory(endpoint=made, state="starting", container_id="c" * 64)


def story(replica):
    rows = Event.objects.filter(replica_id=replica.pk)
    return [(e.reason, e.data.get("trouble"), e.message) for e in rows]


def test_out_of_memory_says_how_much(world):
    replica = starting()
    failing.exited(replica, 137, oom=True, error="", tail=["one", "two"])
    (mishap, wait) = story(replica)
    text = "Out of memory: it used 30.0 of 30 GB."
    assert mishap == (Reason.EXITED, "OutOfMemory", text)
    assert wait == (Reason.BACKING_OFF, None, "Restart 1 follows in 10 s.")
    event = Event.objects.get(reason=Reason.EXITED)
    assert (event.data["code"], event.data["tail"]) == (137, ["one", "two"])


def test_one_that_was_killed_may_have_run_out_of_memory_unheard(world):
    replica = starting()
    failing.exited(replica, 137, oom=False, error="", tail=[])
    text = "It was killed: by somebody, or because it ran out of memory."
    assert story(replica)[0] == (Reason.EXITED, "Killed", text)


def test_a_clean_exit_is_no_crash(world):
    replica = starting()
    failing.exited(replica, 0, oom=False, error="", tail=[])
    assert story(replica)[0][:2] == (Reason.ENDED, "Ended")
    assert not Event.objects.filter(warning=True).exists()


@pytest.mark.parametrize(
    ("code", "oom", "trouble"),
    [
        (0, False, "Ended"),
        (1, True, "Exited"),
        (126, False, "NoSuchCommand"),
        (127, False, "NoSuchCommand"),
        (137, False, "Killed"),
        (137, True, "OutOfMemory"),
    ],
)
def test_exit_codes_have_names(code, oom, trouble):
    assert exit_trouble(code, oom) == trouble


def test_one_that_fails_for_months_goes_on_failing(world):
    replica = starting()
    services.note(replica, failures=failing.MOST_FAILURES)
    assert failing.exited(replica, 1, oom=False, error="", tail=())
    replica.refresh_from_db()
    assert (replica.state, replica.failures) == ("failed", failing.MOST_FAILURES)


def test_the_engine_knows_which_program_was_missing():
    error = "A program was not found. Check the command, which starts “serve”."
    assert exited(127, False, 4, error) == error
    assert exited(1, False, 4, error) == ""


def test_a_health_check_that_never_passed_says_what_it_answered(world):
    replica = starting(health_path="/healthz")
    seen = {"replica": replica.pk, "state": "starting", "heard": "404"}
    progress.write(replica.endpoint_id, seen)
    failing.timed_out(replica, ["ready"])
    (reason, trouble, text) = story(replica)[0]
    assert (reason, trouble) == (Reason.START_TIMEOUT, "HealthCheckFailed")
    assert text.startswith("/healthz answered 404, never 200, for 10 min.")
    event = Event.objects.get(reason=Reason.START_TIMEOUT)
    assert (event.data["ports"], event.data["tail"]) == ([], ["ready"])


@pytest.mark.parametrize("path", ["", "/healthz"])
def test_the_wrong_port_is_told_with_the_one_the_image_says(world, path):
    replica = starting(health_path=path)
    failing.timed_out(replica, [])
    (_, trouble, text) = story(replica)[0]
    assert trouble == "WrongPort"
    assert "Nothing listens on 7860. The image says it uses 80." in text
    assert Event.objects.get(reason=Reason.START_TIMEOUT).data["ports"] == [80]


def test_not_waiting_for_the_next_try(world, alice):
    replica = starting()
    failing.exited(replica, 1, oom=False, error="", tail=[])
    assert replica.retry_at > timezone.now() + timedelta(seconds=5)
    assert services.try_now(replica, alice)
    replica.refresh_from_db()
    assert replica.retry_at <= timezone.now()
    assert not services.try_now(replica, alice)
    told = Event.objects.filter(reason=Reason.RESTARTED).values_list("actor", flat=True)
    assert list(told) == ["alice"]
