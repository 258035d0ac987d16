"""Pages of this app."""

from django.urls import path

from templates_app import views

app_name = "templates"
urlpatterns = [path("templates/", views.TemplateList.as_view(), name="list")]
