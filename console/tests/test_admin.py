"""Deleting people: what goes along, and what is said to stay."""

import pytest

from console.models import User
from endpoints import volumes
from endpoints.models import Endpoint
from endpoints.tests.factories import EndpointFactory
from replicas.logs import files
from replicas.logs.records import Attempt, Draft
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.mark.parametrize("how", ["one", "several"])
def test_a_deleted_person_takes_logs_along_and_leaves_files(admin_client, alice, how):
    replica = ReplicaFactory(endpoint=EndpointFactory(owner=alice))
    file = files.LogFile(Attempt(replica.endpoint_id, replica.pk, 1))
    file.append([Draft(1, "oi-", "one")])
    file.close()
    volume = volumes.ensure(alice.pk, "models")
    if how == "one":
        path, data = f"/admin/console/user/{alice.pk}/delete/", {"post": "yes"}
    else:
        path = "/admin/console/user/"
        chosen = {"action": "delete_selected", "_selected_action": alice.pk}
        data = {**chosen, "post": "yes"}
    answer = admin_client.post(path, data, follow=True)
    assert f"docker volume rm {volume.engine_name}" in answer.content.decode()
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not Endpoint.objects.exists()
    assert not files.folder(replica.endpoint_id).exists()
