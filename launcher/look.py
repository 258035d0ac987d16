"""Whether the service of this container works: asked by docker-compose.yml.

    python3 -I -S launcher/look.py FILE

Each look is a process of its own, every 10 s, so it loads next to nothing and reads
one small file: launcher/inside.py wrote there what to ask. Exits with 0 when the
service works; else it says why, which `docker inspect` shows under Health.

The file is one of these:

    pulse PATH SECONDS          that file holds a time of the monotonic clock, not older
    http ADDRESS PORT STATUSES  the request follows on the next lines; PORT 0: a unix
                                socket; STATUSES: of one that works, by commas
"""

import sys
import time

# What `socket` is made of: loading that one takes as long as starting Python.
from _socket import AF_INET, AF_INET6, AF_UNIX, socket

# Seconds without a sign.
PATIENCE = 4.0


def main(words: list[str]) -> int:
    try:
        with open(words[0]) as file:  # noqa: PTH123 - pathlib is not loaded here
            trouble = look(file.read())
    except (OSError, ValueError) as error:
        trouble = f"{error}"
    if trouble:
        sys.stdout.write(f"{trouble}\n")
    return 1 if trouble else 0


def look(text: str) -> str:
    """What is wrong; "" when it works. Raises OSError or ValueError."""
    line, _, request = text.partition("\n")
    match line.split():
        case ["pulse", path, seconds]:
            return pulse(path, float(seconds))
        case ["http", address, port, statuses]:
            status = ask(address, int(port), request)
            return "" if status in statuses.split(",") else f"It answered {status}."
    raise ValueError(f"nothing to ask: {line}")


def pulse(path: str, seconds: float) -> str:
    with open(path) as file:  # noqa: PTH123
        ago = time.monotonic() - float(file.read())
    return "" if ago < seconds else f"No sign of life for {ago:.0f} s."


def ask(address: str, port: int, request: str) -> str:
    """The status that it answers with, such as "200"."""
    where = (address, port) if port else address
    family = (AF_INET6 if ":" in address else AF_INET) if port else AF_UNIX
    link = socket(family)
    try:
        link.settimeout(PATIENCE)
        link.connect(where)
        link.sendall(request.replace("\n", "\r\n").encode())
        said = b""
        while b"\r\n" not in said:
            piece = link.recv(4096)
            if not piece:
                raise ValueError("It hung up without an answer.")
            said += piece
    finally:
        link.close()
    version, _, rest = said.partition(b" ")
    if not version.startswith(b"HTTP/"):
        raise ValueError("It does not speak HTTP.")
    return rest[:3].decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
