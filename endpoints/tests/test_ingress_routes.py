"""From what HAProxy holds and what is wanted to its commands."""

import base64

import pytest

from endpoints.ingress.base import Grant, IngressFull, Upstream, seal
from endpoints.ingress.routes import (
    GRANTS,
    HOSTS,
    REASONS,
    WAYS,
    Draft,
    Place,
    Way,
    empty_tables,
    free_slot,
)
from endpoints.tests.ingress_parts import private, public

FREE = [Place("s1"), Place("s2")]
ONE = Upstream("1.1", "172.17.0.2", 7860)
TWO = Upstream("2.1", "172.17.0.3", 7860)


def used(name, upstream, **changes):
    fields = {"key": upstream.key, "address": upstream.address, "port": upstream.port}
    return Place(name, **{**fields, "ready": True, **changes})


def tables(**rows):
    return {**empty_tables(), **rows}


def commands(route, places, held=None):
    draft = Draft(held or settled(route))
    draft.lead(route, "e0000", places)
    return draft.commands


def way(name, slot="e0000", access="private", grants=()):
    return str(Way(name, slot, "2000", access, seal(grants)))


def settled(route):
    """The maps as they are once this route was applied."""
    draft = Draft(empty_tables())
    draft.describe(route, "e0000")
    return draft.tables


def test_a_new_host_leads_somewhere_only_when_all_else_is_in_place():
    route = private("art", ONE, grants=(Grant("AA"),), concurrency=4)
    assert commands(route, FREE, empty_tables()) == [
        "add map grants.map AA/art 4102444800",
        "add map states.map art starting",
        "add map holds.map art 0",
        "set server e0000/s1 addr 172.17.0.2 port 7860",
        "set maxconn server e0000/s1 4",
        "add map upstreams.map e0000/s1 1.1",
        "set server e0000/s1 state ready",
        f"add map ways.map art {way('art', grants=route.grants)}",
        "add map hosts.map art.localhost art",
    ]


def test_a_reason_is_there_while_it_holds():
    failed = public("art", state="failed", reason="It “ended” & <died>.")
    held = settled(failed)
    spelled = {
        key: base64.b64decode(text).decode() for key, text in held[REASONS].items()
    }
    assert spelled == {
        "art.html": "It “ended” &amp; &lt;died&gt;.",
        "art": "It “ended” & <died>.",
    }
    said = commands(public("art", reason="It “ended” & <died>."), FREE, held)
    assert [c for c in said if "reasons" in c] == [
        "del map reasons.map art.html",
        "del map reasons.map art",
    ]
    draft = Draft(held)
    draft.forget("art")
    assert not draft.tables[REASONS]


def test_a_grant_is_added_alone_and_taken_everywhere():
    held = settled(private("art"))
    draft = Draft(held)
    draft.admit("art", Grant("AA", 7))
    draft.admit("nobody", Grant("AA", 7))
    assert draft.commands == [
        "set map ways.map art art/e0000/2000/private/-",
        "add map grants.map AA/art 7",
    ]
    assert Draft(draft.tables).commands == []
    held[GRANTS] |= {"AA/art": "7", "AA/chat": "7", "BB/art": "7"}
    draft = Draft(held)
    draft.expel({"AA"}, but_at={"chat"})
    assert draft.tables[GRANTS] == {"AA/chat": "7", "BB/art": "7"}
    assert draft.tables[WAYS] == {"art": way("art", grants=(Grant("BB", 7),))}
    draft.expel({"AA"})
    assert draft.tables[GRANTS] == {"BB/art": "7"}


def test_a_grant_whose_end_moves_is_set_anew():
    held = settled(private("art", grants=(Grant("AA", 7),)))
    said = commands(private("art", grants=(Grant("AA", 9),)), FREE, held)
    changed = way("art", grants=(Grant("AA", 9),))
    assert said == [
        "set map grants.map AA/art 9",
        f"set map ways.map art {changed}",
    ]


def test_nothing_is_said_twice():
    route = public("art", ONE, grants=(Grant("AA"),))
    held = settled(route)
    held["upstreams.map"]["e0000/s1"] = ONE.key
    assert commands(route, [used("s1", ONE), FREE[1]], held) == []


def test_going_private_comes_before_anything_else():
    held = settled(public("art", ONE))
    said = commands(private("art", ONE, TWO), [used("s1", ONE), FREE[1]], held)
    assert said[0] == f"set map ways.map art {way('art')}"


def test_going_public_comes_after_the_replicas():
    said = commands(public("art", ONE), FREE, settled(private("art")))
    assert said[-1] == f"set map ways.map art {way('art', access='public')}"


def test_a_revoked_token_goes_and_a_new_one_comes():
    held = settled(private("art", grants=(Grant("AA"), Grant("BB"))))
    held[GRANTS]["AA/other"] = "1"
    route = private("art", grants=(Grant("BB"), Grant("CC")))
    assert commands(route, FREE, held) == [
        "del map grants.map AA/art",
        "add map grants.map CC/art 4102444800",
        f"set map ways.map art {way('art', grants=route.grants)}",
    ]


