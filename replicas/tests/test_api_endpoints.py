"""REST: make, read, change, delete. Alice owns, Bob has his own, Charlie has none."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints import worker
from endpoints.models import Endpoint
from endpoints.sealing import unseal
from endpoints.steps import Reason
from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TierFactory,
    caller,
    secret_var,
    spec,
    volume,
)
from replicas.states import ReplicaState
from replicas.tests.factories import NodeFactory, ReplicaFactory

pytestmark = pytest.mark.django_db

LEAST = {"name": "whisper", "image_url": "lab/whisper:1", "port": 8000}
CANARY = "canary-5f0c-never-shown"
# What answers carry and nobody sets.
REPORTED = {"endpoint", "phase", "template", "created_at", "warm_until", "replicas"}


@pytest.fixture(autouse=True)
def tiers():
    TierFactory()
    MediumTierFactory()


def post(user, **fields):
    return caller(user).post("/v1/endpoint", {**LEAST, **fields}, format="json")


def patch(user, name="whisper", **fields):
    return caller(user).patch(f"/v1/endpoint/{name}", fields, format="json")


def refused(answer, field):
    """The sentences about a field of a refusal, and nothing about others."""
    assert answer.status_code == 400, answer.json()
    assert list(answer.json()["error"]["fields"]) == [field]
    return answer.json()["error"]["fields"][field]


# --- POST --------------------------------------------------------------------
def test_the_least_there_is_to_say(alice):
    answer = post(alice)
    assert answer.status_code == 201
    shown = answer.json()
    created_at = shown.pop("created_at")
    assert created_at.endswith("Z")
    assert shown == {
        "name": "whisper",
        "display_name": "",
        "description": "",
        "image_url": "lab/whisper:1",
        "port": 8000,
        "health_check_path": "",
        "env_overrides": {},
        "command": [],
        "args": [],
        "instance_type": "cpu",
        "min_replicas": 0,
        "max_replicas": 3,
        "scale_to_zero": 300,
        "start_timeout": 600,
        "concurrency_per_replica": 16,
        "hold_seconds": 300,
        "visibility": "private",
        "endpoint_state": "active",
        "volumes_experimental": [],
        "registry_credential": None,
        "container_secrets": [],
        "warm_until": None,
        "endpoint": "http://whisper.localhost:8080",
        "phase": "waiting",
        "template": "",
        "replicas": [],
    }


def test_everything_there_is_to_say(alice):
    wish = {
        "display_name": "Whisper, large",
        "description": "Speech to text.\nFor the lab.",
        "health_check_path": "/healthz",
        "env_overrides": {"MODEL": "large-v3", "EMPTY": ""},
        "command": ["python"],
        "args": ["-m", "serve", ""],
        "instance_type": "medium",
        "min_replicas": 1,
        "max_replicas": 2,
        "scale_to_zero": 0,
        "start_timeout": 900,
        "concurrency_per_replica": 4,
        "visibility": "public",
        "endpoint_state": "disabled",
        "volumes_experimental": [{"name": "models", "path": "", "mount": "/models"}],
        "registry_credential": None,
        "container_secrets": [],
    }
    answer = post(alice, **wish)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in wish} == wish
    row = Endpoint.objects.get()
    assert row.owner == alice
    assert row.paused
    assert row.container.command == ("python",)
    assert row.container.volume == volume("models", "/models")
    assert [e.reason for e in row.events.all()] == [Reason.CREATED, Reason.PAUSED]
    again = caller(alice).get("/v1/endpoint/whisper")
    assert again.json() == answer.json()


def test_null_leaves_a_field_open(alice):
    names = ["min_replicas", "max_replicas", "scale_to_zero", "instance_type"]
    more = ["health_check_path", "env_overrides", "volumes_experimental", "command"]
    answer = post(alice, **dict.fromkeys([*names, *more]))
    assert answer.status_code == 201
    assert answer.json()["max_replicas"] == 3


def test_a_minimum_alone_lifts_the_maximum(alice):
    assert post(alice, min_replicas=5).json()["max_replicas"] == 5


@pytest.mark.parametrize(
    ("alias", "slug"), [("gpu.a10g.medium", "medium"), ("medium", "medium")]
)
def test_a_tier_by_the_name_another_service_gave_it(alice, alias, slug):
    assert post(alice, instance_type=alias).json()["instance_type"] == slug


def test_what_must_be_there(alice):
    answer = caller(alice).post("/v1/endpoint", {}, format="json")
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": "invalid",
        "message": "3 fields need a change.",
        "fields": {
            "name": ["Give the endpoint a name. It becomes part of its URL."],
            "image_url": [
                "Enter the image to run, such as registry.lab.example/app:1.0."
            ],
            "port": ["Enter a port from 1 to 65535."],
        },
    }
    assert not Endpoint.objects.exists()


BAD = [
    ("name", "Whisper", 'Use lowercase letters: "whisper".'),
    ("name", "9lives", "Start with a letter."),
    ("name", "x" * 41, "Keep it to 40 characters. This is 41."),
    ("name", None, "Give the endpoint a name. It becomes part of its URL."),
    ("name", ["whisper"], "Write this as text."),
    ("name", True, "Write this as text."),
    ("image_url", "", "Enter the image to run, such as registry.lab.example/app:1.0."),
    (
        "image_url",
        "not an image",
        "That is not an image name. Write it like registry.lab.example/app:1.0.",
    ),
    ("port", 0, "Enter a port from 1 to 65535."),
    ("port", 65536, "Enter a port from 1 to 65535."),
    ("port", "http", "Enter a whole number."),
    ("port", True, "Enter a whole number."),
    ("port", 80.5, "Enter a whole number."),
    ("port", 10**400, "Enter a port from 1 to 65535."),
    ("health_check_path", "healthz", 'Start the path with a slash: "/healthz".'),
    ("health_check_path", "/a b", "Leave spaces and line breaks out of the path."),
    ("env_overrides", [], None),
    ("env_overrides", {"1A": "x"}, None),
    ("env_overrides", {"A\n": "x"}, None),
    (
        "env_overrides",
        {"A": 1},
        '"A": Write the value as text, in quotes, such as "8".',
    ),
    (
        "env_overrides",
        {"A": "\x00"},
        '"A": Leave out the characters that are not text.',
    ),
    (
        "env_overrides",
        {"A": None},
        '"A": No secret of this name is kept. Send its value.',
    ),
    (
        "command",
        "python serve.py",
        'Send a list of words, such as ["python", "serve.py"].',
    ),
    ("args", [1], 'Send a list of words, such as ["python", "serve.py"].'),
    ("instance_type", "gpu.t4.medium", None),
    ("instance_type", {}, None),
    ("min_replicas", -1, "Keep at least 0 replicas."),
    ("max_replicas", 0, "Allow at least 1 replica."),
    ("max_replicas", 9, "Keep the maximum to 8 replicas."),
    ("scale_to_zero", -1, "Enter 0 to 86,400 seconds."),
    ("start_timeout", 5, "Enter 10 to 86,400 seconds."),
    ("concurrency_per_replica", 0, "Enter 1 to 500 requests."),
    ("concurrency_per_replica", 501, "Enter 1 to 500 requests."),
    ("hold_seconds", 3601, "Enter 0 to 3,600 seconds."),
    ("visibility", "secret", "Choose private or public."),
    ("visibility", [], "Choose private or public."),
    ("endpoint_state", "paused", "Choose active or disabled."),
    ("display_name", "x" * 81, "Keep it to 80 characters. This is 81."),
    (
        "registry_credential",
        "hub",
        "You have no registry sign-in hub. Add it with POST /v1/registry-credential.",
    ),
    (
        "container_secrets",
        ["HF_TOKEN"],
        "You have no secret HF_TOKEN. Add it with POST /v1/secret.",
    ),
    ("container_secrets", "HF_TOKEN", 'Send a list of keys, such as ["HF_TOKEN"].'),
    ("container_secrets", [7], 'Send a list of keys, such as ["HF_TOKEN"].'),
    ("container_secrets", ["A"] * 201, "Keep it to 200 secrets."),
    ("replicas", [], "This is reported. Set min_replicas and max_replicas."),
    ("endpoint", "http://x", "This is reported, not set. Leave it out."),
    ("imge_url", "x", 'There is no "imge_url". Did you mean "image_url"?'),
    ("max_replica", 1, 'There is no "max_replica". Did you mean "max_replicas"?'),
]


@pytest.mark.parametrize(("field", "value", "sentence"), BAD)
def test_a_value_that_cannot_be(alice, field, value, sentence):
    answer = post(alice, **{field: value})
    told = refused(answer, field)
    assert len(told) == 1
    assert sentence in {None, told[0]}
    assert answer.json()["error"]["message"] == told[0]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("container_secrets", ["A", "a\ud800"]), ("registry_credential", "a\ud800")],
)
def test_a_name_that_is_no_text(alice, field, value):
    EndpointFactory(owner=alice, name="art")
    # As a program sends it; the framework's own client cannot.
    answer = caller(alice).generic(
        "PATCH", "/v1/endpoint/art", json.dumps({field: value}), "application/json"
    )
    assert refused(answer, field) == ["Leave out the characters that are not text."]


def test_a_minimum_above_the_maximum(alice):
    told = refused(post(alice, min_replicas=3, max_replicas=1), "min_replicas")
    assert told == [
        "Minimum is above maximum. Raise the maximum to 3 or lower the minimum to 1."
    ]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"name": "Bad Name", "mount": "/data"}, "volumes_experimental.0.name"),
        ({"name": "files", "mount": "data"}, "volumes_experimental.0.mount"),
        ({"name": "files"}, "volumes_experimental.0.mount"),
        ({"name": "f", "mount": "/d", "path": "/x"}, "volumes_experimental.0.path"),
        ({"name": "f", "mount": "/d", "size": 1}, "volumes_experimental.0.size"),
        ("files", "volumes_experimental.0"),
    ],
)
def test_a_volume_that_cannot_be(alice, item, field):
    refused(post(alice, volumes_experimental=[item]), field)


def test_one_volume_is_all(alice):
    two = [{"name": "a", "mount": "/a"}, {"name": "b", "mount": "/b"}]
    told = refused(post(alice, volumes_experimental=two), "volumes_experimental")
    assert told == ["Mount one volume. More are not possible here."]


def test_a_name_that_is_taken_even_by_someone_else(alice, bob):
    post(alice)
    answer = post(bob)
    assert answer.status_code == 409
    assert answer.json()["error"] == {
        "code": "name_taken",
        "message": '"whisper" is taken. Try "whisper-2".',
        "fields": {"name": ['"whisper" is taken. Try "whisper-2".']},
    }


def test_no_tier_yet(alice):
    Endpoint.objects.all().delete()
    from templates_app.models import Tier

    Tier.objects.all().delete()
    assert refused(post(alice), "instance_type") == [
        "There is no hardware tier yet. Load the catalogue."
    ]


# --- GET ---------------------------------------------------------------------
def test_each_sees_their_own(alice, bob, charlie, people):
    post(alice)
    post(bob, name="chat")
    admin = people("grace", is_superuser=True)

    def names(user):
        return [e["name"] for e in caller(user).get("/v1/endpoints").json()]

    assert names(alice) == ["whisper"]
    assert names(bob) == ["chat"]
    assert names(charlie) == []
    assert names(admin) == ["chat", "whisper"]


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_what_is_someone_elses_is_not_there(alice, charlie, method):
    post(alice, visibility="public")
    answers = [
        getattr(caller(charlie), method)(f"/v1/endpoint/{name}", format="json")
        for name in ("whisper", "nothing")
    ]
    assert [a.status_code for a in answers] == [404, 404]
    first, second = (a.json()["error"] for a in answers)
    # Not even the words tell whether the name exists.
    assert first["message"].replace("whisper", "nothing") == second["message"]
    assert Endpoint.objects.get().deleting is False


@pytest.mark.parametrize(
    ("state", "node_down", "status", "age"),
    [
        (ReplicaState.WAITING, False, "pending", -1),
        (ReplicaState.PULLING, False, "pending", -1),
        (ReplicaState.STARTING, True, "pending", -1),
        (ReplicaState.READY, False, "running", 60),
        (ReplicaState.READY, True, "unknown", 60),
        (ReplicaState.UNHEALTHY, False, "running", -1),
        (ReplicaState.STOPPING, False, "running", -1),
        (ReplicaState.FAILED, False, "failed", -1),
    ],
)
def test_a_replica_in_the_words_of_the_api(
    alice, time_machine, state, node_down, status, age
):
    time_machine.move_to("2026-03-01T12:00:00Z", tick=False)
    down = timezone.now() if node_down else None
    node = NodeFactory(unreachable_since=down)
    replica = ReplicaFactory(
        ready=True,
        endpoint=EndpointFactory(name="whisper", owner=alice),
        node=node,
        state=state,
        attempt=3,
        ready_at=timezone.now() - timedelta(seconds=60),
    )
    ReplicaFactory(endpoint=replica.endpoint, state=ReplicaState.STOPPED)
    account = caller(alice).get("/v1/account").json()["account_key"]
    assert caller(alice).get("/v1/endpoint/whisper").json()["replicas"] == [
        {
            "account_key": account,
            "endpoint_name": "whisper",
            "replica_id": str(replica.pk),
            "number": 1,
            "status": status,
            "state": state,
            "restarts": 2,
            "age": age,
            "trouble": "",
        }
    ]


def test_a_long_list_asks_no_more_questions(alice, django_assert_num_queries):
    client = caller(alice)
    for _ in range(3):
        ReplicaFactory(ready=True, endpoint=EndpointFactory(owner=alice))
    client.get("/v1/endpoints")  # notes when the token was used
    # The token, the endpoints, their replicas with nodes.
    with django_assert_num_queries(4):
        assert len(client.get("/v1/endpoints").json()) == 3


# --- PATCH -------------------------------------------------------------------
def test_only_what_is_sent_changes(alice):
    before = post(alice, env_overrides={"A": "1"}).json()
    answer = patch(alice, description="New", scale_to_zero=60)
    assert answer.status_code == 200
    assert answer.json() == {**before, "description": "New", "scale_to_zero": 60}
    assert Endpoint.objects.get().revision == 1


@pytest.mark.parametrize(
    "change",
    [
        {"image_url": "lab/whisper:2"},
        {"health_check_path": "/up"},
        {"env_overrides": {"A": "2"}},
        {"command": ["serve"]},
        {"args": ["--fast"]},
        {"instance_type": "medium"},
        {"volumes_experimental": [{"name": "files", "path": "", "mount": "/data"}]},
    ],
)
def test_another_container_counts_up_the_generation_once(alice, change):
    post(alice)
    for _ in range(2):
        answer = patch(alice, **change)
        assert {name: answer.json()[name] for name in change} == change
    assert Endpoint.objects.get().revision == 2


def test_what_a_get_gave_can_be_sent_back(alice):
    shown = post(alice, env_overrides={"A": "1"}, command=["x"]).json()
    writable = {name: value for name, value in shown.items() if name not in REPORTED}
    assert patch(alice, **writable).json() == shown
    row = Endpoint.objects.get()
    assert row.revision == 1
    assert [e.reason for e in row.events.all()] == [Reason.CREATED]


def test_null_empties_a_text(alice):
    post(alice, health_check_path="/up", description="x", command=["serve"])
    shown = patch(alice, health_check_path=None, description=None, command=None).json()
    assert (shown["health_check_path"], shown["description"]) == ("", "")
    assert shown["command"] == []


def test_the_name_is_set_once(alice):
    post(alice)
    answer = caller(alice).patch(
        "/v1/endpoint/whisper", {"name": "other"}, format="json"
    )
    assert "cannot be changed" in refused(answer, "name")[0]


def test_another_port_is_another_revision(alice):
    post(alice)
    assert patch(alice, port=8000).json()["port"] == 8000
    assert Endpoint.objects.get().revision == 1
    assert patch(alice, port=8001).json()["port"] == 8001
    assert Endpoint.objects.get().revision == 2


def test_a_change_is_whole_or_nothing(alice):
    before = post(alice).json()
    answer = patch(alice, description="New", env_overrides={"A": None})
    assert answer.status_code == 400
    assert caller(alice).get("/v1/endpoint/whisper").json() == before


@pytest.mark.parametrize(("change", "field"), [({"min_replicas": 5}, "min_replicas")])
def test_a_minimum_is_compared_with_the_maximum_there_is(alice, change, field):
    post(alice)
    refused(patch(alice, **change), field)


def test_pause_and_resume(alice):
    post(alice)
    assert (
        patch(alice, endpoint_state="disabled").json()["endpoint_state"] == "disabled"
    )
    patch(alice, endpoint_state="disabled")
    assert patch(alice, endpoint_state="active").json()["endpoint_state"] == "active"
    told = [e.reason for e in Endpoint.objects.get().events.all()]
    assert told == [Reason.CREATED, Reason.PAUSED, Reason.RESUMED]


def test_a_built_image_replaced_by_a_pulled_one(alice):
    EndpointFactory(
        name="whisper", owner=alice, spec=spec(build="text-to-image").to_json()
    )
    patch(alice, image_url="lab/app:1")
    assert Endpoint.objects.get().container.build == "text-to-image"
    patch(alice, image_url="lab/app:2")
    assert Endpoint.objects.get().container.build == ""


def test_the_superuser_may_change_and_is_named(alice, people):
    post(alice)
    patch(people("grace", is_superuser=True), visibility="public")
    event = Endpoint.objects.get().events.last()
    assert (event.reason, event.actor) == (Reason.OPENED, "grace")
    assert Endpoint.objects.get().owner == alice


# --- Secrets -----------------------------------------------------------------
@pytest.fixture
def with_secret(alice):
    env = (secret_var("HF_TOKEN", CANARY),)
    made = spec(env=(*env, *spec().env))
    return EndpointFactory(name="whisper", owner=alice, spec=made.to_json())


def test_a_secret_reads_as_null_and_null_keeps_it(alice, with_secret):
    sealed = with_secret.container.env[0].value
    shown = caller(alice).get("/v1/endpoint/whisper").json()
    assert shown["env_overrides"] == {"HF_TOKEN": None}
    env = {"HF_TOKEN": None, "MODEL": "x"}
    assert patch(alice, env_overrides=env).json()["env_overrides"] == env
    kept = Endpoint.objects.get().container.env[0]
    assert (kept.value, kept.secret) == (sealed, True)
    assert unseal(kept.value) == CANARY
    assert patch(alice, env_overrides={}).json()["env_overrides"] == {}


def test_a_new_value_for_a_secret_is_a_secret(alice, with_secret):
    env = {"HF_TOKEN": "another canary"}
    assert patch(alice, env_overrides=env).json()["env_overrides"] == {"HF_TOKEN": None}
    kept = Endpoint.objects.get().container.env[0]
    assert (unseal(kept.value), kept.secret) == ("another canary", True)


def test_a_secret_is_in_no_answer(alice, with_secret):
    client = caller(alice)
    client.patch(
        "/v1/endpoint/whisper", {"env_overrides": {"HF_TOKEN": None}}, format="json"
    )
    sealed = with_secret.container.env[0].value
    for path in (
        "/v1/endpoints",
        "/v1/endpoint/whisper",
        "/v1/endpoint/whisper/container/metadata",
        "/v1/events/whisper",
        "/v1/logs/whisper",
        "/v1/account",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert CANARY not in answer.content.decode()
        assert sealed not in answer.content.decode()


# --- DELETE ------------------------------------------------------------------
def test_delete(alice):
    post(alice)
    for _ in range(2):
        answer = caller(alice).delete("/v1/endpoint/whisper")
        assert (answer.status_code, answer.content) == (204, b"")
    row = Endpoint.objects.get()
    assert row.deleting
    assert [e.reason for e in row.events.all()] == [Reason.CREATED, Reason.DELETING]
    refusal = patch(alice, description="x")
    assert refusal.status_code == 409
    assert refusal.json()["error"]["code"] == "conflict"


# --- metadata ----------------------------------------------------------------
@pytest.mark.parametrize("digest", [None, "sha256:" + "0" * 64])
def test_container_metadata(alice, digest):
    image = f"lab/app:1@{digest}" if digest else "lab/app:1"
    post(alice, image_url=image, env_overrides={"A": "1"})
    answer = caller(alice).get("/v1/endpoint/whisper/container/metadata")
    assert answer.json() == {
        "image_url": image,
        "digest": digest,
        "exposed_ports": [{"port_num": 8000, "proto": "tcp"}],
        "labels": {},
        "env": {"A": "1"},
    }


def test_container_metadata_says_what_the_image_says(alice, monkeypatch):
    asked = []

    def facts(*image):
        asked.append(image)
        return worker.ImageFacts(True, (7860, 9000), (), 10, "sha256:" + "1" * 64)

    monkeypatch.setattr(worker, "image_facts", facts)
    post(alice)
    told = caller(alice).get("/v1/endpoint/whisper/container/metadata").json()
    assert [p["port_num"] for p in told["exposed_ports"]] == [7860, 9000]
    assert told["digest"] == "sha256:" + "1" * 64
    assert asked == [(alice.pk, "lab/whisper:1", "")]
