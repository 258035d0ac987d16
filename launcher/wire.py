"""HTTP over a unix socket or TCP, for Docker's API and our own health check."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import urlsplit


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection through a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connect(host: str, timeout: float) -> http.client.HTTPConnection:
    """host: unix:///path, tcp://name:port or http://name:port."""
    parts = urlsplit(host)
    if parts.scheme == "unix":
        return UnixConnection(parts.path, timeout)
    return http.client.HTTPConnection(
        parts.hostname or "localhost", parts.port or 80, timeout=timeout
    )


def ask(
    host: str,
    method: str,
    path: str,
    *,
    body: bytes | IO[bytes] | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
    silence: float | None = None,
) -> http.client.HTTPResponse:
    """Send one request. Raises OSError or http.client.HTTPException.

    timeout: seconds until the answer begins. silence: seconds without a byte that the
    rest of it may hold; the same when not given.
    """
    connection = connect(host, timeout)
    connection.request(method, path, body=body, headers=headers or {})
    link = connection.sock
    answer = connection.getresponse()
    if silence is not None:
        # An answer that closes the connection keeps the socket's timeout.
        link.settimeout(silence)
    return answer


def json_lines(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """A stream of JSON objects, one a line, as Docker sends progress."""
    while line := answer.readline():
        if line.strip():
            yield json.loads(line)
