"""Changing an endpoint on its page, and making another one like it."""

from __future__ import annotations

import html
import re

import pytest

from endpoints import services
from endpoints.models import Endpoint, Event, RegistryCredential, Secret
from endpoints.sealing import seal, unseal
from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TemplateFactory,
    TierFactory,
    UserFactory,
    secret_var,
    spec,
    volume,
)
from templates_app.spec import EnvVar, LogHint

pytestmark = pytest.mark.django_db
PAGE = "/endpoints/art/edit/"
MOVES = "Replicas move over one at a time; the old ones serve until then."


@pytest.fixture
def alice(client):
    person = UserFactory(username="alice")
    client.force_login(person)
    return person


@pytest.fixture
def art(alice):
    """An endpoint that uses everything there is."""
    Secret.objects.create(owner=alice, key="B_KEY", sealed=seal("b"))
    Secret.objects.create(owner=alice, key="A_KEY", sealed=seal("a"))
    RegistryCredential.objects.create(
        owner=alice, key="lab", registry="lab.example", username="ada", sealed=seal("x")
    )
    MediumTierFactory()
    return EndpointFactory(
        name="art",
        owner=alice,
        tier=TierFactory(),
        max_replicas=3,
        target_count=1,
        idle_timeout=90,
        start_timeout=100,
        spec=spec(
            command=("sh", "-c", "echo 'a b'\nexec app"),
            args=("--name", "my model", ""),
            env=(
                EnvVar("MODE", "fast"),
                secret_var("TOKEN", "hush"),
                EnvVar("CERT", "line 1\nline 2\n"),
                EnvVar("EMPTY", ""),
            ),
            # Not in the order of the page.
            secrets=("B_KEY", "A_KEY"),
            registry="lab",
            volume=volume("files", "/data"),
            shm_mb=64,
            hints=(LogHint("OOM", "No memory.", "Use less."),),
        ).to_json(),
    )


def fields_of(page):
    """What a browser would post for the page as it is."""
    text = page.content.decode()
    form = text[text.index('id="clone"') :]
    form = re.sub(r"<template.*?</template>", "", form, flags=re.S)
    data = {}

    def put(name, value):
        data.setdefault(name, []).append(html.unescape(value))

    for tag in re.findall(r"<input[^>]*>", form):
        got = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        ticked = got.get("type") not in ("checkbox", "radio") or " checked" in tag
        if "name" in got and ticked:
            put(got["name"], got.get("value", "on"))
    for name, value in re.findall(
        r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', form, flags=re.S
    ):
        put(name, value.removeprefix("\n").replace("\n", "\r\n"))
    for name, options in re.findall(
        r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form, flags=re.S
    ):
        chosen = re.search(r'value="([^"]*)" selected', options)
        put(name, chosen[1] if chosen else "")
    return data


def shown(client, page=PAGE, **changes):
    """The form as the page has it now, with what somebody types into it."""
    data = fields_of(client.get(page)) | changes
    return {name: value for name, value in data.items() if value is not None}


def effect(client, **changes):
    answer = client.post(PAGE, shown(client, **changes), headers={"X-Check": "1"})
    return answer.json()["effect"]


def test_what_is_saved_as_it_was_changes_nothing(client, art):
    before = Endpoint.objects.values().get()
    events = Event.objects.count()
    page = client.get(PAGE)
    assert "Nothing is changed yet." in page.content.decode()
    assert effect(client) == "Nothing is changed yet."
    answer = client.post(PAGE, shown(client))
    assert answer.url == "/endpoints/art/"
    after = Endpoint.objects.values().get()
    assert after == before
    assert art.revisions.count() == 1
    assert Event.objects.count() == events


def test_secrets_are_not_in_the_page(client, art):
    text = client.get(PAGE).content.decode()
    assert "hush" not in text
    assert "Kept as it is" in text


def test_the_name_is_shown_and_stays(client, art):
    text = client.get(PAGE).content.decode()
    assert re.search(r'id="name"[^>]*value="art"[^>]*readonly', text)
    client.post(PAGE, shown(client, name="other", port="9000"))
    assert Endpoint.objects.get().name == "art"


EFFECTS = [
    ({"port": "9000"}, f"Makes revision 2. {MOVES}"),
    ({"image": "lab/app:2"}, f"Makes revision 2. {MOVES}"),
    ({"tier": "medium"}, f"Makes revision 2. {MOVES}"),
    ({"secrets": ["A_KEY"]}, f"Makes revision 2. {MOVES}"),
    ({"registry": ""}, f"Makes revision 2. {MOVES}"),
    ({"volume": None}, f"Makes revision 2. {MOVES}"),
    ({"args": ""}, f"Makes revision 2. {MOVES}"),
    ({"env-1-value": "new"}, f"Makes revision 2. {MOVES}"),
    ({"public": "on"}, "Restarts nothing."),
    ({"idle": "20"}, "Restarts nothing."),
    ({"startup": "20"}, "Restarts nothing."),
    ({"hold": "0.5"}, "Restarts nothing."),
    ({"concurrency": "9"}, "Restarts nothing."),
    ({"max_replicas": "4"}, "Restarts nothing."),
    ({"min_replicas": "2"}, "Restarts nothing. One more replica starts."),
    ({"min_replicas": "3"}, "Restarts nothing. 2 more replicas start."),
    ({"port": "no"}, ""),
]


