"""The list and the homepage: who sees what, and what the buttons do."""

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from endpoints import revisions, services
from endpoints.models import Event
from endpoints.steps import Reason
from endpoints.tests.factories import (
    EndpointFactory,
    EventFactory,
    MediumTierFactory,
    TemplateFactory,
    TierFactory,
    spec,
    volume,
)
from replicas.fragments import sparks
from replicas.logs import store
from replicas.models import Replica
from replicas.tests.factories import GpuFactory, NodeFactory, ReplicaFactory


@pytest.fixture
def drawing(alice):
    return EndpointFactory(name="drawing", owner=alice, tier=MediumTierFactory())


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def as_charlie(client, charlie):
    client.force_login(charlie)
    return client


def url(name, *args):
    return reverse(f"replicas:{name}", args=["drawing", *args])


# --- Who sees it ---------------------------------------------------------------
PAGES = ["endpoint", "logs", "scale", "delete", "revisions"]
ONLY_POST = [
    *("pause", "resume", "restart", "access"),
    *("roll_back", "try_again", "try_now", "port", "tier"),
]
VERBS = [*ONLY_POST, "scale", "delete"]


@pytest.mark.parametrize("page", PAGES)
def test_charlie_finds_nothing(as_charlie, drawing, page):
    assert as_charlie.get(url(page)).status_code == 404


@pytest.mark.parametrize("verb", VERBS)
def test_charlie_changes_nothing(as_charlie, drawing, verb):
    assert as_charlie.post(url(verb)).status_code == 404
    drawing.refresh_from_db()
    assert not any([drawing.paused, drawing.deleting, drawing.public])


def test_charlie_sees_no_replica(as_charlie, drawing):
    replica = ReplicaFactory(endpoint=drawing)
    assert as_charlie.get(url("replica", replica.pk)).status_code == 404


