"""The tutorial, sentence by sentence, with the text-to-image template.

Real Docker builds and runs the container, real HAProxy leads to it, and the picture
at the end is made by the model in it.
"""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

NAME = "mystablediffusion2023"
# A first build fetches packages; nothing here waits for a fixed time.
BUILD = 600_000


def test_the_tutorial(page, context, console):
    # "First, go to the Templates page and locate the … template."
    page.get_by_role("link", name="Templates", exact=True).click()
    automatic = page.locator(".row", has_text="Image Generation (Automatic1111)")
    expect(automatic).to_be_visible()
    row = page.locator(".row", has_text="Emoji Diffusion")
    clone = row.get_by_role("link", name=re.compile("^Clone "))

    # "If you hover over that row …, you will see the Clone button pop up."
    page.mouse.move(5, 5)
    expect(row.locator(".t-act")).to_have_css("opacity", "0")
    row.hover()
    expect(row.locator(".t-act")).to_have_css("opacity", "1")
    clone.click()

    # "I can customize the Endpoint name … minimum replicas … max replicas …"
    page.get_by_label("Endpoint name", exact=True).fill(NAME)
    page.get_by_label("Minimum", exact=True).fill("1")
    page.get_by_label("Maximum", exact=True).fill("1")

    # "Be sure to enable public access using the toggle button."
    public = page.get_by_role("switch", name="Enable public access")
    public.check()

    # "… you can hover over the tooltips in the UI."
    page.get_by_role("button", name="Help: Minimum replicas").hover()
    tip = page.get_by_role("tooltip").filter(has_text="stay running with no traffic")
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")

    # "Now once we click Clone, we'll be directed to a homepage."
    page.get_by_role("button", name="Clone").click()
    page.wait_for_url(f"**/endpoints/{NAME}/")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)

    # "One of the bubbles under the "Replicas" heading will start pulsing …"
    bubble = page.get_by_role("button", name=re.compile("^Replica 1"))
    expect(bubble).to_be_visible()

    # "You can always check on our intermediate progress by clicking on the bubble."
    bubble.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Waiting for hardware")).to_be_visible()
    expect(dialog.get_by_text("Hardware assigned")).to_be_visible()

    # "When we see an event line "Replica is running", we can close the dialog."
    running = dialog.locator(".event[data-phase=done]", has_text="Replica is running")
    expect(running).to_be_visible(timeout=BUILD)
    expect(dialog.get_by_text(re.compile("^Image (built|already)"))).to_be_visible()
    dialog.get_by_role("button", name="Close").click()

    # "… until it becomes solid blue."
    expect(bubble).to_have_attribute("data-state", "ready")

    # "Click on the Logs button on the top right to confirm that the web UI has been
    # launched and weights have been loaded."
    page.get_by_role("button", name="Logs", exact=True).click()
    lines = page.get_by_role("log")
    expect(
        lines.get_by_text(re.compile("weights", re.IGNORECASE)).first
    ).to_be_visible()
    expect(
        lines.get_by_text(re.compile("running on", re.IGNORECASE)).first
    ).to_be_visible()
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Close logs").click()
    expect(dialog).to_be_hidden()

    # "Copy the endpoint URL, paste it in another tab in your browser, then run it."
    url = page.get_by_label("Endpoint URL", exact=True).input_value()
    assert url == console.endpoint_url(NAME)
    tab = context.new_page()
    tab.goto(url, wait_until="networkidle")
    prompt = tab.get_by_label("Prompt", exact=True)
    prompt.fill("rocket")
    tab.get_by_role("button", name="Generate").click()
    # Until it is done it shows previews, each in the place of the one before.
    info = tab.get_by_label("Info", exact=True)
    expect(info).to_have_value(re.compile("Time taken"), timeout=60_000)
    picture = tab.locator("img[src*='/file=']").first
    expect(picture).to_be_visible()
    width = picture.evaluate(
        "async img => { await img.decode(); return img.naturalWidth; }"
    )
    assert width >= 16
