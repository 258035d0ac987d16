"""The REST root. Names of the paths are those of the service in docs/api.md."""

from django.urls import path, re_path

from console.schema import Nothing, Schema
from endpoints import api as endpoints
from endpoints import share_api as access
from endpoints import sizing_api as sizing
from endpoints import vault_api as vault
from endpoints import volume_api as volumes
from replicas.api import endpoints as replicas
from replicas.api import kept_logs, logs, metrics, revisions
from templates_app import api as templates

urlpatterns = [
    path("endpoints", replicas.EndpointList.as_view()),
    path("endpoint", replicas.EndpointCreate.as_view()),
    path("endpoint/<slug:name>", replicas.EndpointDetail.as_view()),
    path(
        "endpoint/<slug:name>/container/metadata",
        replicas.ContainerMetadata.as_view(),
    ),
    path("endpoint/<slug:name>/revisions", revisions.Revisions.as_view()),
    path(
        "endpoint/<slug:name>/revisions/<int:revision>/rollback",
        revisions.RollBack.as_view(),
    ),
    path("endpoint/<slug:name>/wake", sizing.Wake.as_view()),
    path("endpoint/<slug:name>/sleep", sizing.Sleep.as_view()),
    path("endpoint/<slug:name>/keep-warm", sizing.KeepWarm.as_view()),
    path("endpoint/<slug:name>/schedule", sizing.Schedule.as_view()),
    path("endpoint/<slug:name>/share-links", access.ShareLinks.as_view()),
    path(
        "endpoint/<slug:name>/share-links/<int:link_id>",
        access.ShareLinkDetail.as_view(),
    ),
    path("tokens", access.Tokens.as_view()),
    path("tokens/<int:key_id>", access.TokenDetail.as_view()),
    path("events/<slug:name>", endpoints.Events.as_view()),
    path("events/<slug:name>/stream", endpoints.EventStream.as_view()),
    path("logs/<slug:name>", logs.Logs.as_view()),
    path("logs/<slug:name>/stream", logs.LogStream.as_view()),
    path("logs/<slug:name>/search", kept_logs.LogSearch.as_view()),
    path("logs/<slug:name>/attempts", kept_logs.LogAttempts.as_view()),
    path("logs/<slug:name>/download", kept_logs.LogDownload.as_view()),
    path("metrics/<slug:name>", metrics.Metrics.as_view()),
    path("instance-types", replicas.InstanceTypes.as_view()),
    path("public-endpoints", endpoints.PublicEndpoints.as_view()),
    path("volumes", volumes.Volumes.as_view()),
    path("volumes/<str:name>", volumes.VolumeDetail.as_view()),
    path("account", endpoints.Account.as_view()),
    path("secrets", vault.Secrets.as_view()),
    path("secret", vault.SecretCreate.as_view()),
    path("secret/<str:key>", vault.SecretDetail.as_view()),
    path("registry-credentials", vault.SignIns.as_view()),
    path("registry-credential", vault.SignInCreate.as_view()),
    path("registry-credential/<str:key>", vault.SignInDetail.as_view()),
    path("templates", templates.TemplateList.as_view()),
    path("templates/<slug:slug>", templates.TemplateDetail.as_view()),
    path("schema", Schema.as_view()),
    re_path(r"^(?P<rest>.*)$", Nothing.as_view()),
]
