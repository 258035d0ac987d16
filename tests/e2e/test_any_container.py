"""A container image nobody prepared for: it works from the API the same way."""

import re
import time

import pytest
import requests
from playwright.sync_api import expect

from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


def test_any_http_server_on_any_port(api, console, tiny_image):
    api.create(
        "stranger",
        tiny_image,
        9123,
        visibility="public",
        command=["httpd"],
        args=["-f", "-p", "9123", "-h", "/www"],
    )
    api.wait_for("stranger", "ReplicaRunning")
    answer = requests.get(console.endpoint_url("stranger"), timeout=60)
    assert answer.text == "hello from a tiny container\n"
    assert api.delete("stranger") == 204


def test_a_private_endpoint_refuses_strangers_and_lets_its_owner_in(
    api, console, tiny_image
):
    api.create("private", tiny_image, 80, command=["httpd"], args=["-f", "-h", "/www"])
    api.wait_for("private", "ReplicaRunning")
    url = console.endpoint_url("private")
    refused = requests.get(url, timeout=60)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert api.session.get(url, timeout=60).status_code == 200
    api.call("PATCH", "endpoint/private", json={"visibility": "public"})
    # The route changes within the second that the page promises.
    deadline = time.monotonic() + 60
    while (answer := requests.get(url, timeout=60)).status_code != 200:
        assert time.monotonic() < deadline, answer.status_code
        time.sleep(0.05)
    assert api.delete("private") == 204


def test_a_gradio_3_web_ui_with_its_websocket_queue(
    api, console, page, context, gradio_3_image
):
    api.create("gradio3", gradio_3_image, 7860, visibility="public")
    api.wait_for("gradio3", "ReplicaRunning")
    tab = context.new_page()
    sockets = []
    tab.on("websocket", lambda socket: sockets.append(socket.url))
    tab.goto(console.endpoint_url("gradio3"), wait_until="networkidle")
    tab.get_by_label("Prompt", exact=True).fill("rocket")
    tab.get_by_role("button", name="Generate").click()
    picture = tab.locator("#txt2img_gallery img").first
    expect(picture).to_be_visible(timeout=60_000)
    assert any("/queue/join" in url for url in sockets)
    page.goto(f"{console.url}/endpoints/gradio3/")
    bubble = page.get_by_role("button", name=re.compile("^Replica 1"))
    expect(bubble).to_have_attribute("data-state", "ready")
    assert api.delete("gradio3") == 204
