"""Containers that do not work: the page says what is wrong, where one looks for it."""

import re

import pytest
from playwright.sync_api import expect

from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture
def made(api):
    """Make an endpoint by `made(name, …)`; it is deleted afterwards."""
    names = []

    def make(name, *args, **fields):
        api.create(name, *args, **fields)
        names.append(name)

    yield make
    for name in names:
        api.delete(name)


def open_dialog(page, console, name):
    page.goto(f"{console.url}/endpoints/{name}/")
    page.get_by_role("button", name=re.compile("^Replica 1")).click()
    return page.get_by_role("dialog")


def test_an_image_that_cannot_be_had(page, console, made):
    made("noimage", "127.0.0.1:1/lab/none:1", 8080)
    dialog = open_dialog(page, console, "noimage")
    # Each attempt says it again, and a busy machine may have made the next by now.
    expect(dialog.get_by_text("Image could not be pulled").first).to_be_visible()
    expect(dialog.get_by_text("127.0.0.1:1").first).to_be_visible()
    expect(dialog.get_by_text("Waiting to restart").first).to_be_visible()


def test_a_container_that_exits_at_once(page, console, made, tiny_image):
    made("exits", tiny_image, 8080, command=["sh", "-c", "echo no GPU found; exit 3"])
    dialog = open_dialog(page, console, "exits")
    expect(dialog.get_by_text("Container exited with code 3").first).to_be_visible()
    expect(dialog.get_by_text(re.compile("Restart 1 follows")).first).to_be_visible()
    dialog.get_by_role("button", name="Logs of this replica").click()
    expect(page.get_by_role("log").get_by_text("no GPU found").first).to_be_visible()


def test_a_port_nobody_listens_on(page, console, made, tiny_image):
    made(
        "wrongport",
        tiny_image,
        3000,
        command=["httpd"],
        args=["-f", "-p", "7860", "-h", "/www"],
    )
    dialog = open_dialog(page, console, "wrongport")
    hint = "Nothing listens on 3000. The container listens on 7860."
    expect(dialog.get_by_text(hint)).to_be_visible(timeout=40_000)


def test_a_program_the_image_does_not_have(page, console, made, tiny_image):
    made("nosuch", tiny_image, 3000, command=["nosuch"])
    dialog = open_dialog(page, console, "nosuch")
    expect(dialog.get_by_text("Container exited with code 127").first).to_be_visible()
    why = "A program was not found. Check the command, which starts “nosuch”."
    expect(dialog.get_by_text(why).first).to_be_visible()


def test_a_name_that_is_taken(page, console, made, tiny_image):
    made("taken", tiny_image, 3000, command=["sleep"], args=["1000"])
    page.goto(f"{console.url}/templates/text-to-image/clone/")
    page.get_by_label("Endpoint name", exact=True).fill("taken")
    page.get_by_role("button", name="Clone").click()
    expect(page.locator("#name-error")).to_have_text('"taken" is taken. Try "taken-2".')
