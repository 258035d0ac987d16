"""The table of socket URLs."""

from replicas.urls import socket_urlpatterns

websocket_urlpatterns = [*socket_urlpatterns]
