"""Each URL answers with one of its own replicas; a paused one says so."""

from concurrent.futures import ThreadPoolExecutor

import requests

from tests.chaos.checks import Check

_PATIENCE = 5


class Answers(Check):
    """ask(name) is (status, text) of one request to this endpoint's URL."""

    name = "URLs answer"

    def __init__(self, ask):
        self._ask = ask

    def settled(self, world):
        asked = [e for e in world.endpoints if e.paused or e.ready_count]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(self._ask, [e.name for e in asked]))
        return [
            f"{endpoint.name}: its URL answered {status} {text[:60]!r}"
            for endpoint, (status, text) in zip(asked, answers, strict=True)
            if not _fits(endpoint, status, text)
        ]


def _fits(endpoint, status, text):
    if endpoint.paused:
        return status == 503
    return status == 200 and text.startswith(f"{endpoint.name}-")


def asker(console):
    """How a program asks, without a name server's help."""

    def ask(name):
        try:
            answer = requests.get(
                f"http://127.0.0.1:{console.port}/",
                headers={"Host": f"{name}.localhost:{console.port}"},
                timeout=_PATIENCE,
            )
        except requests.RequestException as error:
            return 0, type(error).__name__
        return answer.status_code, answer.text

    return ask
