"""Waking, sleeping, warmth and the schedule, as pressed and typed on pages."""

import re
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from endpoints import sizing
from endpoints.models import Endpoint, ScheduleWindow
from endpoints.schedule import Window
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory
from replicas.fragments import sparks
from replicas.states import ReplicaState
from replicas.tests.factories import ReplicaFactory

NOON = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)  # a Monday
NINE, SIX = time(9), time(18)
OFFICE = Window(31, NINE, SIX, 2)


@pytest.fixture
def drawing(alice):
    return EndpointFactory(
        name="drawing", owner=alice, min_replicas=0, max_replicas=3, target_count=0
    )


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


def url(name):
    return reverse(f"replicas:{name}", args=["drawing"])


def press(client, verb, **data):
    """What the page says afterwards."""
    answer = client.post(url(verb), data, follow=True)
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def told(endpoint):
    return [(e.reason, e.actor) for e in endpoint.events.order_by("id")]


# --- Whose it is ----------------------------------------------------------------
@pytest.mark.parametrize("verb", ["wake", "sleep", "warm", "schedule"])
def test_charlie_finds_nothing(client, charlie, drawing, verb):
    client.force_login(charlie)
    assert client.post(url(verb), {"hours": "1"}).status_code == 404
    drawing.refresh_from_db()
    assert (drawing.target_count, drawing.warm_until) == (0, None)
    assert told(drawing) == []


@pytest.mark.parametrize("verb", ["wake", "sleep"])
def test_a_look_wakes_nothing(as_alice, drawing, verb):
    assert as_alice.get(url(verb)).status_code == 405


# --- Wake now, sleep now ----------------------------------------------------------
def test_it_is_woken_and_put_to_sleep(as_alice, drawing):
    assert press(as_alice, "wake") == ["Waking drawing"]
    assert press(as_alice, "wake") == ["drawing is awake already"]
    assert press(as_alice, "sleep") == ["drawing goes to sleep"]
    assert press(as_alice, "sleep") == ["drawing sleeps already"]
    assert told(drawing) == [(Reason.WOKEN, "alice"), (Reason.SLEPT, "alice")]


def test_with_htmx_the_page_stays(as_alice, drawing):
    answer = as_alice.post(url("wake"), headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert "Waking drawing" in answer["HX-Trigger"]


def test_what_is_paused_is_not_woken(as_alice, drawing):
    Endpoint.objects.update(paused=True)
    assert press(as_alice, "wake") == [
        "drawing is paused. Resume it to have it running."
    ]


def test_what_must_run_says_why_it_stays_awake(as_alice, drawing):
    Endpoint.objects.update(min_replicas=1, target_count=1)
    (said,) = press(as_alice, "sleep")
    assert said == (
        "Its minimum keeps 1 replica running. Set the minimum to 0 to let it sleep."
    )


# --- Keep warm until ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "until", "said"),
    [
        ({"until": "18:00"}, NOON.replace(hour=18, minute=0), "18:00"),
        (
            {"until": "08:30"},
            NOON.replace(day=3, hour=8, minute=30),
            "08:30 tomorrow",
        ),
        (
            {"until": "18:00", "zone": "Asia/Tokyo"},
            NOON.replace(day=3, hour=9, minute=0),
            "18:00 tomorrow",
        ),
        (
            {"until": "18:00", "zone": "Mars/Base"},
            NOON.replace(hour=18, minute=0),
            "18:00",
        ),
        ({"hours": "4", "until": ""}, NOON + timedelta(hours=4), "16:05"),
        ({"hours": "168"}, NOON + timedelta(days=7), "12:05 on 9 March"),
    ],
)
def test_it_is_kept_warm_until_then(as_alice, drawing, typed, until, said):
    with time_machine.travel(NOON, tick=False):
        assert press(as_alice, "warm", **typed) == [f"Kept warm until {said}"]
    drawing.refresh_from_db()
    assert drawing.warm_until == until
    assert drawing.wanted_count == 1
    assert told(drawing)[0] == (Reason.WARMED, "alice")


