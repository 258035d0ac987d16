"""Pages of this app."""

from django.urls import path

from endpoints.views import clone, tokens

app_name = "endpoints"
urlpatterns = [
    path("templates/<slug:slug>/clone/", clone.Clone.as_view(), name="clone"),
    path("templates/own-container/", clone.NewEndpoint.as_view(), name="new"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<int:key_id>/revoke/", tokens.revoke_token, name="revoke"),
]
