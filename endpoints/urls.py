"""Pages of this app."""

from django.urls import path

from endpoints import views

app_name = "endpoints"
urlpatterns = [
    path("templates/<slug:slug>/clone/", views.Clone.as_view(), name="clone"),
    path("templates/own-container/", views.NewEndpoint.as_view(), name="new"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:key_id>/revoke/", views.revoke_token, name="revoke"),
]