@pytest.mark.parametrize(("changes", "words"), EFFECTS)
def test_what_saving_does_is_said_before(client, art, changes, words):
    assert effect(client, **changes) == words
    assert art.revisions.count() == 1


def test_fewer_replicas_are_said_to_stop(client, art):
    Endpoint.objects.update(min_replicas=3, target_count=3)
    one = effect(client, min_replicas="1", max_replicas="2")
    two = effect(client, min_replicas="1", max_replicas="1")
    assert one == "Restarts nothing. One replica stops."
    assert two == "Restarts nothing. 2 replicas stop."


def test_a_paused_endpoint_moves_later(client, art):
    services.pause(art, "alice")
    assert effect(client, port="9000") == (
        "Makes revision 2. It runs once the endpoint is resumed."
    )
    assert effect(client, min_replicas="2") == "Restarts nothing."


def test_what_sleeps_has_nothing_to_move(client, art):
    Endpoint.objects.update(min_replicas=0, target_count=0)
    assert effect(client, port="9000") == (
        "Makes revision 2. The next replica that starts runs it."
    )


def test_what_sleeps_by_its_schedule_sleeps_on(client, art):
    Endpoint.objects.update(min_replicas=1, minimum_now=0, target_count=0)
    assert effect(client, min_replicas="2") == "Restarts nothing."
    client.post(PAGE, shown(client, min_replicas="2"))
    art.refresh_from_db()
    assert (art.min_replicas, art.target_count, art.wanted_count) == (2, 0, 0)


def test_a_new_container_is_a_revision_by_this_person(client, art):
    answer = client.post(PAGE, shown(client, port="9000"), follow=True)
    revision = art.revisions.get(number=2)
    assert (revision.container.port, revision.actor) == (9000, "alice")
    assert revision.container.hints == art.container.hints
    assert unseal(revision.container.env[1].value) == "hush"
    assert [str(m) for m in answer.context["messages"]] == ["Saved as revision 2"]


def test_a_light_change_keeps_the_revision(client, art):
    answer = client.post(PAGE, shown(client, public="on", idle="20"), follow=True)
    endpoint = Endpoint.objects.get()
    assert (endpoint.public, endpoint.idle_timeout, endpoint.revision) == (
        True,
        1200,
        1,
    )
    assert endpoint.start_timeout == 100
    assert [str(m) for m in answer.context["messages"]] == ["Saved"]


def test_a_mistake_keeps_what_was_typed(client, art):
    page = client.post(PAGE, shown(client, port="0", image="lab/app:9"))
    text = page.content.decode()
    assert "Enter a port from 1 to 65535." in text
    assert 'value="lab/app:9"' in text
    assert art.revisions.count() == 1


def test_another_image_is_not_built(client, art):
    built = {**art.spec, "build": "chat", "image": "alight/chat:1"}
    Endpoint.objects.update(spec=built)
    client.post(PAGE, shown(client, port="9000"))
    assert Endpoint.objects.get().container.build == "chat"
    client.post(PAGE, shown(client, image="lab/app:2"))
    assert Endpoint.objects.get().container.build == ""


# --- Two people at once --------------------------------------------------------
@pytest.fixture
def grace():
    return UserFactory(username="grace", is_superuser=True)


def test_what_another_person_changed_meanwhile_is_said(client, art, grace):
    mine = shown(client, port="9000", public="on")
    services.change(art, grace.username, min_replicas=2)
    page = client.post(PAGE, mine)
    text = html.unescape(page.content.decode())
    assert page.status_code == 200
    assert (
        "grace changed this endpoint while you were editing. Shown as it is there now: "
        "minimum. Look it over and save again." in text
    )
    # Nothing is saved, and nothing that was typed is lost.
    assert Endpoint.objects.get().revision == 1
    again = fields_of(page)
    assert (again["port"], again["public"]) == (["9000"], ["on"])
    assert again["min_replicas"] == ["2"]
    assert f"Makes revision 2. {MOVES}" in text

    client.post(PAGE, again)
    endpoint = Endpoint.objects.get()
    assert (endpoint.container.port, endpoint.public) == (9000, True)
    assert endpoint.min_replicas == 2


def test_the_same_field_typed_twice_stays_as_typed_here(client, art, grace):
    mine = shown(client, port="9000", **{"env-0-value": "slow"})
    theirs = {**art.spec, "port": 7000, "image": "lab/app:7"}
    theirs["secrets"] = ["A_KEY"]
    services.change(art, grace.username, spec=theirs)
    page = client.post(PAGE, mine)
    text = html.unescape(page.content.decode())
    assert "Shown as it is there now: container image and secrets." in text
    assert "As you typed it, and different there: port." in text
    again = fields_of(page)
    assert (again["port"], again["image"]) == (["9000"], ["lab/app:7"])
    assert (again["secrets"], again["env-0-value"]) == (["A_KEY"], ["slow"])
    client.post(PAGE, again)
    run = Endpoint.objects.get().container
    assert (run.port, run.image, run.secrets) == (9000, "lab/app:7", ("A_KEY",))
    assert run.env[0].value == "slow"


