"""What the frame of every page knows."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from console.context import image_nodes
from endpoints.tests.factories import EndpointFactory, TemplateFactory
from replicas.isolation import keeping
from replicas.models import Node
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def node():
    return Node.objects.create(name="gpu-01")


def replica(template, node, **fields):
    endpoint = EndpointFactory(template=template)
    return ReplicaFactory(endpoint=endpoint, node=node, **fields)


def test_an_image_is_where_a_container_of_it_has_started(node):
    used, new = TemplateFactory(), TemplateFactory()
    other = Node.objects.create(name="gpu-02")
    now = timezone.now()
    replica(used, node, started_at=now)
    replica(used, node, started_at=now, state="stopped")
    replica(used, other, started_at=now)
    replica(new, node)
    replica(None, node, started_at=now)
    assert image_nodes() == {used.pk: 2}


def test_the_templates_page_says_so(client, alice, node):
    template = TemplateFactory(kind="image")
    replica(template, node, started_at=timezone.now())
    client.force_login(alice)
    assert "On 1 node<" in client.get("/templates/").content.decode()


@pytest.mark.parametrize(
    ("unreachable", "said"), [(None, False), ("2026-01-01T00:00:00Z", True)]
)
def test_a_silent_engine_is_said_on_every_page(client, alice, node, unreachable, said):
    Node.objects.update(unreachable_since=unreachable)
    client.force_login(alice)
    page = client.get("/tokens/").content.decode()
    shown = re.search(r'id="engine-down" role="alert"( hidden)?>', page)[1] is None
    assert shown is said


def test_the_bar_counts_gpus(client, alice, node):
    client.force_login(alice)
    assert "No GPU here" in client.get("/tokens/").content.decode()
    node.gpus.create(uuid="GPU-1", model="NVIDIA A10", memory_gb=24)
    node.gpus.create(uuid="GPU-2", model="NVIDIA A10", memory_gb=24)
    page = client.get("/tokens/").content.decode()
    assert "2 of 2 GPUs free" in page


@pytest.mark.parametrize(
    ("who", "way", "said"),
    [
        ("admin", "", True),
        ("admin", "here", False),
        ("admin", "off", False),
        ("alice", "", False),
    ],
)
def test_an_administrator_is_told_that_replicas_are_not_fenced_in(
    client, alice, settings, tmp_path, who, way, said
):
    settings.ALIGHT_WORKER_SOCKET = str(tmp_path / "worker.sock")
    text = "Replicas are not fenced in: no rights."
    keeping.write(keeping.State(way == "here", way, text, 0))
    alice.is_superuser = who == "admin"
    alice.save()
    client.force_login(alice)
    assert (text in client.get("/endpoints/").content.decode()) is said


@pytest.mark.parametrize("text", [None, "", "[]", "{}"])
def test_a_note_that_cannot_be_read_alarms_nobody(settings, tmp_path, text):
    settings.ALIGHT_WORKER_SOCKET = str(tmp_path / "worker.sock")
    if text is not None:
        keeping.state_file().write_text(text)
    assert keeping.noted() == keeping.OFF
