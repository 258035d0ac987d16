"""Pages of this app."""

from django.urls import URLPattern

app_name = "replicas"
urlpatterns: list[URLPattern] = []
