"""HTTP and websocket entry."""

import logging
import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
http = get_asgi_application()
# Python's own warnings are lines of the log like others.
logging.captureWarnings(capture=True)

from console.request_ids import RequestIds  # noqa: E402 - as below
from console.routing import websocket_urlpatterns  # noqa: E402 - needs the apps loaded

websocket = AllowedHostsOriginValidator(
    AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
)
application = RequestIds(ProtocolTypeRouter({"http": http, "websocket": websocket}))
