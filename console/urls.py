"""The table of contents: mounts each app, the API, admin and health."""

from django.contrib import admin
from django.urls import include, path

from console import views
from replicas.api.metrics import Prometheus

urlpatterns = [
    path("", include("console.pages")),
    path("", include("templates_app.urls")),
    path("", include("endpoints.urls")),
    path("", include("replicas.urls")),
    path("v1/", include("console.api_urls")),
    path("metrics", Prometheus.as_view()),
    path("-/alight/", include("console.edge_urls")),
    # One door for everybody: what is said and counted there holds for admins too.
    path("admin/login/", views.admin_sign_in),
    path("admin/", admin.site.urls),
]

handler404 = "console.errors.not_found"
handler403 = "console.errors.forbidden"
handler500 = "console.errors.broken"
