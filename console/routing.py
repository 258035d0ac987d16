"""The table of socket URLs."""

from django.urls import path

from replicas.consumers import EndpointConsumer, ListConsumer

websocket_urlpatterns = [
    path("ws/endpoints/", ListConsumer.as_asgi()),
    path("ws/endpoints/<slug:name>/", EndpointConsumer.as_asgi()),
]
