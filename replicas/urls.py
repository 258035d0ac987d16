"""Pages of endpoints and their replicas, what can be done there, and their sockets."""

from django.urls import path

from replicas import views
from replicas.consumers import EndpointConsumer, ListConsumer

app_name = "replicas"
urlpatterns = [
    path("endpoints/", views.endpoint_list, name="list"),
    path("endpoints/<slug:name>/", views.endpoint_page, name="endpoint"),
    path("endpoints/<slug:name>/logs.txt", views.logs, name="logs"),
    path(
        "endpoints/<slug:name>/replicas/<int:replica_id>/",
        views.replica_page,
        name="replica",
    ),
    path("endpoints/<slug:name>/pause/", views.pause, name="pause"),
    path("endpoints/<slug:name>/resume/", views.resume, name="resume"),
    path("endpoints/<slug:name>/restart/", views.restart, name="restart"),
    path("endpoints/<slug:name>/access/", views.access, name="access"),
    path("endpoints/<slug:name>/scale/", views.scale, name="scale"),
    path("endpoints/<slug:name>/delete/", views.delete, name="delete"),
]
socket_urlpatterns = [
    path("ws/endpoints/", ListConsumer.as_asgi()),
    path("ws/endpoints/<slug:name>/", EndpointConsumer.as_asgi()),
]
