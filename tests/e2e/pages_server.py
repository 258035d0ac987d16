"""The web process alone, in this process, with rows that tests make themselves.

No worker changes them, so every state can be looked at, for as long as it takes.
"""

import threading

import uvicorn
from channels.routing import ProtocolTypeRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.utils import timezone
from playwright.sync_api import expect

from console.asgi import websocket
from console.request_ids import RequestIds
from endpoints.tests.factories import EndpointFactory, MediumTierFactory
from replicas.tests import page_facts
from replicas.tests.factories import GpuFactory, NodeFactory, ReplicaFactory
from tests.ports import free_port


class _Server(uvicorn.Server):
    def __init__(self, config):
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.ready.set()


class Pages:
    """Serves at `url`; can be ended and begun again at the same address.

    uds: a unix socket to serve on in place of that, as the ingress wants it.
    """

    def __init__(self, uds=None):
        self._uds = uds
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        pages = ASGIStaticFilesHandler(get_asgi_application())
        routes = ProtocolTypeRouter({"http": pages, "websocket": websocket})
        self._app = RequestIds(routes)

    def begin(self):
        place = {"host": "127.0.0.1", "port": self.port}
        if self._uds:
            place = {"uds": self._uds}
        config = uvicorn.Config(self._app, **place, log_level="error")
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        assert self._server.ready.wait(30)

    def end(self):
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(30)


def endpoint(owner, name, state="", *, upto=None, began=122, **columns):
    """An endpoint with one replica in `state`, whose start went as far as `upto`."""
    made = EndpointFactory(
        name=name, owner=owner, tier=MediumTierFactory(), phase=columns.pop("phase", "")
    )
    for column in ("paused", "min_replicas", "max_replicas", "target_count", "public"):
        if column in columns:
            setattr(made, column, columns.pop(column))
    made.save()
    if state:
        replica = ReplicaFactory(
            endpoint=made, state=state, node=NodeFactory(name="gpu-02"), **columns
        )
        GpuFactory(replica=replica, node=replica.node)
        tell(made, replica, page_facts.start(began, upto=upto))
    return made


def tell(made, replica, story):
    """Write the events of `story`, told relative to page_facts.NOW, as of now."""
    for event in story:
        event.endpoint, event.replica_id = made, replica.pk
        event.at += timezone.now() - page_facts.NOW
        event.save()


def up(tab):
    """Wait until the socket has spoken; news before that would come as a picture."""
    expect(tab.locator("html[data-live-up]")).to_be_attached()
