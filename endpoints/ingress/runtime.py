"""HAProxy's runtime socket: commands in, answers out, one connection for a batch."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self

from endpoints.ingress.base import IngressUnreachable, Traffic
from endpoints.ingress.routes import NO_LIMIT, Place

# Written ahead of their answers, so that both sides' buffers hold them.
_BATCH = 64
_PROMPT = b"\n> "
# Said on success: everything else that begins with a severity is a refusal.
_CHANGED = re.compile(r"\[\d\]: (IP changed|port changed|no need to change|nothing)")


_ROW = re.compile(r"^0x\S+ (\S+) (.*)$", re.MULTILINE)
_TRAFFIC = re.compile(r" key=(\S+) .*? conn_cur=(\d+) http_req_cnt=(\d+)")
_COLUMNS = ("pxname", "svname", "qcur", "scur", "slim", "status", "addr")


class CommandRefused(IngressUnreachable):
    """HAProxy did not take a command; the message has the command and its answer.

    To callers the same as no answer: the route is not there, and is tried again.
    """


class Runtime:
    """One connection. Raises IngressUnreachable whenever the socket fails."""

    def __init__(self, path: str, timeout: float = 5.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._path = path
        self._rest = b""

    def __enter__(self) -> Self:
        try:
            self._socket.connect(self._path)
            self._socket.sendall(b"prompt\nset severity-output number\n")
            self._answer()
            self._answer()
        except OSError as error:
            self._socket.close()
            raise self._unreachable() from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, commands: Sequence[str]) -> list[str]:
        """The answer to each command, unchecked."""
        answers: list[str] = []
        for start in range(0, len(commands), _BATCH):
            batch = commands[start : start + _BATCH]
            try:
                self._socket.sendall("".join(f"{c}\n" for c in batch).encode())
                answers += [self._answer() for _ in batch]
            except OSError as error:
                raise self._unreachable() from error
        return answers

    def order(self, commands: Sequence[str]) -> None:
        """Run commands that change something. Raises CommandRefused at the first no."""
        for command, answer in zip(commands, self.ask(commands), strict=True):
            if answer and not _CHANGED.match(answer):
                msg = f"The ingress refused “{command}”: {answer}"
                raise CommandRefused(msg)

    def _answer(self) -> str:
        while _PROMPT not in self._rest:
            more = self._socket.recv(1 << 18)
            if not more:
                msg = "closed"
                raise ConnectionResetError(msg)
            self._rest += more
        answer, self._rest = self._rest.split(_PROMPT, 1)
        return answer.decode().strip("\n")

    def _unreachable(self) -> IngressUnreachable:
        name = Path(self._path).name
        return IngressUnreachable(f"The ingress does not answer on {name}.")


# -- what the answers say ----------------------------------------------------------


def map_rows(answer: str, having: str = "") -> dict[str, str]:
    """`show map`: one "0x… key value" a line. Only lines with that text in them."""
    if having:
        answer = "\n".join(line for line in answer.splitlines() if having in line)
    return dict(_ROW.findall(answer))


def map_value(answer: str) -> str | None:
    """`get map`: `…, found=yes, …, value="…", …`."""
    found = re.search(r'found=yes.*, value="([^"]*)"', answer)
    return found[1] if found else None


def slot_places(answer: str, keys: dict[str, str]) -> list[Place]:
    """`show stat SLOT 4 -1`: the servers of one slot. keys: upstreams.map."""
    head, *lines = answer.removeprefix("# ").splitlines() or [""]
    if not head.startswith("pxname"):
        return []
    # Of some hundred columns these; what a check said may hold commas, in quotes.
    columns = head.split(",")
    wanted = itemgetter(*map(columns.index, _COLUMNS))
    places: list[Place] = []
    for row in csv.reader(lines):
        slot, name, queued, current, limit, status, at = wanted(row)
        address, _, port = at.rpartition(":")
        places.append(
            Place(
                name=name,
                key=keys.get(f"{slot}/{name}", ""),
                address=address.strip("[]"),
                port=int(port),
                limit=int(limit or 0) % NO_LIMIT,
                ready=not status.startswith(("MAINT", "DRAIN")),
                open=int(current) + int(queued),
            )
        )
    return places


def traffic_rows(answer: str) -> Iterator[tuple[str, Traffic]]:
    """`show table`: "0x…: key=NAME use=… conn_cur=… http_req_cnt=… …" a line."""
    for name, in_flight, requests in _TRAFFIC.findall(answer):
        yield name, Traffic(int(in_flight), int(requests))


def caller_rows(answer: str) -> Iterator[tuple[str, int]]:
    """`show table`: "0x…: key=DIGEST use=… http_req_cnt=…" a line."""
    for line in answer.splitlines():
        fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
        if "key" in fields:
            yield fields["key"], int(fields["http_req_cnt"])


def slot_sessions(answer: str) -> dict[str, int]:
    """`show stat -1 2 -1`: requests that are at a replica now, by slot."""
    head, *lines = answer.removeprefix("# ").splitlines() or [""]
    if not head.startswith("pxname"):
        return {}
    columns = head.split(",")
    wanted = itemgetter(*map(columns.index, ("pxname", "qcur", "scur")))
    return {
        slot: int(sessions) - int(queued)
        for slot, queued, sessions in (
            wanted(line.split(",")) for line in lines if line
        )
    }
