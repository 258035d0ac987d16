"""The files HAProxy starts from."""

import json
import os
import re
import subprocess

import pytest
from django.core.management import call_command

from endpoints.ingress import config, files
from endpoints.ingress.answers import ANSWERS, STATES, answers_map, as_json, as_page
from endpoints.ingress.base import Grant
from endpoints.ingress.routes import Place
from endpoints.ingress.setup import setup_from_settings, usable
from endpoints.tests.factories import AccessKeyFactory, EndpointFactory
from endpoints.tests.ingress_parts import public, setup_in

PLACES = [
    Place("s1", "1.1", "172.17.0.2", 7860, 4, True),
    Place("s2", "2.1", "fd00::2", 80, 0, True),
    Place("s3", "3.1", "172.17.0.9", 80, 0, False, 1),
]


def test_places_in_use_can_be_read_back(tmp_path):
    text = config.render(setup_in(tmp_path), {"e0002": PLACES})
    assert config.places_in(text) == {
        "e0002": [
            Place("s1", "", "172.17.0.2", 7860, 4, True),
            Place("s2", "", "fd00::2", 80, 0, True),
        ]
    }


@pytest.mark.parametrize("slot", ["e0000", "e0003", "e0005"])
def test_one_slot_changes_and_the_others_stay(tmp_path, slot):
    setup = setup_in(tmp_path)
    section = config.slot_section(slot, setup.servers, PLACES)
    changed = config.replace_slot(config.render(setup), slot, section)
    assert changed == config.render(setup, {slot: PLACES})
    free = config.slot_section(slot, setup.servers)
    assert config.replace_slot(changed, slot, free) == config.render(setup)


@pytest.mark.haproxy
def test_haproxy_takes_the_files_without_a_warning(tmp_path):
    # Short: the name of a socket in it has 97 bytes.
    folder = tmp_path / "a b"
    setup = setup_in(folder, scheme="https", cookies=("__Host-alight", "a.b"))
    files.write_all(setup, [public("art")])
    files.write_slots(setup, {"e0000": PLACES})
    command = ["haproxy", "-c", "-V", "-f", str(folder / files.CONFIG)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_only_the_owner_can_look_into_the_folder(tmp_path):
    setup = setup_in(tmp_path / "ingress")
    files.write_all(setup, [public("art", grants=(Grant("AA"),))])
    assert setup.folder.stat().st_mode & 0o777 == 0o700
    assert (setup.folder / "grants.map").read_text() == "AA/art 4102444800\n"


def test_replicas_are_kept_while_somebody_vouched_for_them(tmp_path):
    setup = setup_in(tmp_path)
    routes = [public("art"), public("chat")]
    files.write_all(setup, routes)
    files.write_slots(setup, {"e0001": PLACES})
    files.write_all(setup, [public("chat")])
    assert list(config.places_in((tmp_path / files.CONFIG).read_text())) == ["e0001"]
    assert (tmp_path / "ways.map").read_text().startswith("chat chat/e0001/")


def test_replicas_nobody_vouched_for_are_not_kept(tmp_path):
    setup = setup_in(tmp_path)
    files.write_all(setup, [public("art")])
    files.write_slots(setup, {"e0000": PLACES})
    os.utime(tmp_path / files.CONFIG, (1, 1))
    files.write_all(setup, [public("art")])
    assert config.places_in((tmp_path / files.CONFIG).read_text()) == {}


def test_fewer_slots_than_before_begin_anew(tmp_path):
    setup = setup_in(tmp_path)
    files.write_all(setup, [public("art"), public("chat")])
    files.write_slots(setup, {"e0001": PLACES})
    files.write_all(setup_in(tmp_path, slots=1), [public("chat")])
    assert (tmp_path / "ways.map").read_text().startswith("chat chat/e0000/")
    assert config.places_in((tmp_path / files.CONFIG).read_text()) == {}


def test_every_state_has_an_answer():
    assert {answer.code for answer in ANSWERS} >= set(STATES)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.code)
def test_a_failure_is_never_a_success(answer):
    assert answer.status >= 400
    error = json.loads(as_json(answer, "art"))["error"]
    assert error["code"] == answer.code
    assert error["endpoint"] == ("art" if answer.named else None)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.code)
def test_a_page_needs_nothing_from_elsewhere(answer):
    page = as_page(answer, "http://localhost:8080/")
    assert "\n" not in page
    assert not re.search(r"<(link|img|iframe)|url\(|@import| style=| src=", page)
    assert ("<script>" in page) == answer.looks
    assert ("http-equiv=refresh" in page) == bool(answer.refresh)


def test_no_answer_is_longer_than_a_line_of_a_map_may_be():
    assert max(map(len, answers_map("http://localhost/").splitlines())) < 16_000


def test_an_ipv6_address_the_machine_lacks_is_left_out():
    assert usable(("127.0.0.1", "2001:db8::1")) == ("127.0.0.1",)


@pytest.mark.django_db
def test_write_ingress_writes_every_living_endpoint(settings, tmp_path):
    settings.ALIGHT_INGRESS_DIR = tmp_path
    art = EndpointFactory(name="art", public=True)
    key = AccessKeyFactory(owner=art.owner)
    EndpointFactory(name="rest", paused=True)
    EndpointFactory(name="gone", deleting=True)
    call_command("write_ingress", verbosity=0)
    text = {path.name: path.read_text() for path in tmp_path.glob("*.map")}
    assert text["hosts.map"] == "art.localhost art\nrest.localhost rest\n"
    assert re.findall(r"(\w+)/\w+/2000/(\w+)/", text["ways.map"]) == [
        ("art", "public"),
        ("rest", "private"),
    ]
    assert text["states.map"] == "art starting\nrest paused\n"
    assert text["grants.map"].startswith(f"{key.digest}/art 4102444800")
    assert "bind 127.0.0.1:8080" in (tmp_path / files.CONFIG).read_text()


def test_the_console_is_found_on_both_loopbacks_where_it_is_local(settings):
    settings.ALIGHT_DOMAIN = "localhost"
    setup = setup_from_settings()
    assert setup.console_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert setup.console_url == "http://localhost:8080/"
    settings.ALIGHT_DOMAIN, settings.ALIGHT_SCHEME = "lab.example", "https"
    setup = setup_from_settings()
    assert setup.console_hosts == ("lab.example",)
    assert setup.console_url == "https://lab.example/"
