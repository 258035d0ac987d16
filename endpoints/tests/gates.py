"""The ingress in memory, where tokens and passes reach for it."""

import pytest

from endpoints.ingress.base import Route
from endpoints.ingress.fake import FakeIngress


class Gates:
    """Who may call which endpoint, as the ingress was told directly."""

    def __init__(self):
        self.ingress = FakeIngress()

    def open(self, *endpoints):
        """The ingress knows these; they are private and nobody has a grant."""
        for one in endpoints:
            self.ingress.apply(Route(one.name, one.host, False, "starting"))

    def let_in(self, endpoint):
        """Digests of those that may call it."""
        return {grant.digest for grant in self.ingress.routes[endpoint.name].grants}

    def until(self, endpoint, digest):
        grants = self.ingress.routes[endpoint.name].grants
        return next(grant.until for grant in grants if grant.digest == digest)


@pytest.fixture
def gates(monkeypatch):
    made = Gates()
    monkeypatch.setattr("endpoints.gate.get_ingress", lambda: made.ingress)
    return made


@pytest.fixture
def at_once(django_capture_on_commit_callbacks):
    """Runs what waits for the commit, as outside a test's transaction."""

    def run(act, *args, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            return act(*args, **kwargs)

    return run
