"""How HAProxy counts answers, and how its counters read. Pure.

One row of the table `traffic` for each endpoint, with an array of counters: one for
each bucket of BOUNDS and for longer, five for the classes of status, one for requests
that were held for a start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from endpoints.ingress.base import BOUNDS, Answers
from endpoints.ingress.replies import NAME, say, status_of

_BUCKETS = len(BOUNDS) + 1
_CLASSES = 5
_HELD = _BUCKETS + _CLASSES
COUNTERS = _HELD + 1
# Which of a request's sticky counters this table is.
_COUNTER = 0

# Which statuses of replicas the rules count. Other 5xx are in HAProxy's own counter of
# failures, as are answers that never came.
_STATUSES = {1: "100:199", 2: "200:299", 3: "300:399", 4: "400:499", 5: "501 505"}
STORED = f"gpc({COUNTERS}),http_fail_cnt"

# All of them in one go: a thousand rows are read every few seconds.
_COUNTS = re.compile(" ".join(rf"gpc{number}=(\d+)" for number in range(COUNTERS)))


def rules() -> str:
    """Rules that count an answer of a replica: the frontend's last for responses.

    The first bound that an answer is within ends them. Those that are quick and fine,
    whose rules weigh most, are done with the first.
    """
    lines = [
        "  http-response set-var(txn.took) date(0,us),sub(txn.began)",
        *(
            f"  acl within_{number} var(txn.took) -m int lt {round(bound * 1_000_000)}"
            for number, bound in enumerate(BOUNDS)
        ),
        f"  acl fine status {_STATUSES[2]}",
        f"  http-response allow if fine within_0 {_counted(200)} {_added(0)}",
        # Only what counts as use is counted.
        f"  http-response allow unless {{ sc_tracked({_COUNTER}) }}",
    ]
    lines += [
        f"  http-response {_add(_of(100 * hundreds))} if {{ status {statuses} }}"
        for hundreds, statuses in _STATUSES.items()
    ]
    lines += [
        f"  http-response allow if within_{number} {_added(number)}"
        for number in range(len(BOUNDS))
    ]
    lines.append(f"  http-response {_add(len(BOUNDS))}")
    return "\n".join(lines)


def admission() -> str:
    """Rules that let a request in: it counts as in flight, and finds room or a 429.

    One that was held has been through them.
    """
    return f"""\
  acl was_held var(txn.state) -m found
  acl crowded sc_conn_cur({_COUNTER}),sub(txn.most) gt 0
  http-request track-sc{_COUNTER} {NAME} table traffic
  http-request set-var(txn.most) var(txn.way),word(3,/)
  {say("busy")} if crowded !was_held {_counted(status_of("busy"))}"""


def count_own(status: int, condition: str) -> str:
    """The rule that counts an answer of the ingress itself."""
    return f"  http-request {_add(_of(status))} if {condition}"


def count_held(condition: str) -> str:
    """The rule that counts a request which has to wait for a start."""
    return f"  http-request {_add(_HELD)} if {condition}"


def answers_rows(answer: str) -> Iterator[tuple[str, Answers]]:
    """`show table traffic`: "0x…: key=NAME use=… gpc0=… http_fail_cnt=…" a line."""
    for line in answer.splitlines():
        name = line.partition("key=")[2].partition(" ")[0]
        found = _COUNTS.search(line)
        if not name or found is None:
            continue
        counts = tuple(map(int, found.groups()))
        failed = int(line.partition("http_fail_cnt=")[2].partition(" ")[0] or 0)
        one, two, three, four, five = counts[_BUCKETS:_HELD]
        yield (
            name,
            Answers(
                classes=(one, two, three, four, five + failed),
                buckets=counts[:_BUCKETS],
                held=counts[_HELD],
            ),
        )


def _add(counter: int) -> str:
    return f"sc-inc-gpc({counter},{_COUNTER})"


def _counted(status: int) -> str:
    """A condition that always holds and, looked at, counts an answer of this status.

    The last one of a rule: what stands before it decides.
    """
    return _added(_of(status))


def _added(counter: int) -> str:
    return f"{{ sc_inc_gpc({counter},{_COUNTER}) gt 0 }}"


def _of(status: int) -> int:
    """The counter of its class."""
    return _BUCKETS + status // 100 - 1
