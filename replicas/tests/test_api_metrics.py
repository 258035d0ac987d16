"""REST: an endpoint's series, and everybody's for Prometheus."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from endpoints.ingress.base import BOUNDS
from endpoints.keys import make_token
from endpoints.models import Endpoint, Scope
from endpoints.tests.factories import EndpointFactory, caller
from replicas.api.metrics import RANGES
from replicas.metrics import snapshot, store
from replicas.metrics.point import GpuUse, Level, Point, Start, Use
from replicas.metrics.snapshot import EndpointNow, ReplicaNow, Snapshot, Starts

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BUCKETS = (0, 0, 0, 4, 4, *(0,) * (len(BOUNDS) - 4))


@pytest.fixture
def whisper(alice, time_machine):
    time_machine.move_to(NOON + timedelta(seconds=5), tick=False)
    endpoint = EndpointFactory(name="whisper", owner=alice)
    Endpoint.objects.update(created_at=NOON - timedelta(seconds=40))
    return endpoint


def busy(**changes):
    fields = {
        "seconds": 10,
        "requests": 8,
        "classes": (0, 8, 0, 0, 0),
        "buckets": BUCKETS,
        "held": 1,
        "in_flight": Level(25, 10, 4),
        "queued": Level(5, 10, 2),
        "ready": Level(10, 10, 1),
        "uses": {2: Use(10, 5.0, 4.0, Level(2e9, 10, 2e8), 10**9, 100, 200)},
        "starts": (Start(int(NOON.timestamp()) - 25, 41.5, 2, True),),
        "ended": True,
    }
    return Point(**{**fields, **changes})


def keep(endpoint, ago, point, step=10):
    store.write(step, NOON - timedelta(seconds=ago), {endpoint.pk: point})


# --- Series -------------------------------------------------------------------
def test_the_last_hour(alice, whisper):
    keep(whisper, 30, busy())

    body = caller(alice).get("/v1/metrics/whisper").json()

    assert (body["endpoint"], body["range"], body["step"]) == ("whisper", "1h", 10)
    assert body["begin"] == "2026-03-04T11:00:00Z"
    assert body["end"] == "2026-03-04T12:00:00Z"
    assert len(body["requests"]) == 360
    # Before it was made, its first span, the busy one, and then nothing.
    assert body["requests"][-5:] == [None, 0, 8, 0, 0]
    assert body["seconds"][-5:] == [None, 10, 10, 10, 10]
    lists = {key: row for key, row in body.items() if isinstance(row, list)}
    del lists["starts"]
    last = {key: row[-3] for key, row in lists.items()}
    assert last == {
        "seconds": 10,
        "requests": 8,
        "p50": 0.05,
        "p95": 0.095,
        "held": 1,
        "in_flight": 2.5,
        "in_flight_most": 4,
        "queued": 0.5,
        "queued_most": 2,
        "replicas": 1,
        "cpu_cores": 0.5,
        "cpu_cores_limit": 4,
        "memory_bytes": 200_000_000,
        "memory_limit_bytes": 1_000_000_000,
        "received_bytes": 10,
        "sent_bytes": 20,
        "gpu_busy": None,
        "gpu_memory_bytes": None,
        "gpu_memory_limit_bytes": None,
    }
    assert {kind: row[-3] for kind, row in body["responses"].items()} == {
        "1xx": 0,
        "2xx": 8,
        "3xx": 0,
        "4xx": 0,
        "5xx": 0,
    }
    assert body["p95"][-2] is None


def test_starts_by_themselves(alice, whisper):
    keep(whisper, 30, busy())

    assert caller(alice).get("/v1/metrics/whisper").json()["starts"] == [
        {
            "at": "2026-03-04T11:59:35Z",
            "seconds": 41.5,
            "replica": 2,
            "cold": True,
        }
    ]


def test_gpus(alice, whisper):
    keep(whisper, 10, busy(gpus={2: GpuUse(20, 5, 10**11, 48 * 10**9)}))

    body = caller(alice).get("/v1/metrics/whisper").json()

    assert body["gpu_busy"][-1] == 0.25
    assert body["gpu_memory_bytes"][-1] == 10**10
    assert body["gpu_memory_limit_bytes"][-1] == 48 * 10**9


@pytest.mark.parametrize(
    ("span", "step", "count"),
    [
        ("1h", 10, 360),
        ("6h", 60, 360),
        ("24h", 60, 1440),
        ("7d", 900, 672),
        ("30d", 900, 2880),
    ],
)
def test_each_range(alice, whisper, span, step, count):
    keep(whisper, 30, busy())

    body = caller(alice).get(f"/v1/metrics/whisper?range={span}").json()

    assert (body["step"], len(body["requests"])) == (step, count)
    assert sum(n or 0 for n in body["requests"]) == 8
    assert set(RANGES) >= {span}


def test_an_unknown_range_is_refused(alice, whisper):
    answer = caller(alice).get("/v1/metrics/whisper?range=2h")

    assert answer.status_code == 400
    assert "range" in answer.json()["error"]["fields"]


def test_someone_elses_is_not_there(charlie, whisper):
    answer = caller(charlie).get("/v1/metrics/whisper")

    assert answer.status_code == 404


def test_a_fixed_number_of_queries(alice, whisper, django_assert_max_num_queries):
    for ago in range(10, 600, 10):
        keep(whisper, ago, busy())
    client = caller(alice)

    with django_assert_max_num_queries(5):
        client.get("/v1/metrics/whisper?range=7d")


# --- Prometheus ---------------------------------------------------------------
def seen(now):
    cold = Starts()
    cold.add(41.5)
    made = Snapshot(now.timestamp())
    made.endpoints["whisper"] = EndpointNow(
        requests=12,
        classes=[0, 9, 0, 1, 2],
        buckets=list(BUCKETS),
        held=1,
        in_flight=3,
        queued=2,
        cold=cold,
    )
    made.endpoints["quiet"] = EndpointNow(requests=1)
    made.replicas = [
        ReplicaNow(
            "whisper", 2, "ready", "c2", now.timestamp(), 7.5, 100, 1000, 10, 20,
            [(0.5, 3, 24), (None, 4, 24)],
        ),
        ReplicaNow("whisper", 3, "starting"),
    ]  # fmt: skip
    return made


@pytest.fixture
def told(monkeypatch):
    made = seen(datetime.now(UTC))
    text = snapshot.to_json(made)
    monkeypatch.setattr(snapshot, "valkey", lambda: _Valkey(text))


LABELS = ("endpoint", "replica", "gpu", "class", "state", "start", "le")


class _Valkey:
    def __init__(self, text):
        self.text = text

    def get(self, key):
        return self.text


def scrape(client, **headers):
    answer = client.get("/metrics", **headers)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain")
    return {
        (
            sample.name,
            *(sample.labels[x] for x in LABELS if x in sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.fixture
def admin(people):
    return people("root", is_superuser=True)


def test_everything_has_its_name(admin, told):
    found = scrape(caller(admin))

    assert found["alight_collector_up",] == 1
    assert found["alight_endpoint_requests_total", "whisper"] == 12
    assert found["alight_endpoint_held_requests_total", "whisper"] == 1
    assert found["alight_endpoint_requests_in_flight", "whisper"] == 3
    assert found["alight_endpoint_requests_queued", "whisper"] == 2
    assert found["alight_endpoint_responses_total", "whisper", "5xx"] == 2
    times = "alight_endpoint_response_seconds_bucket"
    assert found[times, "whisper", "0.025"] == 0
    assert found[times, "whisper", "0.05"] == 4
    assert found[times, "whisper", "+Inf"] == 8
    starts = "alight_endpoint_start_seconds"
    assert found[f"{starts}_bucket", "whisper", "cold", "30.0"] == 0
    assert found[f"{starts}_bucket", "whisper", "cold", "60.0"] == 1
    assert found[f"{starts}_sum", "whisper", "cold"] == 41.5
    assert found["alight_endpoint_replicas", "whisper", "ready"] == 1
    assert found["alight_endpoint_replicas", "whisper", "starting"] == 1
    assert found["alight_replica_cpu_seconds_total", "whisper", "2"] == 7.5
    assert found["alight_replica_memory_bytes", "whisper", "2"] == 100
    assert found["alight_replica_memory_limit_bytes", "whisper", "2"] == 1000
    assert found["alight_replica_network_receive_bytes_total", "whisper", "2"] == 10
    assert found["alight_replica_network_transmit_bytes_total", "whisper", "2"] == 20
    assert found["alight_replica_gpu_busy_ratio", "whisper", "2", "0"] == 0.5
    assert ("alight_replica_gpu_busy_ratio", "whisper", "2", "1") not in found
    assert found["alight_replica_gpu_memory_bytes", "whisper", "2", "1"] == 4
    assert found["alight_replica_gpu_memory_limit_bytes", "whisper", "2", "1"] == 24


def test_docs_name_every_series(admin, told, settings):
    page = (settings.BASE_DIR / "docs" / "metrics.md").read_text()

    names = {name for name, *_ in scrape(caller(admin))}

    assert [name for name in names if f"`{name}`" not in page] == []


def test_without_a_collector_it_says_so(admin, monkeypatch):
    monkeypatch.setattr(snapshot, "valkey", lambda: _Valkey(None))

    assert scrape(caller(admin)) == {("alight_collector_up",): 0}


def test_an_old_look_is_no_look(admin, monkeypatch):
    old = seen(datetime.now(UTC) - timedelta(seconds=61))
    text = snapshot.to_json(old)
    monkeypatch.setattr(snapshot, "valkey", lambda: _Valkey(text))

    assert scrape(caller(admin)) == {("alight_collector_up",): 0}


def bearer(token):
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def test_a_superusers_token_opens_it(admin, told):
    _, token = make_token(admin, "prometheus")

    assert scrape(Client(), **bearer(token))


def test_the_settings_token_opens_it(told, settings):
    settings.ALIGHT_METRICS_TOKEN = ["s3cret", "n3xt"]

    assert scrape(Client(), **bearer("s3cret"))
    assert scrape(Client(), **bearer("n3xt"))
    assert Client().get("/metrics", **bearer("other")).status_code == 401


def test_a_superusers_session_opens_it(admin, told):
    client = Client()
    client.force_login(admin)

    assert scrape(client)


def test_nobody_else_sees_everybodys_endpoints(alice, admin, told, settings):
    _, hers = make_token(alice, "prometheus")
    _, calls = make_token(admin, "calls", scope=Scope.CALL_ALL)
    client = Client()
    client.force_login(alice)

    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", **bearer("")).status_code == 401
    assert Client().get("/metrics", **bearer(hers)).status_code == 403
    assert Client().get("/metrics", **bearer(calls)).status_code == 403
    refused = client.get("/metrics")
    assert refused.status_code == 403
    assert "superuser" in refused.json()["error"]["message"]
    assert settings.ALIGHT_METRICS_TOKEN == []