def test_rows_volume_and_switches_are_taken_over_whole(client, art, grace):
    mine = shown(client, port="9000")
    theirs = {**art.spec, "env": [{"name": "ONE", "value": "1"}], "volume": None}
    services.change(art, grace.username, spec=theirs, public=True)
    again = fields_of(client.post(PAGE, mine))
    assert again["env-0-name"] == ["ONE"]
    assert "env-1-kept" not in again
    assert "volume" not in again
    assert again["public"] == ["on"]


def test_ones_own_other_window_is_called_that(client, art, alice):
    mine = shown(client, port="9000")
    services.change(art, "alice", public=True)
    text = client.post(PAGE, mine).content.decode()
    assert "You changed this endpoint elsewhere while you were editing." in text


def test_the_same_change_twice_is_no_quarrel(client, art, grace):
    mine = shown(client, public="on")
    services.change(art, grace.username, public=True)
    assert client.post(PAGE, mine).status_code == 302


def test_an_error_in_between_forgets_nothing_of_this(client, art, grace):
    mine = shown(client, port="0")
    services.change(art, grace.username, public=True)
    again = fields_of(client.post(PAGE, mine)) | {"port": "9000"}
    assert "grace changed this endpoint" in client.post(PAGE, again).content.decode()


def test_an_endpoint_that_goes_cannot_be_changed(client, art):
    mine = shown(client, port="9000")
    services.delete(art, "alice")
    for answer in (client.get(PAGE), client.post(PAGE, mine)):
        assert answer.status_code == 409
        assert "art is being deleted" in answer.content.decode()
    Endpoint.objects.all().delete()
    assert client.post(PAGE, mine).status_code == 404


# --- Whose it is ---------------------------------------------------------------
def test_somebody_elses_endpoint_is_not_there(client, art):
    mine = shown(client, port="9000")
    client.force_login(UserFactory(username="charlie"))
    for page in (PAGE, "/endpoints/art/clone/"):
        assert client.get(page).status_code == 404
        assert client.post(page, mine).status_code == 404
    assert art.revisions.count() == 1


def test_an_administrator_sees_the_owners_secrets_by_name(client, art, grace):
    Secret.objects.create(owner=grace, key="MINE", sealed=seal("g"))
    client.force_login(grace)
    text = client.get(PAGE).content.decode()
    assert "A_KEY" in text
    assert "MINE" not in text
    client.post(PAGE, shown(client, secrets=["A_KEY"]))
    assert art.revisions.get(number=2).actor == "grace"


# --- Another one like it -------------------------------------------------------
LIKE = "/endpoints/art/clone/"


def test_a_clone_is_filled_from_the_endpoint(client, art):
    page = client.get(LIKE)
    again = fields_of(page)
    assert again["name"] == [""]
    assert 'placeholder="art-2"' in page.content.decode()
    assert "hush" not in page.content.decode()
    answer = client.post(LIKE, again | {"name": "art-2"})
    assert answer.url == "/endpoints/art-2/"
    made = Endpoint.objects.get(name="art-2")
    old, new = art.container, made.container
    assert new.volume is None
    assert (new.env, new.command, new.args) == (old.env, old.command, old.args)
    assert (new.secrets, new.registry, new.hints) == (
        *(old.secrets, old.registry, old.hints),
    )
    assert (made.idle_timeout, made.start_timeout, made.max_replicas) == (90, 100, 3)
    assert made.revisions.count() == 1


def test_the_clones_volume_is_another_one_unless_chosen(client, art):
    again = shown(client, LIKE, name="art-2", volume="on")
    assert again["volume_name"] == ["files-2"]
    client.post(LIKE, again)
    assert Endpoint.objects.get(name="art-2").container.volume == volume("files-2")
    client.post(LIKE, again | {"name": "art-3", "volume_name": "files"})
    assert Endpoint.objects.get(name="art-3").container.volume == volume("files")


def test_a_clone_of_somebody_elses_is_ones_own(client, art, grace):
    client.force_login(grace)
    again = shown(client, LIKE, name="graces")
    told = client.post(LIKE, again).context["form"].problems
    assert set(told) == {"registry", "secrets"}
    client.post(LIKE, again | {"registry": "", "secrets": []})
    assert Endpoint.objects.get(name="graces").owner == grace


def test_a_clone_keeps_its_template(client, alice):
    template = TemplateFactory(name="Art")
    EndpointFactory(name="art", owner=alice, template=template)
    client.post(LIKE, shown(client, LIKE, name="art-2"))
    assert Endpoint.objects.get(name="art-2").template == template


def test_a_clone_may_be_asked_for_on_other_hardware(client, art):
    assert shown(client, f"{LIKE}?tier=medium")["tier"] == ["medium"]
    assert shown(client, f"{LIKE}?tier=none")["tier"] == ["cpu"]