def test_warmth_is_taken_back(as_alice, drawing):
    press(as_alice, "warm", hours="1")
    assert press(as_alice, "warm", end="on", until="18:00") == ["No longer kept warm"]
    drawing.refresh_from_db()
    assert drawing.warm_until is None
    assert told(drawing)[-1] == (Reason.COOLED, "alice")


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"until": ""}, "Write a time of day, such as &quot;18:00&quot;."),
        ({"until": "25:99"}, "Write a time of day, such as &quot;18:00&quot;."),
        ({"hours": "745"}, "Choose one of the times that are offered."),
        ({"hours": "soon"}, "Choose one of the times that are offered."),
    ],
)
def test_a_wrong_time_is_said_and_kept(as_alice, drawing, typed, problem):
    answer = as_alice.post(url("warm"), typed)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert problem in html
    assert f'value="{typed.get("until", "")}"' in html
    drawing.refresh_from_db()
    assert drawing.warm_until is None


def test_a_clock_that_jumps_over_the_time_is_no_trouble(as_alice, drawing):
    """29 March 2026, 02:30 does not exist in Berlin."""
    night = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    with time_machine.travel(night, tick=False):
        press(as_alice, "warm", until="02:30", zone="Europe/Berlin")
    drawing.refresh_from_db()
    assert night < drawing.warm_until <= night + timedelta(hours=1)


# --- The weekly schedule --------------------------------------------------------------
def typed(number=0, **changes):
    row = {"days": ["mon", "tue", "wed", "thu", "fri"], "begins": "09:00",
           "ends": "18:00", "keep": "2", **changes}  # fmt: skip
    return {f"window-{number}-{name}": value for name, value in row.items()}


def save(client, *rows, zone="Europe/Berlin"):
    data = {"zone": zone}
    for number, row in enumerate(rows):
        data |= typed(number, **row)
    return client.post(url("schedule"), data)


def windows(endpoint):
    return sizing.windows_of(Endpoint.objects.get(pk=endpoint.pk))


def test_a_week_is_kept_as_typed(as_alice, drawing):
    night = {"days": ["sat"], "begins": "22:00", "ends": "06:00", "keep": "0"}
    answer = save(as_alice, {}, night)
    assert (answer.status_code, answer.url) == (302, "/endpoints/drawing/")
    assert windows(drawing) == [OFFICE, Window(32, time(22), time(6), 0)]
    drawing.refresh_from_db()
    assert drawing.schedule_zone == "Europe/Berlin"
    assert told(drawing)[0] == (Reason.SCHEDULED, "alice")


def test_the_page_of_the_endpoint_shows_it(as_alice, drawing):
    assert "h-schedule" not in as_alice.get("/endpoints/drawing/").content.decode()
    save(as_alice, {})
    with time_machine.travel(NOON, tick=False):
        html = as_alice.get("/endpoints/drawing/").content.decode()
    assert "Mon to Fri, 09:00 to 18:00: keep 2" in html
    assert "Monday: 09:00 to 18:00: keep 2" in html
    assert "Now it keeps 2, until" in html
    assert "Times are in Europe/Berlin." in html


def test_the_form_shows_what_is_there_and_rows_for_more(as_alice, drawing):
    save(as_alice, {})
    html = as_alice.get(url("schedule")).content.decode()
    row = html.partition('data-row="0"')[2].partition("</fieldset>")[0]
    chosen = re.findall(r'value="(\w+)" aria-label="\w+" checked', row)
    assert chosen == ["mon", "tue", "wed", "thu", "fri"]
    assert 'value="09:00"' in row
    assert html.count("window no-js-only") == 2


def test_rows_without_days_and_times_are_no_windows(as_alice, drawing):
    save(as_alice, {})
    empty = {"days": [], "begins": "", "ends": "", "keep": "1"}
    assert save(as_alice, empty, empty).status_code == 302
    assert windows(drawing) == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"days": []}, "Choose at least one day."),
        ({"days": ["someday"]}, "Choose at least one day."),
        ({"begins": ""}, "Write a time of day, such as &quot;09:00&quot;."),
        ({"ends": "25:00"}, "Write a time of day, such as &quot;09:00&quot;."),
        ({"keep": "4"}, "Keep at most 3, or raise the maximum first."),
        ({"keep": "-1"}, "Keep 0 to 3 replicas."),
        ({"keep": "many"}, "Keep 0 to 3 replicas."),
    ],
)
def test_a_wrong_row_is_said_and_kept(as_alice, drawing, row, problem):
    answer = save(as_alice, {"begins": "10:01"}, row)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert problem in html
    assert "One field needs a change." in html
    assert 'value="10:01"' in html
    if keep := row.get("keep"):
        assert f'name="window-1-keep" value="{keep}"' in html
    assert windows(drawing) == []


