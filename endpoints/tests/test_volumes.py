"""Volumes: who uses them, their page and API. The worker's part is in replicas."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from endpoints import revisions, volumes, worker
from endpoints.models import Revision, Volume
from endpoints.tests.factories import EndpointFactory, caller, respec, spec, volume

pytestmark = pytest.mark.django_db


@pytest.fixture
def checkpoints(alice):
    return volumes.ensure(alice.pk, "checkpoints")


def mounting(owner, name, **fields):
    files = spec(volume=volume("checkpoints")).to_json()
    return EndpointFactory(owner=owner, name=name, spec=files, **fields)


def revise(endpoint, container):
    """Want another container, as a change does."""
    endpoint.spec = container.to_json()
    made = revisions.begin(endpoint, "alice")
    endpoint.save()
    return made


# --- Who uses what -----------------------------------------------------------
def test_nobody_uses_a_volume_that_nobody_names(checkpoints):
    assert volumes.users_of(checkpoints) == []


def test_users_are_the_owners_endpoints(alice, charlie, checkpoints):
    mounting(alice, "chat")
    mounting(alice, "art", paused=True)
    mounting(charlie, "other")
    EndpointFactory(owner=alice, name="bare")
    assert volumes.users_of(checkpoints) == ["art", "chat"]
    assert volumes.users_by_name(charlie.pk) == {"checkpoints": ["other"]}


def test_an_endpoint_that_is_being_deleted_uses_it_to_its_end(alice, checkpoints):
    endpoint = mounting(alice, "art", deleting=True)
    assert volumes.users_of(checkpoints) == ["art"]
    endpoint.delete()
    assert volumes.users_of(checkpoints) == []


def test_what_a_failed_change_would_fall_back_to_uses_it(alice, checkpoints):
    endpoint = mounting(alice, "art")
    Revision.objects.update(settled_at=timezone.now())
    changed = revise(endpoint, spec())
    assert volumes.users_of(checkpoints) == ["art"]
    revisions.stop(changed, 1, "It exited.")
    assert volumes.users_of(checkpoints) == ["art"]


# --- Deleting ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("users", "sentence"),
    [
        (
            ["art"],
            "checkpoints is used by art. Take it off that endpoint first, then delete "
            "it.",
        ),
        (
            ["art", "chat"],
            "checkpoints is used by art and chat. Take it off them first, then delete "
            "it.",
        ),
        (
            ["a", "b", "c", "d"],
            "checkpoints is used by a, b and 2 more. Take it off them first, then "
            "delete it.",
        ),
    ],
)
def test_a_volume_in_use_stays(alice, checkpoints, users, sentence):
    for name in users:
        mounting(alice, name)
    with pytest.raises(volumes.VolumeInUse) as refused:
        volumes.delete(checkpoints)
    assert str(refused.value) == sentence
    checkpoints.refresh_from_db()
    assert not checkpoints.deleting


def test_the_wish_is_kept_while_the_worker_is_away(
    checkpoints, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True) as told:
        volumes.delete(checkpoints)
    assert len(told) == 1
    checkpoints.refresh_from_db()
    assert checkpoints.deleting


def test_asking_again_forgets_the_trouble(checkpoints):
    Volume.objects.update(deleting=True, trouble="A container still has it.")
    volumes.delete(checkpoints)
    checkpoints.refresh_from_db()
    assert checkpoints.trouble == ""


def test_a_name_taken_again_is_another_volume(alice, checkpoints):
    assert volumes.ensure(alice.pk, "checkpoints") == checkpoints
    volumes.delete(checkpoints)
    again = volumes.ensure(alice.pk, "checkpoints")
    assert again.engine_name != checkpoints.engine_name
    mounting(alice, "art")
    assert volumes.users_of(again) == ["art"]
    checkpoints.refresh_from_db()
    assert volumes.users_of(checkpoints) == []
    checkpoints.delete()
    assert volumes.ensure(alice.pk, "checkpoints") == again


# --- The page ----------------------------------------------------------------
@pytest.fixture
def hers(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def measured(monkeypatch):
    """What the worker was asked to measure; it measures nothing."""
    asked = []
    monkeypatch.setattr(
        worker, "measure_volumes", lambda whose, **_: asked.append(whose)
    )
    return asked


def text_of(answer):
    return html.unescape(answer.content.decode())


def test_an_empty_page(hers):
    page = text_of(hers.get("/volumes/"))
    assert "No volumes yet" in page
    assert "hx-get" not in page


def test_the_list(hers, alice, charlie, checkpoints):
    Volume.objects.update(size_bytes=12_400_000_000, measured_at=timezone.now())
    volumes.ensure(alice.pk, "new")
    volumes.ensure(charlie.pk, "secret-files")
    mounting(alice, "art")
    mounting(alice, "chat")
    page = text_of(hers.get("/volumes/"))
    assert "12.4 GB" in page
    assert "Not measured yet" in page
    used = '<a href="/endpoints/art/">art</a>, <a href="/endpoints/chat/">chat</a>'
    assert f"Used by {used}" in page
    assert "Not in use" in page
    assert "secret-files" not in page


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "Empty"), (800, "Under 1 MB"), (1_000_000, "1 MB"), (950_000_000, "0.9 GB")],
)
def test_sizes(hers, checkpoints, size, words):
    Volume.objects.update(size_bytes=size, measured_at=timezone.now())
    assert f">{words}<" in hers.get("/volumes/").content.decode()


def test_the_page_takes_as_many_queries_for_many_volumes(
    hers, alice, django_assert_num_queries
):
    mounting(alice, "art")
    with CaptureQueriesContext(connection) as one:
        hers.get("/volumes/")
    for number in range(5):
        endpoint = mounting(alice, f"more-{number}")
        respec(endpoint, spec(volume=volume(f"files-{number}")))
        volumes.ensure(alice.pk, f"files-{number}")
    with django_assert_num_queries(len(one)):
        hers.get("/volumes/")


def test_old_sizes_are_measured_by_the_part_that_follows(
    hers, alice, checkpoints, measured
):
    Volume.objects.update(measured_at=timezone.now() - timedelta(minutes=2))
    page = text_of(hers.get("/volumes/"))
    assert 'hx-trigger="load"' in page
    assert measured == []
    part = text_of(hers.get("/volumes/", headers={"HX-Request": "true"}))
    assert measured == [alice.pk]
    assert "checkpoints" in part
    assert "<h1>" not in part
    # Whatever the worker did, a script does not ask for ever.
    assert "hx-trigger" not in part


def test_new_sizes_are_left_alone(hers, checkpoints, measured):
    Volume.objects.update(measured_at=timezone.now())
    assert "hx-trigger" not in text_of(hers.get("/volumes/"))
    hers.get("/volumes/", headers={"HX-Request": "true"})
    assert measured == []


def test_the_part_says_why_sizes_are_old(hers, checkpoints):
    part = text_of(hers.get("/volumes/", headers={"HX-Request": "true"}))
    assert "The worker does not answer, so volumes could not be measured." in part
    assert "checkpoints" in part


def test_the_part_says_that_counting_goes_on(hers, checkpoints, monkeypatch):
    def count(owner_id):
        raise worker.WorkerSlow("It has not answered in time.")

    monkeypatch.setattr(worker, "measure_volumes", count)
    part = text_of(hers.get("/volumes/", headers={"HX-Request": "true"}))
    assert "The files are still being counted." in part


def test_the_list_is_looked_at_again_until_a_volume_is_gone(hers, checkpoints):
    Volume.objects.update(deleting=True, measured_at=timezone.now())
    page = text_of(hers.get("/volumes/"))
    assert 'hx-trigger="load delay:2s"' in page
    assert "Being deleted" in page
    assert "/delete/" not in page
    Volume.objects.update(trouble="A container still has checkpoints.")
    page = text_of(hers.get("/volumes/"))
    assert "A container still has checkpoints." in page
    assert "hx-trigger" not in page
    assert f"/volumes/{checkpoints.pk}/delete/" in page


def test_deleting_asks_first(hers, checkpoints):
    question = text_of(hers.get(f"/volumes/{checkpoints.pk}/delete/"))
    assert "Delete checkpoints?" in question
    assert "This cannot be undone." in question
    answer = hers.post(f"/volumes/{checkpoints.pk}/delete/", follow=True)
    assert "Deleting checkpoints" in text_of(answer)
    checkpoints.refresh_from_db()
    assert checkpoints.deleting


@pytest.mark.parametrize(
    ("looks", "said", "unsaid"),
    [
        (lambda rows: rows.delete(), "Deleted checkpoints", "Deleting checkpoints"),
        (
            lambda rows: rows.update(trouble="A container still has it."),
            "A container still has it.",
            "Deleting checkpoints",
        ),
    ],
)
def test_what_the_worker_did_at_once_is_said(
    hers, checkpoints, monkeypatch, looks, said, unsaid
):
    going = Volume.objects.filter(deleting=True)
    monkeypatch.setattr(worker, "look_at_volumes", lambda: looks(going))
    # The test's own transaction never ends.
    monkeypatch.setattr(volumes.transaction, "on_commit", lambda call, **_: call())
    page = text_of(hers.post(f"/volumes/{checkpoints.pk}/delete/", follow=True))
    assert said in page
    assert unsaid not in page


def test_deleting_one_in_use_is_refused(hers, alice, checkpoints):
    mounting(alice, "art")
    refusal = "checkpoints is used by art. Take it off that endpoint first"
    question = text_of(hers.get(f"/volumes/{checkpoints.pk}/delete/"))
    assert refusal in question
    assert "Delete volume</button>" not in question
    answer = hers.post(f"/volumes/{checkpoints.pk}/delete/")
    assert answer.status_code == 409
    assert refusal in text_of(answer)
    # The dialog of the list says the same.
    assert f'data-refusal="{refusal}' in text_of(hers.get("/volumes/"))


@pytest.mark.parametrize("what", ["delete/", "download"])
def test_volumes_are_the_owners(client, charlie, checkpoints, what):
    client.force_login(charlie)
    assert client.get(f"/volumes/{checkpoints.pk}/{what}").status_code == 404
    if what == "delete/":
        assert client.post(f"/volumes/{checkpoints.pk}/{what}").status_code == 404
    checkpoints.refresh_from_db()
    assert not checkpoints.deleting


def test_a_superuser_sees_whose_they_are(client, people, alice, checkpoints, measured):
    client.force_login(people("root", is_superuser=True))
    page = text_of(client.get("/volumes/"))
    assert '<span class="tag">alice</span>' in page
    client.get("/volumes/", headers={"HX-Request": "true"})
    assert measured == [alice.pk]
    answer = client.get(f"/volumes/{checkpoints.pk}/delete/")
    assert answer.status_code == 200


def test_a_download_without_the_worker_says_so(hers, checkpoints):
    answer = hers.get(f"/volumes/{checkpoints.pk}/download")
    assert answer.status_code == 503
    page = text_of(answer)
    assert "The worker does not answer, so the download cannot start." in page
    assert "checkpoints" in page


# --- The API -----------------------------------------------------------------
def test_the_api_lists_what_is_yours(alice, charlie, checkpoints, measured):
    volumes.ensure(charlie.pk, "other")
    mounting(alice, "art")
    now = timezone.now()
    Volume.objects.update(size_bytes=1204, measured_at=now)
    (shown,) = caller(alice).get("/v1/volumes").json()
    assert shown.pop("created_at")
    assert shown.pop("measured_at")
    assert shown == {
        "name": "checkpoints",
        "size_bytes": 1204,
        "used_by": ["art"],
        "deleting": False,
        "trouble": "",
    }
    assert measured == []


def test_the_api_has_old_sizes_measured(alice, checkpoints, measured):
    caller(alice).get("/v1/volumes")
    assert measured == [alice.pk]


def test_the_api_answers_without_the_worker(alice, checkpoints):
    (shown,) = caller(alice).get("/v1/volumes").json()
    assert shown["size_bytes"] is None


def test_the_api_deletes(alice, charlie, checkpoints):
    assert caller(charlie).delete("/v1/volumes/checkpoints").status_code == 404
    endpoint = mounting(alice, "art")
    refused = caller(alice).delete("/v1/volumes/checkpoints")
    assert refused.status_code == 409
    assert refused.json()["error"]["message"].startswith("checkpoints is used by art.")
    endpoint.delete()
    assert caller(alice).delete("/v1/volumes/checkpoints").status_code == 204
    (shown,) = caller(alice).get("/v1/volumes").json()
    assert shown["deleting"]
    # Asking twice is fine.
    assert caller(alice).delete("/v1/volumes/checkpoints").status_code == 204
