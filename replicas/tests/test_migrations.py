"""What an earlier version wrote is there after an upgrade."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from endpoints.tests.factories import spec, volume

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [
    ("endpoints", "0002_display_name"),
    ("replicas", "0001_initial"),
    ("templates_app", "0002_template_notes"),
]


@pytest.fixture
def earlier():
    """The database before endpoints had revisions; the newest again at the end."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield _migrate(BEFORE)
    _migrate(newest)


def _migrate(targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def test_what_ran_becomes_a_revision_and_files_keep_their_place(earlier, settings):
    settings.ALIGHT_INSTALLATION = "lab"
    user = earlier.get_model("console", "User").objects.create(username="alice")
    tier = earlier.get_model("templates_app", "Tier").objects.create(
        slug="cpu", name="CPU", cores=1, memory_mb=512
    )
    endpoints = earlier.get_model("endpoints", "Endpoint")
    raw = spec(volume=volume("checkpoints", "/data")).to_json()
    for key in ("secrets", "registry"):
        raw.pop(key)
    for name in ("art", "chat"):
        row = endpoints.objects.create(
            name=name,
            owner=user,
            spec=raw,
            tier=tier,
            generation=4,
            ready_count=1,
            concurrency={"art": 1, "chat": 5}[name],
        )
        earlier.get_model("replicas", "Replica").objects.create(
            endpoint=row, number=1, generation=3, state="ready"
        )

    now = _migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    revision = now.get_model("endpoints", "Revision")
    assert sorted(revision.objects.values_list("endpoint__name", "number")) == [
        ("art", 4),
        ("chat", 4),
    ]
    assert not revision.objects.filter(settled_at=None).exists()
    # It was not used before, and 1 where nobody had said a number.
    limits = now.get_model("endpoints", "Endpoint").objects
    assert dict(limits.values_list("name", "concurrency")) == {"art": 16, "chat": 5}
    replicas = now.get_model("replicas", "Replica").objects
    assert set(replicas.values_list("revision__number", "retire")) == {(4, True)}
    files = now.get_model("endpoints", "Volume").objects
    assert dict(files.values_list("name", "engine_name")) == {
        "checkpoints": f"alight-lab-{user.pk}.art.checkpoints",
        "chat-checkpoints": f"alight-lab-{user.pk}.chat.checkpoints",
    }
    mounted = now.get_model("endpoints", "Endpoint").objects.get(name="chat").spec
    assert mounted["volume"] == {"name": "chat-checkpoints", "mount": "/data"}
