"""What a revision changed, in words; never a secret's value."""

import pytest

from endpoints.diffs import Change, Deployed, between, summary
from endpoints.tests.factories import spec, volume
from templates_app.spec import EnvVar, Example


def changes(before, after, hardware=("CPU", "CPU")):
    return between(
        Deployed(spec(**before), hardware[0]), Deployed(spec(**after), hardware[1])
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"port": 80}, ("Port", "7860", "80")),
        (
            {},
            {"image": "lab/app:2"},
            ("Container image", "lab/app:1", "lab/app:2"),
        ),
        ({}, {"health_path": "/ok"}, ("Health check path", "", "/ok")),
        (
            {"command": ("sh", "-c", "echo a b")},
            {},
            ("Command", "sh -c 'echo a b'", ""),
        ),
        ({}, {"args": ("--port", "80")}, ("Arguments", "", "--port 80")),
        ({}, {"volume": volume()}, ("Volume", "", "files at /data")),
        ({"shm_mb": 64}, {"shm_mb": 512}, ("Shared memory", "64 MB", "512 MB")),
        (
            {},
            {"openai": True, "example": Example("POST", "/infer", "{}")},
            ("Example request", "", "OpenAI POST /infer {}"),
        ),
        ({}, {"registry": "lab"}, ("Registry sign-in", "", "lab")),
        (
            {"env": (EnvVar("MODE", "a"),)},
            {"env": (EnvVar("MODE", "b"),)},
            ("MODE", "a", "b"),
        ),
        (
            {"env": (EnvVar("MODE", "a"),)},
            {"env": (EnvVar("MODE", ""),)},
            ("MODE", "a", "(empty)"),
        ),
    ],
)
def test_a_field_before_and_after(before, after, expected):
    (change,) = changes(before, after)
    assert (change.field, change.before, change.after) == expected


def test_hardware_is_part_of_it():
    assert changes({}, {}, ("CPU", "Medium, A10")) == [
        Change("Hardware", "CPU", "Medium, A10")
    ]


def test_the_same_is_no_change():
    assert changes({"env": (EnvVar("A", "1"),)}, {"env": (EnvVar("A", "1"),)}) == []
    assert summary([]) == "No change"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (("sealed-1", True), ("sealed-2", True), "KEY: value changed"),
        (("plain", False), ("sealed-2", True), "KEY plain → a secret"),
        (None, ("sealed-2", True), "KEY a secret"),
        (("sealed-1", True), None, "KEY: removed"),
        (None, ("", False), "KEY: added, empty"),
    ],
)
def test_a_secrets_value_is_never_told(old, new, words):
    def env(side):
        return {"env": (EnvVar("KEY", side[0], secret=side[1]),)} if side else {}

    found = changes(env(old), env(new))
    assert [change.words for change in found] == [words]
    assert "sealed" not in repr(found)


def test_account_wide_secrets_are_told_by_key():
    found = changes({"secrets": ("OLD", "BOTH")}, {"secrets": ("BOTH", "NEW")})
    assert [c.words for c in found] == ["OLD: removed", "NEW: added from Secrets"]


def test_a_summary_is_one_line():
    found = changes({}, {"port": 80, "image": "lab/app:2", "health_path": "/ok"})
    assert summary(found) == (
        "Container image lab/app:1 → lab/app:2, Port 7860 → 80 and 1 more change"
    )


def test_what_was_taken_away_reads_so():
    assert summary(changes({"health_path": "/ok"}, {})) == "No health check path"
