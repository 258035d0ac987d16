"""Nodes and GPUs in the administration: to look at, not to touch."""

import pytest
from django.db.models import ProtectedError
from django.urls import reverse

from replicas.models import Gpu
from replicas.tests.factories import GpuFactory, ReplicaFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(people, client):
    client.force_login(people("grace", is_staff=True, is_superuser=True))
    return client


def test_it_says_who_holds_which_gpu(admin):
    held = GpuFactory(replica=ReplicaFactory(ready=True))
    page = admin.get(reverse("admin:replicas_gpu_changelist")).content.decode()
    assert f"{held.replica.endpoint.name}, replica 1" in page
    assert admin.get(reverse("admin:replicas_node_changelist")).status_code == 200


@pytest.mark.parametrize("what", ["add", "change", "delete"])
def test_nothing_can_be_changed(admin, what):
    gpu = GpuFactory()
    where = [] if what == "add" else [gpu.pk]
    url = reverse(f"admin:replicas_gpu_{what}", args=where)
    assert admin.post(url, {"post": "yes", "present": ""}).status_code == 403
    assert Gpu.objects.get().present


def test_who_holds_a_gpu_cannot_be_wiped_out_while_its_container_may_run():
    gpu = GpuFactory(replica=ReplicaFactory(ready=True))
    with pytest.raises(ProtectedError):
        gpu.replica.endpoint.owner.delete()
    Gpu.objects.update(replica=None)
    gpu.replica.endpoint.owner.delete()