def test_an_unknown_zone_is_said(as_alice, drawing):
    answer = save(as_alice, {}, zone="Mars/<b>Base")
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Write a time zone as a place" in html
    assert 'value="Mars/&lt;b&gt;Base"' in html


def test_a_week_has_room_for_twenty(as_alice, drawing):
    assert save(as_alice, *[{}] * 21).status_code == 422
    assert save(as_alice, *[{}] * 20).status_code == 302


def test_the_picture_follows_what_is_typed_and_keeps_nothing(as_alice, drawing):
    answer = as_alice.post(
        url("schedule"),
        {"zone": "UTC", **typed(), **typed(7, keep="9")},
        headers={"HX-Request": "true"},
    )
    html = answer.content.decode()
    assert answer.status_code == 200
    assert html.startswith('<div class="week" id="week">')
    assert html.count("rb-kept") == 5
    assert windows(drawing) == []


def test_a_night_is_drawn_on_both_days(as_alice, drawing):
    row = typed(days=["sun"], begins="22:00", ends="06:00")
    answer = as_alice.post(url("schedule"), row, headers={"HX-Request": "true"})
    html = answer.content.decode()
    monday, sunday = html.partition("Mon</span>")[2], html.partition("Sun</span>")[2]
    assert '<rect class="rb-kept" x="0" y="0" width="360"' in monday.split("</svg>")[0]
    assert '<rect class="rb-kept" x="1320" y="0" width="120"' in sunday


def test_the_schedule_costs_the_page_one_query(
    as_alice, drawing, django_assert_num_queries
):
    with CaptureQueriesContext(connection) as before:
        as_alice.get("/endpoints/drawing/")
    ScheduleWindow.objects.bulk_create(
        ScheduleWindow(
            endpoint=drawing, days=1, begins=time(n), ends=SIX, min_replicas=1
        )
        for n in range(9)
    )
    with django_assert_num_queries(len(before)):
        as_alice.get("/endpoints/drawing/")


# --- Without scripts -----------------------------------------------------------
def test_the_menu_offers_what_helps_now(as_alice, drawing):
    def menu():
        html = as_alice.get("/endpoints/drawing/").content.decode()
        found = html.partition('id="ep-menu"')[2].partition("</div>")[0]
        return [w for w in ("Wake now", "Sleep now", "Keep warm") if w in found]

    assert menu() == ["Wake now", "Keep warm"]
    Endpoint.objects.update(target_count=1)
    assert menu() == ["Sleep now", "Keep warm"]
    Endpoint.objects.update(min_replicas=1)
    assert menu() == ["Keep warm"]
    Endpoint.objects.update(paused=True)
    assert menu() == []


def test_warmth_has_a_page_of_its_own(as_alice, drawing):
    html = as_alice.get(url("warm")).content.decode()
    assert "Times are in <span data-zone-name>UTC</span>" in html
    assert "Stop keeping it warm" not in html
    press(as_alice, "warm", hours="1")
    assert "Stop keeping it warm" in as_alice.get(url("warm")).content.decode()


# --- In the list ---------------------------------------------------------------------
def started(endpoint, seconds, **columns):
    made = timezone.now() - timedelta(hours=1)
    ReplicaFactory(
        endpoint=endpoint,
        state=ReplicaState.STOPPED,
        created_at=made,
        answered_at=made + timedelta(seconds=seconds),
        **columns,
    )


def test_a_row_at_zero_says_how_long_a_start_takes(as_alice, drawing):
    assert "Wakes on request<" in as_alice.get("/endpoints/").content.decode()
    for seconds in (300, 49, 16, 14, 13, 15):
        started(drawing, seconds)
    started(drawing, 900, attempt=3)
    html = as_alice.get("/endpoints/").content.decode()
    assert "Wakes on request, about 15 s" in html


def test_estimates_cost_the_list_one_query(
    as_alice, alice, drawing, django_assert_num_queries
):
    started(drawing, 15)
    sparks._hour.cache_clear()
    with CaptureQueriesContext(connection) as before:
        as_alice.get("/endpoints/")
    for _ in range(9):
        more = EndpointFactory(owner=alice, min_replicas=0, target_count=0)
        started(more, 20)
    sparks._hour.cache_clear()
    with django_assert_num_queries(len(before)):
        as_alice.get("/endpoints/")
