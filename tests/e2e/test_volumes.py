"""Files on a volume outlive replicas: kept, measured, downloaded, then deleted.

ACCEPTANCE case 10, on a real engine and through the real pages.
"""

import json
import os
import secrets
import tarfile

import pytest
import requests
from docker import from_env
from playwright.sync_api import expect

from launcher.replicas import LABEL
from replicas.tests.engine_fixtures import tiny
from tests.api import Api
from tests.axe import violations

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

# Writes down what it was told at the very first start, and every start since.
KEEP = """
test -e /data/first || echo "$MARK" > /data/first
echo "$OCTOAI_REPLICA_NAME" >> /data/starts
exec httpd -f -p 8080 -h /data
"""


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture(scope="module")
def other_image(docker_engine):
    client = from_env()
    reference = tiny.ensure(client.api, f"alight-test/changed:{os.getpid()}")
    yield reference
    client.images.remove(reference, force=True)
    client.close()


@pytest.fixture
def engine_volumes(console):
    """Names of the volumes that this console has in the engine now."""
    label = {"label": f"{LABEL}={console.installation}"}
    client = from_env()

    def names():
        return {volume.name for volume in client.volumes.list(filters=label)}

    yield names
    client.close()


def last_event(api, name):
    return api.call("GET", f"events/{name}").json()[-1]["id"]


def change(api, name, **fields):
    """PATCH; the id of the newest event before it."""
    last = last_event(api, name)
    answer = api.call("PATCH", f"endpoint/{name}", json=fields)
    assert answer.status_code == 200, answer.text
    return last


def restart(console, name):
    console.manage(
        "shell",
        "--no-imports",
        "-c",
        "from console.models import User\n"
        "from replicas import services\n"
        "from replicas.models import Replica\n"
        f"row = Replica.objects.alive().get(endpoint__name={name!r})\n"
        "assert services.restart(row, User.objects.get(username='admin'))\n",
    )


def wait_until_gone(api, name):
    """The stream of events ends with the endpoint."""
    with api.call("GET", f"events/{name}/stream", stream=True) as answer:
        for _ in answer.iter_lines():
            pass


def test_files_outlive_replicas_until_somebody_deletes_them(
    api, console, page, tiny_image, other_image, engine_volumes
):
    mark = secrets.token_hex(8)
    url = console.endpoint_url("keeper")

    def kept(starts):
        assert requests.get(f"{url}/first", timeout=60).text == f"{mark}\n"
        told = requests.get(f"{url}/starts", timeout=60).text
        assert len(told.splitlines()) == starts

    api.create(
        "keeper",
        tiny_image,
        8080,
        visibility="public",
        min_replicas=1,
        max_replicas=1,
        command=["sh", "-c", KEEP],
        env_overrides={"MARK": mark},
        volumes_experimental=[{"name": "checkpoints", "path": "", "mount": "/data"}],
    )
    seen = json.loads(api.wait_for("keeper", "ReplicaRunning"))["id"]
    kept(starts=1)

    # A restart: another container in its place.
    restart(console, "keeper")
    seen = json.loads(api.wait_for("keeper", "ReplicaStopped", after=seen))["id"]
    kept(starts=2)

    # Nothing runs for a while.
    change(api, "keeper", endpoint_state="disabled")
    seen = json.loads(api.wait_for("keeper", "ReplicaStopped", after=seen))["id"]
    change(api, "keeper", endpoint_state="active")
    seen = json.loads(api.wait_for("keeper", "ReplicaRunning", after=seen))["id"]
    kept(starts=3)

    # Another image.
    change(api, "keeper", image_url=other_image)
    api.wait_for("keeper", "RolledOut", after=seen)
    kept(starts=4)

    # It is measured, and stays while it is used.
    (shown,) = api.call("GET", "volumes").json()
    assert shown["name"] == "checkpoints"
    assert shown["used_by"] == ["keeper"]
    assert shown["size_bytes"] >= len(mark)
    refused = api.call("DELETE", "volumes/checkpoints")
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == (
        "checkpoints is used by keeper. Take it off that endpoint first, then delete "
        "it."
    )

    # A person sees the same, and has the files while the replica runs.
    page.goto(f"{console.url}/volumes/")
    row = page.get_by_role("listitem").filter(has_text="checkpoints")
    expect(row).to_contain_text("Used by keeper")
    expect(row).not_to_contain_text("Not measured yet")
    with page.expect_download() as started:
        row.get_by_role("link", name="Download checkpoints").click()
    assert started.value.suggested_filename == "checkpoints.tar"
    with tarfile.open(started.value.path()) as packed:
        names = set(packed.getnames())
        first = packed.extractfile("./first").read().decode()
    assert {"./first", "./starts"} <= names
    assert first == f"{mark}\n"
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    row.get_by_role("link", name="Delete checkpoints").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("checkpoints is used by keeper.")
    assert violations(page) == []
    expect(dialog.get_by_role("button", name="Delete volume")).to_be_hidden()
    dialog.get_by_role("button", name="Keep it").click()

    # Without the endpoint it is still there, and goes when somebody says so.
    (in_engine,) = engine_volumes()
    assert api.delete("keeper") == 204
    wait_until_gone(api, "keeper")
    assert engine_volumes() == {in_engine}
    page.reload()
    expect(row).to_contain_text("Not in use")
    row.get_by_role("link", name="Delete checkpoints").click()
    dialog.get_by_role("button", name="Delete volume").click()
    expect(page.get_by_text("No volumes yet")).to_be_visible()
    assert engine_volumes() == set()

    # Who takes the name again has none of the files.
    api.create(
        "keeper",
        tiny_image,
        8080,
        visibility="public",
        min_replicas=1,
        command=["sh", "-c", KEEP],
        env_overrides={"MARK": "anew"},
        volumes_experimental=[{"name": "checkpoints", "path": "", "mount": "/data"}],
    )
    api.wait_for("keeper", "ReplicaRunning")
    assert requests.get(f"{url}/first", timeout=60).text == "anew\n"
    api.delete("keeper")
    wait_until_gone(api, "keeper")
    assert api.call("DELETE", "volumes/checkpoints").status_code == 204
    assert engine_volumes() == set()
