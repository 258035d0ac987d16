"""REST: secrets and registry sign-ins. Charlie sees none of Alice's."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from endpoints import services, worker
from endpoints.models import Endpoint, RegistryCredential, Revision, Secret
from endpoints.sealing import unseal
from endpoints.tests.factories import EndpointFactory, TierFactory, caller, spec

pytestmark = pytest.mark.django_db
CANARY = "canary-77ab-never-shown"
SIGN_IN = {
    "key": "github",
    "registry": "https://GHCR.io/",
    "username": "ada",
    "password": CANARY,
}


@pytest.fixture
def registry(monkeypatch):
    """What the worker was asked; `fails` is what it says instead of yes."""

    class Registry:
        fails = None
        asked = ()

        def check(self, *asked):
            self.asked = (*self.asked, asked)
            if self.fails:
                raise self.fails

    found = Registry()
    monkeypatch.setattr(worker, "check_sign_in", found.check)
    return found


def send(user, method, path, **body):
    return getattr(caller(user), method)(f"/v1/{path}", body, format="json")


def error(answer, status):
    assert answer.status_code == status, answer.content
    return answer.json()["error"]


def using(owner, **container):
    return EndpointFactory(owner=owner, name="art", spec=spec(**container).to_json())


# --- Secrets -----------------------------------------------------------------
def test_a_secret_is_kept_sealed_and_never_shown(alice):
    made = send(alice, "post", "secret", key="HF_TOKEN", value=CANARY)
    assert made.status_code == 201
    shown = made.json()
    assert set(shown) == {"key", "created_at", "updated_at", "used_by"}
    assert (shown["key"], shown["used_by"]) == ("HF_TOKEN", [])
    assert send(alice, "get", "secret/HF_TOKEN").json() == shown
    assert send(alice, "get", "secrets").json() == [shown]
    assert CANARY not in Secret.objects.get().sealed
    assert unseal(Secret.objects.get().sealed) == CANARY


@pytest.mark.parametrize("value", [" spaces ", "two\nlines\n", "日本"])
def test_a_value_is_kept_as_it_was_sent(alice, value):
    send(alice, "post", "secret", key="A", value=value)
    assert unseal(Secret.objects.get().sealed) == value


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        ({"value": "x"}, "key", 'Give the secret a name, such as "HF_TOKEN".'),
        ({"key": "1X", "value": "x"}, "key", "Use letters, digits and underscores"),
        ({"key": "A" * 101, "value": "x"}, "key", "Keep it to 100 characters."),
        ({"key": "A"}, "value", "Enter the value."),
        ({"key": "A", "value": ""}, "value", "Enter the value."),
        ({"key": "A", "value": "a\0b"}, "value", "characters that are not text"),
        ({"key": "A", "value": 7.5, "x": 1}, "x", 'There is no "x".'),
        ({"key": "A", "value": "x", "used_by": []}, "used_by", "reported, not set"),
    ],
)
def test_a_refusal_names_the_field(alice, body, field, sentence):
    refusal = error(send(alice, "post", "secret", **body), 400)
    assert sentence in refusal["fields"][field][0]
    assert not Secret.objects.exists()


def test_a_key_is_taken_once_for_each_account(alice, charlie):
    send(alice, "post", "secret", key="A", value="first")
    refusal = error(send(alice, "post", "secret", key="A", value="second"), 409)
    assert refusal["code"] == "name_taken"
    assert refusal["fields"]["key"][0].startswith("You have a secret A.")
    assert unseal(Secret.objects.get().sealed) == "first"
    assert send(charlie, "post", "secret", key="A", value="x").status_code == 201


def test_a_value_is_replaced(alice):
    send(alice, "post", "secret", key="A", value="first")
    before = Secret.objects.get()
    shown = send(alice, "put", "secret/A", value="second")
    assert shown.status_code == 200
    after = Secret.objects.get()
    assert unseal(after.sealed) == "second"
    assert after.updated_at > before.updated_at
    assert "Enter the value." in error(send(alice, "put", "secret/A"), 400)["message"]


def test_what_is_used_is_not_deleted(alice):
    send(alice, "post", "secret", key="A", value="x")
    using(alice, secrets=("A",))
    assert send(alice, "get", "secret/A").json()["used_by"] == ["art"]
    refusal = error(send(alice, "delete", "secret/A"), 409)
    assert refusal["message"].startswith("art uses A. Take it off there")
    # Another account's endpoint has nothing to do with it.
    Endpoint.objects.all().delete()
    using(caller_of("bob"), secrets=("A",))
    assert send(alice, "delete", "secret/A").status_code == 204
    assert error(send(alice, "delete", "secret/A"), 404)


def caller_of(name):
    from endpoints.tests.factories import UserFactory

    return UserFactory(username=name)


def test_what_would_be_fallen_back_to_counts_as_used(alice):
    send(alice, "post", "secret", key="A", value="x")
    endpoint = using(alice, secrets=("A",))
    first = endpoint.revisions.get()
    Revision.objects.filter(pk=first.pk).update(settled_at=first.created_at)
    services.change(endpoint, "alice", spec=spec().to_json())
    assert error(send(alice, "delete", "secret/A"), 409)
    # The new one could not become ready: the first serves.
    rows = Revision.objects.filter(number=2)
    rows.update(failed_at=first.created_at)
    assert error(send(alice, "delete", "secret/A"), 409)
    rows.update(failed_at=None, settled_at=first.created_at)
    assert send(alice, "delete", "secret/A").status_code == 204


def test_an_endpoint_that_is_being_deleted_uses_nothing(alice):
    send(alice, "post", "secret", key="A", value="x")
    services.delete(using(alice, secrets=("A",)), "alice")
    assert send(alice, "delete", "secret/A").status_code == 204


@pytest.mark.parametrize("kind", ["secrets", "registry-credentials"])
def test_lists_take_a_fixed_number_of_queries(alice, registry, kind):
    client = caller(alice)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert client.get(f"/v1/{kind}").status_code == 200
        return len(seen)

    def more(n):
        send(alice, "post", "secret", key=f"S{n}", value="x")
        send(alice, "post", "registry-credential", **{**SIGN_IN, "key": f"r{n}"})
        endpoint = EndpointFactory(
            owner=alice, spec=spec(secrets=(f"S{n}",), registry=f"r{n}").to_json()
        )
        rows = endpoint.revisions.all()
        rows.update(settled_at=endpoint.created_at)
        services.change(endpoint, "alice", spec=spec().to_json())

    more(0)
    first = queries()
    for n in range(1, 6):
        more(n)
    assert queries() == first


# --- Registry sign-ins -------------------------------------------------------
def test_a_sign_in_is_tried_then_kept(alice, registry):
    made = send(alice, "post", "registry-credential", **SIGN_IN)
    assert made.status_code == 201, made.content
    assert registry.asked == (("ghcr.io", "ada", CANARY),)
    shown = made.json()
    assert (shown["registry"], shown["username"]) == ("ghcr.io", "ada")
    assert shown["checked_at"].endswith("Z")
    assert CANARY not in made.content.decode()
    assert send(alice, "get", "registry-credential/github").json() == shown
    assert send(alice, "get", "registry-credentials").json() == [shown]
    row = RegistryCredential.objects.get()
    assert CANARY not in row.sealed
    assert unseal(row.sealed) == CANARY


@pytest.mark.parametrize(
    "written", [None, "", "docker.io", "https://index.docker.io/v1/"]
)
def test_nothing_is_docker_hub(alice, registry, written):
    body = {**SIGN_IN, "registry": written}
    answer = send(alice, "post", "registry-credential", **body)
    assert answer.json()["registry"] == "docker.io"


def test_the_key_may_be_sent_as_name(alice, registry):
    body = {n if n != "key" else "name": v for n, v in SIGN_IN.items()}
    answer = send(alice, "post", "registry-credential", **body)
    assert answer.json()["key"] == "github"


@pytest.mark.parametrize(
    ("reason", "field"),
    [("RegistryRefused", "password"), ("RegistryUnreachable", "registry")],
)
def test_what_the_registry_does_not_take_is_not_kept(alice, registry, reason, field):
    registry.fails = worker.WorkerRefused("It said no. Check it.", reason)
    refusal = error(send(alice, "post", "registry-credential", **SIGN_IN), 400)
    assert refusal["fields"] == {field: ["It said no. Check it."]}
    assert not RegistryCredential.objects.exists()


def test_without_the_worker_it_is_kept_unchecked(alice, registry):
    registry.fails = worker.WorkerAway("The worker does not answer.")
    answer = send(alice, "post", "registry-credential", **SIGN_IN)
    assert (answer.status_code, answer.json()["checked_at"]) == (201, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "Git Hub"}, "key"),
        ({"registry": "ghcr.io/library"}, "registry"),
        ({"registry": "ghcr.io:99999"}, "registry"),
        ({"username": ""}, "username"),
        ({"username": "a:b"}, "username"),
        ({"password": ""}, "password"),
    ],
)
def test_nothing_is_asked_for_what_cannot_be(alice, registry, change, field):
    answer = send(alice, "post", "registry-credential", **{**SIGN_IN, **change})
    assert field in error(answer, 400)["fields"]
    assert registry.asked == ()


def test_a_taken_key_is_said_before_the_registry_is_asked(alice, registry):
    send(alice, "post", "registry-credential", **SIGN_IN)
    refusal = error(send(alice, "post", "registry-credential", **SIGN_IN), 409)
    assert "You have a sign-in github." in refusal["message"]
    assert len(registry.asked) == 1


def test_a_sign_in_is_replaced(alice, registry):
    send(alice, "post", "registry-credential", **SIGN_IN)
    body = {"registry": "lab.example:5000", "username": "bo", "password": "new"}
    shown = send(alice, "put", "registry-credential/github", **body).json()
    assert (shown["registry"], shown["username"]) == ("lab.example:5000", "bo")
    registry.fails = worker.WorkerRefused("No.", "RegistryRefused")
    body["password"] = "wrong"
    assert error(send(alice, "put", "registry-credential/github", **body), 400)
    assert unseal(RegistryCredential.objects.get().sealed) == "new"


def test_a_sign_in_in_use_is_not_deleted(alice, registry):
    send(alice, "post", "registry-credential", **SIGN_IN)
    endpoint = using(alice, registry="github")
    assert error(send(alice, "delete", "registry-credential/github"), 409)
    endpoint.delete()
    answer = send(alice, "delete", "registry-credential/github")
    assert answer.status_code == 204


# --- Who ---------------------------------------------------------------------
@pytest.mark.parametrize("superuser", [False, True])
@pytest.mark.parametrize("path", ["secret/A", "registry-credential/github"])
@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_others_are_not_there(alice, people, registry, superuser, path, method):
    send(alice, "post", "secret", key="A", value=CANARY)
    send(alice, "post", "registry-credential", **SIGN_IN)
    bob = people("bob", is_superuser=superuser)
    answer = send(bob, method, path, **({"value": "x"} if method == "put" else {}))
    assert error(answer, 404)["message"].startswith("You have no ")
    assert send(bob, "get", "secrets").json() == []
    assert send(bob, "get", "registry-credentials").json() == []


# --- In an endpoint ----------------------------------------------------------
def test_an_endpoint_takes_and_shows_them(alice, charlie, registry):
    TierFactory()
    send(alice, "post", "secret", key="A", value=CANARY)
    send(alice, "post", "registry-credential", **SIGN_IN)
    wish = {"name": "art", "image_url": "lab/app:1", "port": 80}
    keys = {"container_secrets": ["A", "A"], "registry_credential": "github"}
    shown = send(alice, "post", "endpoint", **wish, **keys).json()
    assert shown["container_secrets"] == ["A"]
    assert shown["registry_credential"] == "github"
    container = Endpoint.objects.get().container
    assert (container.secrets, container.registry) == (("A",), "github")

    # Keys are the owner's, whoever asks.
    refusal = error(
        send(charlie, "post", "endpoint", **{**wish, "name": "b"}, **keys), 400
    )
    assert set(refusal["fields"]) == set(keys)
    charlie.is_superuser = True
    charlie.save()
    kept = send(charlie, "patch", "endpoint/art", container_secrets=["A"])
    assert kept.status_code == 200

    emptied = dict.fromkeys(keys)
    shown = send(alice, "patch", "endpoint/art", **emptied).json()
    assert (shown["container_secrets"], shown["registry_credential"]) == ([], None)
    assert Endpoint.objects.get().revision == 2
