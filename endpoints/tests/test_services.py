"""The verbs: one transaction, one line on the timeline, news on commit."""

import pytest
from django.db import transaction

from endpoints import services, signals
from endpoints.ingress.fake import FakeIngress
from endpoints.keys import make_token
from endpoints.models import Endpoint
from endpoints.services import NameTaken, Wish
from endpoints.steps import Reason
from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TemplateFactory,
    TierFactory,
    spec,
)
from endpoints.tests.gates import at_once, gates
from templates_app.spec import ContainerSpec, EnvVar, LogHint, VolumeSpec

__all__ = ["at_once", "gates"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung():
    heard = []

    def listen(endpoint_id, **_):
        heard.append(endpoint_id)

    signals.spec_changed.connect(listen)
    yield heard
    signals.spec_changed.disconnect(listen)


@pytest.fixture
def whisper(alice):
    return EndpointFactory(
        name="whisper", owner=alice, min_replicas=1, max_replicas=3, target_count=2
    )


def story(endpoint):
    return [(e.reason, e.message, e.actor) for e in endpoint.events.all()]


def wish(**fields):
    return Wish(**{"name": "whisper", "spec": spec(), "tier": TierFactory(), **fields})


# --- create ------------------------------------------------------------------
@pytest.mark.parametrize("public", [True, False])
def test_the_address_of_a_new_one_works_at_once(alice, gates, at_once, public):
    key, _ = make_token(alice, "ci")
    at_once(services.create, alice, wish(public=public, hold_seconds=90))
    route = gates.ingress.routes["whisper"]
    assert (route.public, route.state, route.hold) == (public, "starting", 90)
    assert [grant.digest for grant in route.grants] == [key.digest]
    assert route.upstreams == ()


def test_a_new_one_is_made_without_the_ingress(alice, gates, at_once):
    gates.ingress.reachable = False
    at_once(services.create, alice, wish())
    gates.ingress = FakeIngress(slots=0)
    at_once(services.create, alice, wish(name="full"))
    assert Endpoint.objects.count() == 2


def test_create(alice, rung, django_capture_on_commit_callbacks):
    template = TemplateFactory(name="Chat", tier=TierFactory())
    with django_capture_on_commit_callbacks(execute=True):
        endpoint = services.create(
            alice,
            wish(min_replicas=2, max_replicas=4, public=True, display_name="W"),
            template,
        )
        assert rung == []
    assert rung == [endpoint.pk]
    endpoint.refresh_from_db()
    assert (endpoint.owner, endpoint.template) == (alice, template)
    assert (endpoint.template_name, endpoint.display_name) == ("Chat", "W")
    assert (endpoint.target_count, endpoint.wanted_count) == (2, 2)
    assert (endpoint.revision, endpoint.observed_revision) == (1, 0)
    assert endpoint.container == spec()
    (event,) = endpoint.events.all()
    assert (event.reason, event.actor) == (Reason.CREATED, "alice")
    assert event.data == {"how": "Cloned", "template": "Chat"}


def test_a_new_endpoint_starts_once_even_without_a_minimum(alice):
    endpoint = services.create(alice, wish(min_replicas=0))
    assert endpoint.wanted_count == 1
    assert endpoint.events.get().data == {"how": "Made", "template": "lab/app:1"}


def test_a_taken_name_leaves_nothing_behind(alice, bob, rung):
    services.create(alice, wish())
    with pytest.raises(NameTaken, match=r'"whisper" is taken\. Try "whisper-2"\.'):
        services.create(bob, wish())
    assert Endpoint.objects.count() == 1
    # The transaction around it is still of use.
    services.create(bob, wish(name="whisper-2"))


def test_every_kind_of_container_comes_back_as_it_was(alice):
    full = ContainerSpec(
        image="lab/app:1",
        port=80,
        build="text-to-image",
        health_path="/up",
        command=("python",),
        args=("-m", "serve"),
        env=(EnvVar("A", "1"), EnvVar("B", "sealed", secret=True)),
        volume=VolumeSpec("files", "/data"),
        shm_mb=64,
        hints=(LogHint("x", "y", "z", "large-40"),),
    )
    services.create(alice, wish(spec=full))
    row = Endpoint.objects.get()
    assert row.container == full
    assert row.spec == full.to_json()


# --- change ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({"public": True}, [(Reason.OPENED, "")]),
        ({"min_replicas": 2}, [(Reason.SCALED, "Keep 2, up to 3.")]),
        ({"description": "x"}, [(Reason.CHANGED, "New description.")]),
        (
            {"idle_timeout": 5, "concurrency": 2},
            [(Reason.CHANGED, "New idle timeout, requests per replica.")],
        ),
        ({"hold_seconds": 30}, [(Reason.CHANGED, "New hold limit.")]),
        (
            {"public": True, "max_replicas": 4, "start_timeout": 60},
            [
                (Reason.OPENED, ""),
                (Reason.SCALED, "Keep 1, up to 4."),
                (Reason.CHANGED, "New start timeout."),
            ],
        ),
    ],
)
def test_a_light_change_keeps_the_containers(whisper, fields, events):
    services.change(whisper, "bob", **fields)
    whisper.refresh_from_db()
    assert {name: getattr(whisper, name) for name in fields} == fields
    assert whisper.revision == 1
    assert story(whisper) == [(reason, text, "bob") for reason, text in events]


