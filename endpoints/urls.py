"""Pages of this app."""

from django.urls import path

from endpoints.views import (
    clone,
    edit,
    handing_over,
    image_check,
    share,
    templates,
    tokens,
    trying,
    vault,
    volumes,
)

app_name = "endpoints"
urlpatterns = [
    path("templates/<slug:slug>/clone/", clone.Clone.as_view(), name="clone"),
    path("templates/own-container/", clone.NewEndpoint.as_view(), name="new"),
    path("endpoints/<slug:name>/edit/", edit.Edit.as_view(), name="edit"),
    path(
        "endpoints/<slug:name>/clone/",
        clone.CloneEndpoint.as_view(),
        name="clone_endpoint",
    ),
    path("images/check/", image_check.check_image, name="check_image"),
    path(
        "endpoints/<slug:name>/save-as-template/",
        templates.save_template,
        name="save_template",
    ),
    path("endpoints/<slug:name>/try/", trying.try_it, name="try"),
    path("endpoints/<slug:name>/share/", share.share, name="share"),
    path(
        "endpoints/<slug:name>/share/<int:link_id>/revoke/",
        share.unshare,
        name="unshare",
    ),
    path("hand-over/<slug:name>/", handing_over.hand_over, name="hand_over"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<int:key_id>/revoke/", tokens.revoke_token, name="revoke"),
    path("volumes/", volumes.volumes, name="volumes"),
    path(
        "volumes/<int:volume_id>/delete/", volumes.delete_volume, name="delete_volume"
    ),
    path(
        "volumes/<int:volume_id>/download",
        volumes.download_volume,
        name="download_volume",
    ),
    path("secrets/", vault.secrets, name="secrets"),
    path("secrets/new/", vault.add_secret, name="add_secret"),
    path("secrets/<int:secret_id>/", vault.change_secret, name="change_secret"),
    path("secrets/<int:secret_id>/delete/", vault.delete_secret, name="delete_secret"),
    path("secrets/registries/new/", vault.add_registry, name="add_registry"),
    path(
        "secrets/registries/<int:registry_id>/",
        vault.change_registry,
        name="change_registry",
    ),
    path(
        "secrets/registries/<int:registry_id>/delete/",
        vault.delete_registry,
        name="delete_registry",
    ),
]
