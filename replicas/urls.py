"""Pages of endpoints and their replicas, what can be done there, and their sockets."""

from django.urls import path

from replicas.consumers import EndpointConsumer, ListConsumer
from replicas.views import acts, pages, sizing

app_name = "replicas"
urlpatterns = [
    path("endpoints/", pages.endpoint_list, name="list"),
    path("endpoints/<slug:name>/", pages.endpoint_page, name="endpoint"),
    path("endpoints/<slug:name>/charts/", pages.charts, name="charts"),
    path("endpoints/<slug:name>/logs.txt", pages.logs, name="logs"),
    path(
        "endpoints/<slug:name>/replicas/<int:replica_id>/",
        pages.replica_page,
        name="replica",
    ),
    path("endpoints/<slug:name>/revisions/", pages.revisions, name="revisions"),
    path("endpoints/<slug:name>/roll-back/", acts.roll_back, name="roll_back"),
    path("endpoints/<slug:name>/try-again/", acts.try_again, name="try_again"),
    path("endpoints/<slug:name>/try-now/", acts.try_now, name="try_now"),
    path("endpoints/<slug:name>/port/", acts.port, name="port"),
    path("endpoints/<slug:name>/tier/", acts.tier, name="tier"),
    path("endpoints/<slug:name>/pause/", acts.pause, name="pause"),
    path("endpoints/<slug:name>/resume/", acts.resume, name="resume"),
    path("endpoints/<slug:name>/restart/", acts.restart, name="restart"),
    path("endpoints/<slug:name>/access/", acts.access, name="access"),
    path("endpoints/<slug:name>/scale/", acts.scale, name="scale"),
    path("endpoints/<slug:name>/wake/", sizing.wake, name="wake"),
    path("endpoints/<slug:name>/sleep/", sizing.sleep, name="sleep"),
    path("endpoints/<slug:name>/warm/", sizing.warm, name="warm"),
    path("endpoints/<slug:name>/schedule/", sizing.schedule, name="schedule"),
    path("endpoints/<slug:name>/delete/", acts.delete, name="delete"),
]
socket_urlpatterns = [
    path("ws/endpoints/", ListConsumer.as_asgi()),
    path("ws/endpoints/<slug:name>/", EndpointConsumer.as_asgi()),
]