def test_a_heavy_change_counts_up_once(whisper):
    new = spec(image="lab/app:2", command=("a",)).to_json()
    services.change(whisper, "alice", spec=new, tier=MediumTierFactory())
    whisper.refresh_from_db()
    assert whisper.revision == 2
    assert whisper.tier_id == "medium"
    assert story(whisper) == [(Reason.REVISED, "", "alice")]
    kept = {r.number: r.container.image for r in whisper.revisions.all()}
    assert kept == {1: "lab/app:1", 2: "lab/app:2"}


def test_a_change_to_the_same_is_none(
    whisper, rung, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        services.change(
            whisper,
            "alice",
            spec=whisper.container.to_json(),
            tier=whisper.tier,
            min_replicas=1,
            public=False,
        )
    whisper.refresh_from_db()
    assert (whisper.revision, story(whisper), rung) == (1, [], [])


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"min_replicas": 3}, 3),
        ({"max_replicas": 1}, 1),
        ({"min_replicas": 0}, 2),
        ({"max_replicas": 5}, 2),
    ],
)
def test_the_number_wanted_stays_between_the_new_limits(whisper, fields, target):
    assert services.change(whisper, "alice", **fields).target_count == target


def test_what_is_written_by_others_meanwhile_is_kept(whisper):
    """The caller's copy is old: the scaler and the reconciler wrote since."""
    Endpoint.objects.update(phase="ready", ready_count=2, target_count=3)
    services.change(whisper, "alice", description="x")
    whisper.refresh_from_db()
    assert (whisper.phase, whisper.ready_count, whisper.target_count) == ("ready", 2, 3)


@pytest.mark.parametrize("field", ["name", "owner", "phase", "paused", "revision"])
def test_what_is_not_the_users_cannot_be_changed(whisper, field):
    with pytest.raises(TypeError, match=field):
        services.change(whisper, "alice", **{field: "x"})


# --- pause, resume, delete ---------------------------------------------------
def test_pause_and_resume_once_each(whisper, rung, django_capture_on_commit_callbacks):
    done = []
    for verb in (services.resume, services.pause, services.pause, services.resume):
        with django_capture_on_commit_callbacks(execute=True):
            done.append((verb(whisper, "bob"), whisper.paused, whisper.wanted_count))
    assert done == [
        (False, False, 2),
        (True, True, 0),
        (False, True, 0),
        (True, False, 2),
    ]
    assert story(whisper) == [(Reason.PAUSED, "", "bob"), (Reason.RESUMED, "", "bob")]
    assert rung == [whisper.pk] * 2


def test_delete_is_asked_for_once(whisper, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert services.delete(whisper, "alice") is True
        assert services.delete(whisper, "alice") is False
    assert whisper.wanted_count == 0
    assert story(whisper) == [(Reason.DELETING, "", "alice")]
    assert rung == [whisper.pk]
    assert services.pause(whisper, "alice") is False
    assert whisper not in Endpoint.objects.alive()


def test_what_is_rolled_back_is_not_told(
    whisper, rung, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        services.pause(whisper, "alice")
        transaction.set_rollback(True)
    whisper.refresh_from_db()
    assert (whisper.paused, story(whisper), rung) == (False, [], [])


def test_the_ingress_hears_of_access_at_once(whisper, gates, at_once):
    gates.open(whisper)
    for public in (True, False):
        at_once(services.change, whisper, "alice", public=public)
        assert gates.ingress.routes[whisper.name].public is public
    gates.ingress.reachable = False
    assert at_once(services.change, whisper, "alice", public=True).public