def test_the_signed_out_are_sent_to_sign_in(client, drawing):
    assert client.get(url("endpoint")).headers["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_need_the_csrf_token(alice, drawing, verb):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(url(verb)).status_code == 403


@pytest.mark.parametrize("verb", ONLY_POST)
def test_verbs_are_not_for_get(as_alice, drawing, verb):
    assert as_alice.get(url(verb)).status_code == 405


# --- The homepage ----------------------------------------------------------------
def test_the_page_is_complete_without_scripts(as_alice, drawing):
    replica = ReplicaFactory(endpoint=drawing, state="starting", number=1)
    GpuFactory(replica=replica)
    EventFactory(
        endpoint=drawing, replica_id=replica.pk, reason=Reason.WAITING, data={}
    )
    html = as_alice.get(url("endpoint")).content.decode()
    for words in (
        "Starting the container",
        "keep 1, up to 1",
        "http://drawing.localhost",
        f'formaction="{url("replica", replica.pk)}"',
        "Replica 1, starting. Show timeline",
        "Configuration",
        "Activity",
    ):
        assert words in html


def test_nothing_is_inline(as_alice, drawing):
    ReplicaFactory(endpoint=drawing, ready=True)
    html = as_alice.get(url("endpoint")).content.decode()
    assert " style=" not in html
    assert "<script>" not in html
    assert " onclick=" not in html


def test_a_secret_is_not_on_the_page(as_alice, drawing):
    env = [{"name": "HF_TOKEN", "value": "sealed-text", "secret": True}]
    drawing.spec = {**drawing.spec, "env": env}
    drawing.save()
    html = as_alice.get(url("endpoint")).content.decode()
    assert "HF_TOKEN" in html
    assert "sealed-text" not in html


def test_the_page_asks_a_fixed_number_of_questions(
    as_alice, drawing, django_assert_max_num_queries
):
    for number in (1, 2, 3):
        replica = ReplicaFactory(endpoint=drawing, number=number, ready=True)
        for reason in (Reason.WAITING, Reason.ASSIGNED, Reason.RUNNING):
            EventFactory(endpoint=drawing, replica_id=replica.pk, reason=reason)
    with django_assert_max_num_queries(20):
        as_alice.get(url("endpoint"))


def test_a_replica_has_a_page_of_its_own(as_alice, drawing):
    replica = ReplicaFactory(endpoint=drawing, number=2)
    EventFactory(endpoint=drawing, replica_id=replica.pk, reason=Reason.WAITING)
    page = as_alice.get(url("replica", replica.pk)).content.decode()
    part = as_alice.get(url("replica", replica.pk) + "?fragment").content.decode()
    assert "<html" in page
    assert "<html" not in part
    for html in (page, part):
        assert "Replica 2" in html
        assert "Waiting for hardware" in html


def test_another_endpoints_replica_is_not_here(as_alice, drawing):
    other = ReplicaFactory(endpoint__name="other", endpoint__owner=drawing.owner)
    assert as_alice.get(url("replica", other.pk)).status_code == 404


def test_a_stopped_replica_can_still_be_read(as_alice, drawing):
    replica = ReplicaFactory(endpoint=drawing, state="stopped")
    EventFactory(endpoint=drawing, replica_id=replica.pk, reason=Reason.STOPPED)
    assert "Earlier replicas" in as_alice.get(url("endpoint")).content.decode()
    html = as_alice.get(url("replica", replica.pk)).content.decode()
    assert "Replica stopped" in html


@pytest.mark.django_db(transaction=True)
async def test_the_download_has_every_line(async_client, alice, drawing):
    replica = await sync_to_async(ReplicaFactory)(endpoint=drawing)
    line = sync_to_async(store.system)
    await line(drawing.pk, replica.pk, 1, "Container started.")
    await async_client.aforce_login(alice)
    response = await async_client.get(url("logs"))
    text = b"".join([piece async for piece in response.streaming_content]).decode()
    assert "# Replica 1, start 1" in text
    assert "Container started." in text
    assert 'filename="drawing.log"' in response.headers["Content-Disposition"]


# --- Verbs -------------------------------------------------------------------------
def reasons(endpoint):
    return list(Event.objects.filter(endpoint=endpoint).values_list("reason", "actor"))


def test_pause_and_resume(as_alice, drawing):
    assert as_alice.post(url("pause")).headers["Location"] == "/endpoints/drawing/"
    drawing.refresh_from_db()
    assert drawing.paused
    as_alice.post(url("resume"))
    drawing.refresh_from_db()
    assert not drawing.paused
    assert reasons(drawing) == [("Paused", "alice"), ("Resumed", "alice")]


def test_the_list_is_returned_to(as_alice, drawing):
    answer = as_alice.post(url("pause"), {"next": "/endpoints/"})
    assert answer.headers["Location"] == "/endpoints/"


@pytest.mark.parametrize("away", ["https://elsewhere.example/", "//elsewhere.example"])
def test_nobody_is_sent_elsewhere(as_alice, drawing, away):
    answer = as_alice.post(url("pause"), {"next": away})
    assert answer.headers["Location"] == "/endpoints/drawing/"


def test_access_opens_and_closes(as_alice, drawing):
    as_alice.post(url("access"), {"public": "on"})
    drawing.refresh_from_db()
    assert drawing.public
    as_alice.post(url("access"), {"public": "off"})
    drawing.refresh_from_db()
    assert not drawing.public


def test_restart_of_one_and_of_all(as_alice, drawing):
    one, two = (ReplicaFactory(endpoint=drawing, number=n, ready=True) for n in (1, 2))
    as_alice.post(url("restart"), {"replica": one.pk})
    assert list(Replica.objects.filter(retire=True)) == [one]
    as_alice.post(url("restart"))
    assert list(Replica.objects.filter(retire=True)) == [one, two]


def test_restart_names_a_replica_by_its_number(as_alice, drawing):
    assert as_alice.post(url("restart"), {"replica": "x"}).status_code == 400


def test_the_scale_is_changed(as_alice, drawing):
    as_alice.post(url("scale"), {"min": "0", "max": "3"})
    drawing.refresh_from_db()
    assert (drawing.min_replicas, drawing.max_replicas) == (0, 3)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ("3", "1", "Minimum is above maximum. Raise the maximum to 3"),
        ("0", "0", "Allow at least 1 replica."),
        ("0", "99", "Keep the maximum to 8 replicas."),
        ("", "1", "Enter whole numbers"),
        ("-1", "1", "Enter whole numbers"),
    ],
)
def test_a_bad_scale_says_what_to_change(as_alice, drawing, low, high, words):
    answer = as_alice.post(url("scale"), {"min": low, "max": high})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    drawing.refresh_from_db()
    assert (drawing.min_replicas, drawing.max_replicas) == (1, 1)


def test_delete_asks_first(as_alice, drawing):
    html = as_alice.get(url("delete")).content.decode()
    assert "Delete drawing?" in html
    assert "This cannot be undone." in html
    answer = as_alice.post(url("delete"))
    assert answer.headers["Location"] == "/endpoints/"
    drawing.refresh_from_db()
    assert drawing.deleting


# --- After trouble -------------------------------------------------------------------
@pytest.fixture
def given_up(drawing):
    ReplicaFactory(endpoint=drawing, ready=True)
    give_up(drawing)
    return drawing


def test_a_stopped_rollout_offers_the_way_back(as_alice, given_up):
    html = as_alice.get(url("endpoint")).content.decode()
    assert "Revision 2 did not become ready" in html
    assert "Revision 1 keeps serving. The registry answered “not found”." in html
    as_alice.post(url("roll_back"), {"revision": "1"})
    given_up.refresh_from_db()
    assert given_up.revision == 1


