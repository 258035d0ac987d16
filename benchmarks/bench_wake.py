"""A request to an endpoint that sleeps, beside the bare Engine API.

One round: a container of the same image is created, started and asked over HTTP until
it answers, through the Engine API alone (the floor); then a sleeping endpoint's URL is
asked once, and answers when its replica does. Rounds are interleaved, which of the two
comes first changes, and both find the image present. Prints JSON; times in seconds.

    benchmarks/bench_wake.py [ROUNDS]

A console of its own is started and removed. The image is the text-to-image template's:
bench_cold_start.py builds it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import requests
from docker import DockerClient, from_env

from tests.api import Api
from tests.console import Console, new_console, remove_console

NAME, PORT = "bench-wake", 7860
# Its replica is sent to sleep; it never idles by itself meanwhile.
IDLE = 86_400


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("rounds", nargs="?", type=int, default=7)
    console = new_console()
    try:
        console.launch("up", "DETACH=1")
        print(json.dumps(measure(console, options.parse_args().rounds), indent=2))
    finally:
        remove_console(console)


def measure(console: Console, rounds: int) -> dict[str, object]:
    api = Api(console)
    client = from_env(timeout=120)
    image = client.images.list("alight/text-to-image")[0].tags[0]
    fields = {"visibility": "public", "min_replicas": 0, "scale_to_zero": IDLE}
    api.create(NAME, image, PORT, **fields)
    api.wait_for(NAME, "ReplicaRunning")
    floor: list[float] = []
    ours: list[float] = []
    try:
        network = client.networks.list(names=["alight-"])[0].name
        for number in range(rounds):
            asleep(api, client)
            steps = [
                lambda: floor.append(bare(client, image, network)),
                lambda: ours.append(woken(console.endpoint_url(NAME))),
            ]
            for step in steps if number % 2 else reversed(steps):
                step()
    finally:
        client.close()
    ratios = [a / b for a, b in zip(ours, floor, strict=True)]
    return {
        "what": "first request of a sleeping endpoint, image present",
        "rounds": rounds,
        "floor_s": spread(floor),
        "url_s": spread(ours),
        "ratio": spread(ratios),
        "good": "ratio median at most 1.15",
    }


def asleep(api: Api, client: DockerClient) -> None:
    """Send it to sleep, and wait until its container has gone."""
    answer = api.call("POST", f"endpoint/{NAME}/sleep")
    assert answer.ok, answer.text
    mine = {"label": f"alight.endpoint={NAME}"}
    while client.containers.list(all=True, filters=mine, ignore_removed=True):
        time.sleep(0.1)


def woken(url: str) -> float:
    begun = time.perf_counter()
    answer = requests.get(url, timeout=600)
    took = time.perf_counter() - begun
    assert answer.status_code == 200, answer.text
    return took


def bare(client: DockerClient, image: str, network: str) -> float:
    """Create, start, and ask the container's own address until it answers."""
    begun = time.perf_counter()
    container = client.containers.create(
        image,
        network=network,
        init=True,
        mem_limit="4g",
        nano_cpus=2_000_000_000,
        security_opt=["no-new-privileges"],
    )
    container.start()
    container.reload()
    address = container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
    while True:
        try:
            requests.get(f"http://{address}:{PORT}/", timeout=60)
        except requests.ConnectionError:
            time.sleep(0.01)
        else:
            break
    took = time.perf_counter() - begun
    container.remove(force=True)
    return took


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


if __name__ == "__main__":
    main()
