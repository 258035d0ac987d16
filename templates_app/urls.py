"""Pages of this app."""

from django.urls import URLPattern

app_name = "templates"
urlpatterns: list[URLPattern] = []
