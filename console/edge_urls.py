"""What is answered on endpoints' hosts, below /-/alight/ (docs/ingress.md).

On the console's own host there is nothing here: each view asks for the name that the
ingress says.
"""

from django.urls import path, re_path

from endpoints.views import asynchronous, edge
from replicas.views import waiting

app_name = "edge"
urlpatterns = [
    path("enter", edge.enter, name="enter"),
    re_path(r"^share/(?P<secret>[\w-]{8,64})$", edge.follow, name="follow"),
    path("start", waiting.start, name="start"),
    path("async", asynchronous.accept, name="async"),
    path("async/<uuid:request_id>", asynchronous.status, name="async_status"),
    path(
        "async/<uuid:request_id>/response",
        asynchronous.response,
        name="async_response",
    ),
    re_path(r"^(?P<rest>.*)$", edge.nothing),
]
