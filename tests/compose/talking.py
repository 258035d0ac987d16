"""Somebody who talks to the told server through its URL, whatever happens meanwhile."""

import queue
import threading
import time
from contextlib import contextmanager
from socket import create_connection

import requests
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

# An answer or an end comes within this, or the connection hangs.
SILENCE = 60.0


class Talk:
    """Numbers from 1 over a websocket, each once the one before it was answered.

    Cut off, it comes back as soon as it is let in, asks what arrived and goes on from
    there. cuts: how often that was. answered: the last number that was. A context
    manager; what went wrong is raised at its end.
    """

    def __init__(self, console, name, topic):
        self.cuts = self.answered = 0
        self._address = ("127.0.0.1", console.port)
        self._host = f"{name}.localhost:{console.port}"
        self._topic = topic
        self._words = queue.SimpleQueue()
        self._over = threading.Event()
        self._trouble = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        self.wait_for(lambda: self.answered > 0)
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        if self._trouble:
            raise self._trouble

    def say(self, word):
        """In its turn, on the connection that is open."""
        self._words.put(word)

    def heard(self):
        """The numbers that arrived at the container, in their order."""
        url = "http://{}:{}/heard".format(*self._address)
        answer = requests.get(url, headers={"Host": self._host}, timeout=SILENCE)
        assert answer.status_code == 200, answer.text
        lines = [line.split(" ") for line in answer.text.splitlines()]
        return [int(line[1]) for line in lines if line[0] == self._topic]

    def wait_for(self, condition):
        deadline = time.monotonic() + 2 * SILENCE
        while not condition():
            assert self._thread.is_alive(), self._trouble
            assert time.monotonic() < deadline, (self.answered, self.cuts)
            time.sleep(0.02)

    def _run(self):
        try:
            while not self._over.is_set():
                # Whoever is not let in tries again, as browsers do.
                try:
                    self._come()
                except (OSError, InvalidHandshake):
                    time.sleep(0.1)
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            self._trouble = error

    def _come(self):
        with self._connected() as link:
            try:
                self._go_on(link)
            except ConnectionClosed:
                self.cuts += 1

    @contextmanager
    def _connected(self):
        raw, url = create_connection(self._address), f"ws://{self._host}/socket"
        # Only the ingress cuts it: no ping does that is late on a busy machine.
        more = {"sock": raw, "open_timeout": SILENCE, "ping_interval": None}
        with connect(url, **more) as link:
            yield link

    def _go_on(self, link):
        number = max(self.heard(), default=0) if self.cuts else 0
        while not self._over.is_set():
            number += 1
            self._ask(link, f"{self._topic} {number}")
            self.answered = number
            while not self._words.empty():
                self._ask(link, self._words.get())
            time.sleep(0.02)

    def _ask(self, link, text):
        link.send(text)
        try:
            answer = link.recv(timeout=SILENCE)
        except TimeoutError:
            raise AssertionError(f"neither an answer to {text} nor an end") from None
        assert answer.endswith(f": {text}"), answer
