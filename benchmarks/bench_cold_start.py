"""From pressing Clone to a solid blue bubble, beside the bare Engine API.

One round: the same container is created, started and asked until it answers, once
through the Engine API alone (the floor), once by a person in a browser: the click on
Clone, until the bubble on the endpoint's homepage is solid blue. Rounds are
interleaved, so that both see the same machine. Prints JSON; times in seconds.

    benchmarks/bench_cold_start.py [ROUNDS] [--url URL --password PASSWORD]

Without --url a console of its own is started and removed. The image is the
text-to-image template's, built before the first round.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docker import from_env
from playwright.sync_api import sync_playwright

from tests.browser import CHROMIUM, FLAGS, sign_in
from tests.console import Console, new_console, remove_console

TEMPLATE = "text-to-image"
PORT = 7860


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("rounds", nargs="?", type=int, default=7)
    options.add_argument("--url")
    options.add_argument("--password")
    given = options.parse_args()
    if given.url:
        port = int(given.url.rsplit(":", 1)[1])
        console = Console(given.url, port, given.password, Path(), {})
        print(json.dumps(measure(console, given.rounds), indent=2))
        return
    console = new_console()
    try:
        console.launch("up", "DETACH=1")
        print(json.dumps(measure(console, given.rounds), indent=2))
    finally:
        remove_console(console)


def measure(console: Console, rounds: int) -> dict[str, object]:
    floor: list[float] = []
    ours: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context().new_page()
        page.set_default_timeout(600_000)
        sign_in(page, console)
        clone(page, console)  # builds the image
        image = built_image()
        for _ in range(rounds):
            floor.append(bare(image))
            ours.append(clone(page, console))
        browser.close()
    ratios = [a / b for a, b in zip(ours, floor, strict=True)]
    return {
        "what": "Clone to solid blue, image present",
        "rounds": rounds,
        "floor_s": spread(floor),
        "clone_s": spread(ours),
        "ratio": spread(ratios),
        "good": "ratio median at most 1.5",
    }


def clone(page, console: Console) -> float:
    """Seconds from the click to solid blue; the endpoint is deleted afterwards."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    page.goto(f"{console.url}/templates/{TEMPLATE}/clone/")
    page.get_by_label("Endpoint name", exact=True).fill(name)
    begun = time.perf_counter()
    page.get_by_role("button", name="Clone").click(no_wait_after=True)
    page.locator("#bubbles .bubble[data-state=ready]").wait_for()
    took = time.perf_counter() - begun
    page.goto(f"{console.url}/endpoints/{name}/delete/")
    page.locator("main").get_by_role("button", name="Delete endpoint").click()
    page.wait_for_url("**/endpoints/")
    wait_until_gone(name)
    return took


def wait_until_gone(name: str) -> None:
    """The next round must not share the machine with the end of this one."""
    client = from_env()
    mine = {"label": f"alight.endpoint={name}"}
    while client.containers.list(all=True, filters=mine, ignore_removed=True):
        time.sleep(0.1)
    client.close()


def built_image() -> str:
    client = from_env()
    tags = [
        tag
        for image in client.images.list("alight/text-to-image")
        for tag in image.tags
    ]
    client.close()
    return tags[0]


def bare(image: str) -> float:
    """Create, start, and connect to the container's own address until it answers."""
    client = from_env()
    network = client.networks.list(names=["alight-"])[0]
    begun = time.perf_counter()
    container = client.containers.create(
        image,
        network=network.name,
        init=True,
        mem_limit="4g",
        nano_cpus=2_000_000_000,
        security_opt=["no-new-privileges"],
    )
    container.start()
    container.reload()
    address = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
    while True:
        try:
            socket.create_connection((address, PORT), timeout=5).close()
        except OSError:
            time.sleep(0.01)
        else:
            break
    took = time.perf_counter() - begun
    container.remove(force=True)
    client.close()
    return took


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


if __name__ == "__main__":
    main()
