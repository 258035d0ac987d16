"""Pages of this app."""

from django.urls import path

from templates_app.views import importing, listing, own

app_name = "templates"
urlpatterns = [
    path("templates/", listing.TemplateList.as_view(), name="list"),
    path("templates/import/", importing.import_template, name="import"),
    path("templates/<slug:slug>/edit/", own.edit, name="edit"),
    path("templates/<slug:slug>/delete/", own.delete, name="delete"),
    path("templates/<slug:slug>/export.yaml", own.export, name="export"),
]
