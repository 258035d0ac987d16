"""What the API and Prometheus tell is what happened: real HAProxy, Docker, worker."""

import contextlib
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

NAME = "measured"
GOOD, BAD = 20, 5


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture(scope="module")
def url(api, console, told_images):
    """An endpoint whose /ok answers 503."""
    fields = {"visibility": "public", "env_overrides": {"UNWELL": "1"}}
    api.create(NAME, told_images[0], 8080, min_replicas=1, **fields)
    api.wait_for(NAME, "ReplicaRunning")
    yield console.endpoint_url(NAME)
    api.delete(NAME)


@contextlib.contextmanager
def an_open_request(url):
    """A stream that goes on for as long as the block."""
    asked = {"lines": 1000, "pause": 0.1}
    with requests.get(f"{url}/stream", asked, stream=True, timeout=30) as answer:
        # Kept: a reader that is thrown away closes the connection.
        pieces = answer.iter_content(64)
        assert next(pieces)
        yield
        assert next(pieces)


def series(api, enough, span="1h"):
    """The endpoint's metrics as soon as they say enough."""
    deadline = time.monotonic() + 60
    while True:
        body = api.call("GET", f"metrics/{NAME}?range={span}").json()
        if enough(body):
            return body
        newest = {k: v[-9:] for k, v in body.items() if isinstance(v, list)}
        assert time.monotonic() < deadline, "\n".join(map(str, newest.items()))
        time.sleep(0.5)


def total(values):
    return sum(value or 0 for value in values)


def most(values):
    return max(value or 0 for value in values)


def scrape(console):
    answer = requests.get(
        f"{console.url}/metrics",
        headers={"Authorization": f"Bearer {console.token()}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(value for key, value in sorted(sample.labels.items()))):
            sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }  # fmt: skip


def test_what_happened_is_what_is_told(api, url, console):
    with requests.Session() as client:
        codes = [client.get(url, timeout=30).status_code for _ in range(GOOD)]
        codes += [client.get(f"{url}/ok", timeout=30).status_code for _ in range(BAD)]
    assert codes == [200] * GOOD + [503] * BAD
    with an_open_request(url):
        body = series(
            api, lambda body: most(body["in_flight_most"]) and most(body["cpu_cores"])
        )

        assert most(body["in_flight_most"]) == 1
        assert most(body["replicas"]) == 1
        assert most(body["memory_bytes"]) > 1_000_000
        assert most(body["memory_limit_bytes"]) > most(body["memory_bytes"])
        assert most(body["cpu_cores"]) <= most(body["cpu_cores_limit"])
        assert most(body["sent_bytes"]) > 0

    everything = GOOD + BAD + 1
    body = series(api, lambda body: total(body["requests"]) == everything)

    # The stream's answer was counted when it began.
    assert total(body["responses"]["2xx"]) == GOOD + 1
    assert total(body["responses"]["5xx"]) == BAD
    assert 0 < most(body["p50"]) <= most(body["p95"]) < 5
    (start,) = body["starts"]
    assert (start["replica"], start["cold"]) == (1, True)
    assert 0 < start["seconds"] < 120
    assert body["gpu_busy"][-1] is None

    found = scrape(console)

    assert found["alight_collector_up",] == 1
    assert found["alight_endpoint_requests_total", NAME] == everything
    assert found["alight_endpoint_responses_total", "5xx", NAME] == BAD
    assert found["alight_endpoint_replicas", NAME, "ready"] == 1
    assert found["alight_endpoint_start_seconds_count", NAME, "cold"] == 1
    assert found["alight_replica_memory_bytes", NAME, "1"] > 1_000_000


def test_longer_ranges_have_the_newest_already(api, url):
    recent = total(series(api, lambda body: True)["requests"])

    for span in ("6h", "24h", "7d", "30d"):
        body = series(api, lambda body: total(body["requests"]) >= recent, span)
        assert total(body["requests"]) == recent, span


def test_a_worker_that_dies_loses_no_request(api, url, console):
    before = total(series(api, lambda body: True)["requests"])
    with requests.Session() as client:
        for _ in range(GOOD):
            assert client.get(url, timeout=30).status_code == 200
    console.kill("worker")
    with requests.Session() as client:
        for _ in range(GOOD):
            assert client.get(url, timeout=30).status_code == 200

    body = series(api, lambda body: total(body["requests"]) >= before + 2 * GOOD)

    assert total(body["requests"]) == before + 2 * GOOD


def test_endpoints_metrics_are_their_own(url):
    """The console's are on the console's host alone."""
    answer = requests.get(f"{url}/metrics", timeout=30)

    assert answer.text.startswith("one")