def test_it_is_tried_again(as_alice, given_up):
    as_alice.post(url("try_again"))
    assert revisions.wanted(given_up).failed_at is None
    html = as_alice.get(url("endpoint")).content.decode()
    assert "Moving to revision 2: 0 of 1 replica" in html


@pytest.mark.parametrize(("number", "status"), [("9", 404), ("x", 400), ("", 400)])
def test_only_a_revision_that_was_is_gone_back_to(as_alice, drawing, number, status):
    answer = as_alice.post(url("roll_back"), {"revision": number})
    assert answer.status_code == status


def test_revisions_are_on_a_page_with_what_changed(as_alice, given_up):
    html = as_alice.get(url("revisions")).content.decode()
    assert "Try revision 2 again" in html
    assert "Roll back to revision 1" in html
    assert "lab/none:9" in html
    assert "This is the only revision" not in html


def test_many_revisions_are_told_a_page_at_a_time(
    as_alice, drawing, django_assert_max_num_queries
):
    for port in range(1, 40):
        services.change(drawing, "alice", spec={**drawing.spec, "port": port})
    with django_assert_max_num_queries(16):
        html = as_alice.get(url("revisions")).content.decode()
    assert html.count('<li class="row rev-row"') == 30
    assert "?before=11" in html
    rest = as_alice.get(url("revisions") + "?before=11").content.decode()
    assert rest.count('<li class="row rev-row"') == 10


def test_a_port_and_a_tier_are_one_click(as_alice, drawing):
    as_alice.post(url("port"), {"port": "3000"})
    larger = TierFactory(slug="large", name="Large", memory_mb=64 * 1024)
    as_alice.post(url("tier"), {"tier": larger.pk})
    drawing.refresh_from_db()
    assert (drawing.container.port, drawing.tier, drawing.revision) == (3000, larger, 3)
    assert reasons(drawing) == [("RevisionMade", "alice")] * 2


@pytest.mark.parametrize("port", ["0", "65536", "x", "", "-1"])
def test_a_port_that_cannot_be_is_refused(as_alice, drawing, port):
    answer = as_alice.post(url("port"), {"port": port})
    assert answer.status_code == 400
    assert b"Enter a port from 1 to 65535." in answer.content


def test_a_tier_that_is_not_there_is_not_found(as_alice, drawing):
    assert as_alice.post(url("tier"), {"tier": "none"}).status_code == 404


def test_only_what_waits_is_tried_now(as_alice, drawing):
    replica = ReplicaFactory(endpoint=drawing, ready=True)
    as_alice.post(url("try_now"), {"replica": replica.pk})
    assert reasons(drawing) == []
    assert as_alice.post(url("try_now"), {"replica": "x"}).status_code == 404


def test_delete_says_what_goes_and_what_stays(as_alice, drawing):
    drawing.spec = spec(volume=volume("files")).to_json()
    drawing.save()
    html = as_alice.get(url("delete")).content.decode()
    assert "Its revisions, activity and logs go with it." in html
    assert "The volume <b>files</b> stays" in html


# --- The list ------------------------------------------------------------------------
def test_an_empty_list_says_how_to_begin(as_alice):
    html = as_alice.get("/endpoints/").content.decode()
    assert "No endpoints yet" in html
    assert "Browse templates" in html


def test_the_list_shows_mine_only(as_alice, drawing):
    EndpointFactory(name="of-bob")
    html = as_alice.get("/endpoints/").content.decode()
    assert "drawing" in html
    assert "of-bob" not in html


def test_the_list_asks_as_much_for_thirty_as_for_three(
    as_alice, alice, django_assert_num_queries
):
    def make(number):
        node = NodeFactory()
        for n in range(number, number + 3):
            endpoint = EndpointFactory(
                name=f"e{n}", owner=alice, paused=n % 3 == 0, template=TemplateFactory()
            )
            replica = ReplicaFactory(endpoint=endpoint, node=node, state="pulling")
            GpuFactory(node=node, replica=replica)
            EventFactory(endpoint=endpoint, reason=Reason.PAUSED, actor="alice")
            if n % 3 == 1:
                give_up(endpoint)

    make(0)
    sparks._hour.cache_clear()  # it may know these ids from another test
    with django_assert_num_queries(14):
        as_alice.get("/endpoints/")
    for number in range(3, 30, 3):
        make(number)
    with django_assert_num_queries(14):
        as_alice.get("/endpoints/")


def give_up(endpoint):
    """Its newest revision could not become ready; the first one serves."""
    revisions.settle(revisions.wanted(endpoint))
    changed = {**endpoint.spec, "image": "lab/none:9"}
    services.change(endpoint, "alice", spec=changed)
    endpoint.refresh_from_db()
    revisions.stop(revisions.wanted(endpoint), 1, "The registry answered “not found”.")