def test_the_newcomer_answers_before_the_leaver_is_retired():
    said = commands(public("art", TWO), [used("s1", ONE), FREE[1]])
    assert said == [
        "set server e0000/s2 addr 172.17.0.3 port 7860",
        "add map upstreams.map e0000/s2 2.1",
        "set server e0000/s2 state ready",
        "set server e0000/s1 state maint",
    ]


def test_a_new_attempt_at_the_same_address_is_a_newcomer():
    again = Upstream("1.2", ONE.address, ONE.port)
    said = commands(public("art", again), [used("s1", ONE, open=1), FREE[1]])
    assert said[0] == "set server e0000/s2 addr 172.17.0.2 port 7860"
    assert said[-1] == "set server e0000/s1 state maint"


@pytest.mark.parametrize(
    ("places", "taken"),
    [
        ([used("s1", ONE, open=2), Place("s2")], "s2"),
        ([used("s1", ONE, ready=False, open=1), used("s2", ONE, open=0)], "s2"),
        ([used("s1", ONE, open=0), Place("s2", key="9.9", open=0)], "s2"),
        ([Place("s1", key="8.1", open=3), Place("s2", key="9.9", open=1)], "s2"),
    ],
    ids=["unused", "nothing-open", "already-retired", "fewest-open"],
)
def test_a_place_is_taken_where_the_least_is_lost(places, taken):
    said = commands(public("art", TWO), places)
    assert f"set server e0000/{taken} state ready" in said


def test_open_requests_are_ended_only_when_there_is_no_other_place():
    places = [Place("s1", key="8.1", open=3), Place("s2", key="9.9", open=1)]
    said = commands(public("art", TWO), places)
    assert said[0] == "shutdown sessions server e0000/s2"
    assert not [line for line in said if line.startswith("shutdown") and "s1" in line]


def test_a_changed_limit_is_told_to_every_replica():
    route = public("art", ONE, TWO, concurrency=8)
    places = [used("s1", ONE), used("s2", TWO, limit=8)]
    held = settled(route)
    held["upstreams.map"] = {"e0000/s1": ONE.key, "e0000/s2": TWO.key}
    assert commands(route, places, held) == ["set maxconn server e0000/s1 8"]


def test_no_limit_is_said_so_that_those_in_line_go_ahead():
    route = public("art", ONE)
    held = settled(route)
    held["upstreams.map"] = {"e0000/s1": ONE.key}
    said = commands(route, [used("s1", ONE, limit=2)], held)
    assert said == ["set maxconn server e0000/s1 1000000"]


def test_more_replicas_than_places_say_which_setting_helps():
    with pytest.raises(IngressFull, match="ALIGHT_INGRESS_SERVERS"):
        commands(public("art", ONE, TWO), [Place("s1")])


def test_the_first_free_slot_is_taken():
    assert free_slot({"e0000", "e0002"}, 4) == "e0001"
    with pytest.raises(IngressFull, match="ALIGHT_INGRESS_SLOTS"):
        free_slot({"e0000", "e0001"}, 2)


def test_a_slot_two_endpoints_claim_is_left_to_one_of_them():
    draft = Draft(tables(**{WAYS: {"art": way("art"), "chat": way("chat")}}))
    assert draft.slot_for("art", 4) == "e0001"
    draft.describe(public("art"), "e0001")
    assert draft.slot_for("chat", 4) == "e0000"


def test_a_slot_that_no_longer_exists_is_given_up():
    assert (
        Draft(tables(**{WAYS: {"art": way("art", "e0009")}})).slot_for("art", 2)
        == "e0000"
    )


def test_forgetting_shuts_the_door_first_and_cuts_nobody_off():
    draft = Draft(settled(public("art", grants=(Grant("AA"),))))
    draft.forget("art", [used("s1", ONE, open=1), FREE[1]])
    assert draft.commands == [
        "del map hosts.map art.localhost",
        "del map ways.map art",
        "del map grants.map AA/art",
        "set server e0000/s1 state maint",
        "del map states.map art",
        "del map holds.map art",
    ]


def test_strays_of_endpoints_nobody_lists_are_dropped():
    draft = Draft(
        tables(
            **{
                HOSTS: {"old.localhost": "old", "art.localhost": "art"},
                GRANTS: {"AA/old": "1", "AA/art": "1"},
            }
        )
    )
    draft.forget_strays({"art": public("art")})
    assert draft.tables[HOSTS] == {"art.localhost": "art"}
    assert draft.tables[GRANTS] == {"AA/art": "1"}


@pytest.mark.parametrize(
    "route",
    [
        public("art", state="starting", host="a b"),
        public("a;b"),
        public("art", grants=(Grant("AA\nset map"),)),
        public("art", Upstream("1 1", "172.17.0.2", 80)),
        public("art", Upstream("1.1", "172.17.0.2 port 1", 80)),
        public("art", Upstream("1.1", "172.17.0.2", 0)),
        public("art", concurrency=-1),
    ],
)
def test_what_could_change_a_command_is_refused(route):
    with pytest.raises(ValueError):
        commands(route, FREE, empty_tables())


def test_an_unknown_state_counts_as_starting():
    draft = Draft(empty_tables())
    draft.describe(public("art", state="ready"), "e0000")
    assert draft.tables["states.map"] == {"art": "starting"}
