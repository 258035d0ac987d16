"""Servers of a network of a test: run with words such as 192.168.77.2:80=lan.

Each answers a TCP connection or a UDP packet with its word; port 53 answers questions
for names instead, with the address that the word is. Writes "ready" once all listen.
"""

import selectors
import socket
import struct
import sys


def main(words: list[str]) -> None:
    every = selectors.DefaultSelector()
    for word in words:
        place, _, says = word.partition("=")
        host, _, port = place.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        where = socket.getaddrinfo(host, int(port), family)[0][4]
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            link = socket.socket(family, kind)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            link.bind(where)
            if kind == socket.SOCK_STREAM:
                link.listen()
            every.register(link, selectors.EVENT_READ, says)
    print("ready", flush=True)
    while True:
        for key, _ in every.select():
            answer(key.fileobj, key.data)


def answer(link: socket.socket, says: str) -> None:
    if link.type == socket.SOCK_STREAM:
        with link.accept()[0] as caller:
            caller.sendall(says.encode() + b"\n")
        return
    question, caller = link.recvfrom(4096)
    named = link.getsockname()[1] == 53
    link.sendto(told(question, says) if named else says.encode(), caller)


def told(question: bytes, address: str) -> bytes:
    """A DNS answer: this address for an A question, nothing for any other."""
    end = question.index(0, 12) + 5
    wants_a = question[end - 4 : end - 2] == b"\0\1"
    head = question[:2] + struct.pack("!5H", 0x8180, 1, wants_a, 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
    return head + question[12:end] + (record if wants_a else b"")


if __name__ == "__main__":
    main(sys.argv[1:])
