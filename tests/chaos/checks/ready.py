"""The console has all it stands on, its database first: it says so itself."""

import requests

from tests.chaos.checks import Check

_PATIENCE = 10


class Ready(Check):
    """ask() is the answer of /readyz: {part: "ok", or what is wrong}."""

    name = "the console is ready"

    def __init__(self, ask):
        self._ask = ask

    def settled(self, world):
        return [f"{part}: {what}" for part, what in self._ask().items() if what != "ok"]


def readiness(console):
    """How it is asked, through the ingress."""

    def ask():
        try:
            answer = requests.get(
                f"http://127.0.0.1:{console.port}/readyz",
                headers={"Host": f"localhost:{console.port}"},
                timeout=_PATIENCE,
            )
            return answer.json()["parts"]
        except (requests.RequestException, LookupError) as error:
            return {"console": type(error).__name__}

    return ask
