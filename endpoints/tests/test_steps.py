"""Events as the timeline a person reads."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from endpoints.steps import REASONS, Reason, ahead, rows, title

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Told:
    """An event as the database gives it."""

    reason: str
    second: float
    message: str = ""
    data: dict = field(default_factory=dict)

    @property
    def at(self):
        return NOON + timedelta(seconds=self.second)


def read(*events, coming=()):
    return [
        (row.title, row.phase, row.took) for row in rows(events, coming=list(coming))
    ]


def test_a_whole_start():
    port = {"port": 3000}
    assert read(
        Told(Reason.WAITING, 0),
        Told(Reason.ASSIGNED, 4),
        Told(Reason.PULLING, 5),
        Told(Reason.PULLED, 65),
        Told(Reason.CREATING, 66),
        Told(Reason.STARTED, 67.5),
        Told(Reason.PROBING_PORT, 68, data=port),
        Told(Reason.PORT_ANSWERED, 98, data=port),
        Told(Reason.RUNNING, 98),
    ) == [
        ("Waiting for hardware", "done", 4),
        ("Hardware assigned", "done", 1),
        ("Image pulled", "done", 60),
        ("Container started", "done", 1.5),
        ("Port 3000 answered", "done", 30),
        ("Replica is running", "done", None),
    ]


def test_what_goes_on_and_what_is_to_come():
    coming = ahead("pulling", port=3000, path="", build=False)
    assert read(Told(Reason.ASSIGNED, 0), Told(Reason.PULLING, 1), coming=coming) == [
        ("Hardware assigned", "done", 1),
        ("Pulling image", "now", None),
        ("Starting container", "next", None),
        ("Waiting for port 3000 to answer", "next", None),
        ("Replica is running", "next", None),
    ]


@pytest.mark.parametrize(
    ("opening", "closing", "words"),
    [
        (Reason.PULLING, Reason.IMAGE_FAILED, "Image could not be pulled"),
        (Reason.BUILDING, Reason.IMAGE_FAILED, "Image could not be pulled"),
        (Reason.CREATING, Reason.START_FAILED, "Container could not start"),
        (Reason.PROBING_PORT, Reason.START_TIMEOUT, "Port 3000 did not answer"),
        (Reason.PROBING_HEALTH, Reason.EXITED, "Container exited with code 137"),
        (Reason.SILENT, Reason.ANSWERING, "Replica is answering again"),
        (Reason.SILENT, Reason.GONE, "Container is gone"),
        (Reason.BACKING_OFF, Reason.RETRYING, "Restarting"),
        (Reason.DRAINING, Reason.DRAINED, "Open requests finished"),
        (Reason.STOPPING, Reason.STOPPED_CONTAINER, "Container stopped"),
    ],
)
def test_one_row_tells_the_begin_and_the_end(opening, closing, words):
    data = {"verb": "pulled", "what": "Port 3000", "code": 137}
    (row,) = rows(
        [Told(opening, 0, "Before."), Told(closing, 2, "After.", data)], coming=[]
    )
    assert (row.title, row.phase, row.took) == (words, "done", 2)
    assert (row.reason, row.kind) == (closing, REASONS[closing].kind)
    assert row.detail == "After."


def test_a_closing_without_words_keeps_those_of_the_opening():
    (row,) = rows(
        [Told(Reason.PULLING, 0, "9.8 GB"), Told(Reason.PULLED, 2)], coming=[]
    )
    assert row.detail == "9.8 GB"


def test_an_end_with_nothing_open_is_a_row():
    assert read(Told(Reason.RUNNING, 0), Told(Reason.EXITED, 9, data={"code": 1})) == [
        ("Replica is running", "done", 9),
        ("Container exited with code 1", "done", None),
    ]


def test_a_second_try_opens_a_row_of_its_own():
    told = rows(
        [
            Told(Reason.CREATING, 0),
            Told(Reason.START_FAILED, 1),
            Told(Reason.BACKING_OFF, 1),
            Told(Reason.RETRYING, 6),
            Told(Reason.CREATING, 6),
        ],
        coming=[],
    )
    assert [row.title for row in told] == [
        "Container could not start",
        "Restarting",
        "Starting container",
    ]
    assert [row.open for row in told] == [False, False, True]


def test_a_row_left_open_is_over_when_the_next_begins():
    assert read(Told(Reason.PULLING, 0), Told(Reason.STOPPING, 3)) == [
        ("Pulling image", "done", 3),
        ("Stopping container", "now", None),
    ]


def test_an_unknown_reason_is_left_out_of_the_timeline_and_reads_as_itself():
    assert read(Told("FromTheFuture", 0)) == []
    assert title("FromTheFuture", {}) == "FromTheFuture"


def test_a_title_without_its_values_still_reads():
    assert title(Reason.PROBING_PORT, {}) == "Waiting for port  to answer"
    assert title(Reason.EXITED, {"code": "{0.__class__}"}) == (
        "Container exited with code {0.__class__}"
    )


@pytest.mark.parametrize(
    ("state", "path", "build", "titles"),
    [
        (
            "waiting",
            "/healthz",
            True,
            [
                "Hardware assigned",
                "Building image",
                "Starting container",
                "Waiting for /healthz to answer",
                "Replica is running",
            ],
        ),
        (
            "assigned",
            "",
            False,
            [
                "Pulling image",
                "Starting container",
                "Waiting for port 80 to answer",
                "Replica is running",
            ],
        ),
        ("starting", "", False, ["Replica is running"]),
        ("ready", "", False, []),
        ("failed", "", False, []),
        ("stopping", "", False, []),
    ],
)
def test_what_lies_ahead(state, path, build, titles):
    coming = ahead(state, port=80, path=path, build=build)
    assert [title(reason, data) for reason, data in coming] == titles


def test_every_reason_has_words_and_what_closes_was_opened():
    assert set(REASONS) == set(Reason)
    for words in REASONS.values():
        assert words.title
        for closed in words.closes:
            assert REASONS[closed].opens


def test_every_failure_is_a_warning():
    for reason, words in REASONS.items():
        assert words.warning or words.kind != "fail", reason
