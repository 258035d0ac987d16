"""Pages of this app."""

from django.urls import URLPattern

app_name = "endpoints"
urlpatterns: list[URLPattern] = []
