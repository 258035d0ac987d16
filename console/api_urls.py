"""The REST root. Names of the paths are those of the service in docs/api.md."""

from django.urls import path, re_path

from console.schema import Nothing, Schema
from endpoints import api as endpoints
from replicas.api import endpoints as replicas
from replicas.api import logs

urlpatterns = [
    path("endpoints", replicas.EndpointList.as_view()),
    path("endpoint", replicas.EndpointCreate.as_view()),
    path("endpoint/<slug:name>", replicas.EndpointDetail.as_view()),
    path(
        "endpoint/<slug:name>/container/metadata",
        replicas.ContainerMetadata.as_view(),
    ),
    path("events/<slug:name>", endpoints.Events.as_view()),
    path("events/<slug:name>/stream", endpoints.EventStream.as_view()),
    path("logs/<slug:name>", logs.Logs.as_view()),
    path("logs/<slug:name>/stream", logs.LogStream.as_view()),
    path("instance-types", replicas.InstanceTypes.as_view()),
    path("public-endpoints", endpoints.PublicEndpoints.as_view()),
    path("account", endpoints.Account.as_view()),
    path("schema", Schema.as_view()),
    re_path(r"^(?P<rest>.*)$", Nothing.as_view()),
]
