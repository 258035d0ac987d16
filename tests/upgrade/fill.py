"""Fill an empty, migrated installation with something of everything. tests/upgrade/

Runs inside a checkout of any state of the code (keep.py): what that state does not know
yet, models and fields, is left out. Nothing in it depends on when it runs.
"""

import hashlib
import json
import uuid
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils import timezone

from endpoints.sealing import seal

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
TOKEN = "alt_kept-from-an-earlier-version"
SECRET = "opened with the kept key"
STATES = (
    "waiting",
    "assigned",
    "pulling",
    "starting",
    "ready",
    "unhealthy",
    "failed",
    "stopping",
    "stopped",
)
# Fields that were asked for and are not there, by "Model.field".
left_out: set[str] = set()


def make(name: str, /, **values):
    """A row, with times as they are given. None where there is no such model yet."""
    try:
        model = apps.get_model(name)
    except LookupError:
        return None
    many = {f.name for f in model._meta.many_to_many}
    known = {f.name for f in model._meta.concrete_fields} | {
        f.attname for f in model._meta.concrete_fields
    }
    left_out.update(f"{model.__name__}.{v}" for v in set(values) - known - many)
    row = model(**{k: v for k, v in values.items() if k in known})
    # Raw: fields that set themselves keep what is given.
    row.save_base(raw=True, force_insert=True)
    for field in many & set(values):
        getattr(row, field).set(values[field])
    return row


def ago(**span) -> datetime:
    return NOW - timedelta(**span)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest().upper()


def fill() -> None:
    alice, bob = people()
    catalogue(alice)
    secrets(alice)
    endpoints = {state: endpoint(n + 1, state) for n, state in enumerate(STATES)}
    main = endpoints["ready"]
    hardware()
    for number, state in enumerate(STATES):
        replica(number + 1, endpoints[state], state)
    make("replicas.Gpu", uuid="GPU-0001", node_id="node-1", model="A10", memory_gb=24,
         present=True, replica_id=5)  # fmt: skip
    make("replicas.Gpu", uuid="GPU-0002", node_id="node-1", model="A10", memory_gb=24,
         present=False, replica=None)  # fmt: skip
    make("replicas.ImagePull", id=1, owner=alice, image="ghcr.example/lab/app:1",
         digest="sha256:" + "ab" * 32, private=True, at=ago(days=1))  # fmt: skip
    events(endpoints)
    callers(alice, bob, main)
    later(main)
    for step in (10, 60, 900):
        make("replicas.Sample", id=step, endpoint=main, step=step, at=ago(seconds=step),
             data={"requests": {"2xx": 3}, "p95": 12.5, "none": None})  # fmt: skip
    kind = apps.get_model("contenttypes.ContentType").objects.get(model="tier")
    make("admin.LogEntry", id=1, user=alice, content_type=kind, object_id="cpu",
         object_repr="Tier", action_flag=2, change_message="[1]",
         action_time=ago(days=1))  # fmt: skip
    make("sessions.Session", session_key="k" * 32, session_data="e30:kept",
         expire_date=NOW + timedelta(days=3650))  # fmt: skip


def people():
    hashed = make_password("alice-secret", salt="salt")
    may = apps.get_model("auth.Permission").objects.order_by("pk")[:2]
    group = make("auth.Group", id=1, name="lab", permissions=may[:1])
    common = {"password": hashed, "is_active": True, "date_joined": ago(days=30)}
    alice = make("console.User", id=1, username="alice", first_name="Alice",
                 last_name="Ærø", email="alice@lab.example", last_login=ago(days=1),
                 is_superuser=True, is_staff=True, groups=[group],
                 user_permissions=may[1:2], **common)  # fmt: skip
    return alice, make("console.User", id=2, username="bob", **common)


def catalogue(alice) -> None:
    make("templates_app.Tier", slug="cpu", name="CPU", cores=0.5, memory_mb=512,
         shm_mb=64, position=0)  # fmt: skip
    make("templates_app.Tier", slug="medium", name="Medium", gpu_model="A10", gpus=1,
         gpu_memory_gb=24, cores=8.0, memory_mb=30720, shm_mb=8192, price="1.15",
         position=2, edited=True)  # fmt: skip
    for number, owner in ((1, None), (2, alice), (3, None)):
        make("templates_app.Template", id=number, slug=f"kept-{number}",
             name=f"Kept {number}", summary="Kept from an earlier version.",
             description="Two\nlines, “quoted”.", kind="Images", motif="emoji",
             position=number, spec=spec(), tier_id="cpu", image_bytes=3_000_000_000,
             build_minutes=2, tier_note="More draws faster.", min_replicas=0,
             max_replicas=3, public=True, idle_timeout=300, start_timeout=900,
             concurrency=1, digest="d" * 64, owner=owner, shared=bool(owner),
             retired=number == 3)  # fmt: skip


def spec() -> dict:
    """A container with a sealed variable and a volume, as it was written then."""
    secret = {"name": "PASS", "value": seal(SECRET), "secret": True}
    shown = {"name": "MODE", "value": "fast ⚡", "secret": False}
    return {
        "image": "lab/app:1",
        "port": 7860,
        "health_path": "/health",
        "command": ["serve"],
        "args": ["--port", "7860"],
        "env": [shown, secret],
        "volume": {"name": "files", "mount": "/data"},
        "shm_mb": 64,
        "hints": [],
    }


def secrets(alice) -> None:
    times = {"created_at": ago(days=9), "updated_at": ago(days=8)}
    make("endpoints.Secret", id=1, owner=alice, key="HF_TOKEN", sealed=seal(SECRET),
         **times)  # fmt: skip
    make("endpoints.RegistryCredential", id=1, owner=alice, key="lab",
         registry="ghcr.example", username="alice", sealed=seal(SECRET),
         checked_at=ago(days=1), **times)  # fmt: skip
    make("endpoints.Volume", id=1, owner=alice, name="results",
         engine_name="alight-x-1.kept.results", created_at=ago(days=9),
         size_bytes=5_000_000_000, measured_at=ago(hours=1))  # fmt: skip
    make("endpoints.Volume", id=2, owner=alice, name="results",
         engine_name="alight-x-1.kept.results-2", created_at=ago(days=19),
         deleting=True, trouble="The engine says: it is in use.")  # fmt: skip


def endpoint(number: int, state: str):
    replicas_ready = int(state == "ready")
    row = make(
        "endpoints.Endpoint",
        id=number,
        name=f"kept-{state}",
        owner_id=1,
        template_id=1,
        template_name="Kept 1",
        created_at=ago(days=5, minutes=number),
        display_name=f"Kept, {state}",
        description="Written before the upgrade.",
        spec=spec(),
        tier_id="medium" if state == "ready" else "cpu",
        min_replicas=0 if state == "failed" else 1,
        max_replicas=3,
        public=state == "failed",
        idle_timeout=300,
        start_timeout=900,
        concurrency=1 if state == "waiting" else 4,
        hold_seconds=120,
        warm_until=ago(days=-1),
        schedule_zone="Europe/Berlin",
        paused=state == "stopping",
        deleting=state == "stopped",
        generation=2,
        observed_generation=2,
        revision=2,
        observed_revision=2,
        target_count=2,
        minimum_now=2 if state == "ready" else None,
        last_request_at=ago(minutes=3),
        phase={"stopped": "deleting", "ready": "ready"}.get(state, "waiting"),
        ready_count=replicas_ready,
    )
    for revision in (1, 2):
        make("endpoints.Revision", id=10 * number + revision, endpoint=row,
             number=revision, spec=spec(), tier_id="cpu", actor="alice",
             created_at=ago(days=5), settled_at=ago(days=4) if revision == 1 else None,
             failed_at=ago(days=3) if revision == 2 else None,
             why="It did not become ready." if revision == 2 else "")  # fmt: skip
    make("endpoints.ScheduleWindow", id=number, endpoint=row, days=31, begins=time(8),
         ends=time(18, 30), min_replicas=2)  # fmt: skip
    return row


def hardware() -> None:
    make("replicas.Node", name="node-1", cores=16, memory_mb=65536,
         engine_version="20.10.24", unreachable_since=ago(minutes=1),
         seen_at=ago(minutes=2))  # fmt: skip


def replica(number: int, endpoint, state: str) -> None:
    runs = state in {"starting", "ready", "unhealthy", "stopping"}
    make(
        "replicas.Replica",
        id=number,
        endpoint=endpoint,
        number=1,
        attempt=2,
        generation=2,
        revision_id=10 * endpoint.pk + 2,
        state=state,
        since=ago(minutes=5),
        created_at=ago(hours=1),
        node_id=None if state == "waiting" else "node-1",
        container_id=f"{number:064x}" if runs else "",
        address="172.28.0.9" if runs else "",
        started_at=ago(minutes=50) if runs else None,
        answered_at=ago(minutes=40) if runs else None,
        ready_at=ago(minutes=40) if runs else None,
        retire=state == "stopping",
        end_asked_at=ago(minutes=1) if state == "stopping" else None,
        silent_since=ago(minutes=1) if state == "unhealthy" else None,
        failures=3 if state == "failed" else 0,
        retry_at=ago(minutes=-4) if state == "failed" else None,
        exit_code=137 if state in {"failed", "stopped"} else None,
        trouble="OutOfMemory" if state == "failed" else "",
        trouble_text="The container needed more memory." if state == "failed" else "",
    )


def events(endpoints) -> None:
    number = 0
    for state, row in endpoints.items():
        for reason, message in (("EndpointCreated", ""), ("ReplicaRunning", "½ ready")):
            number += 1
            make("endpoints.Event", id=number, endpoint=row, replica_id=row.pk,
                 attempt=2, reason=reason, warning=state == "failed", message=message,
                 data={"port": 7860}, actor="alice",
                 at=ago(minutes=60 - number))  # fmt: skip


def callers(alice, bob, main) -> None:
    key = {"owner": alice, "prefix": TOKEN[:8], "last_four": TOKEN[-4:],
           "created_at": ago(days=3), "last_used_at": ago(days=1)}  # fmt: skip
    make("endpoints.AccessKey", id=1, name="kept", digest=digest(f"Bearer {TOKEN}"),
         scope="manage", **key)  # fmt: skip
    make("endpoints.AccessKey", id=2, name="some", digest=digest("other"),
         scope="call-some", endpoints=[main], expires_at=ago(days=-30),
         revoked_at=ago(hours=1), **key)  # fmt: skip
    link = make("endpoints.ShareLink", id=1, endpoint=main, maker=alice, name="Carol",
                digest=digest("link"), last_four="abcd", created_at=ago(days=2),
                expires_at=ago(days=-9), last_used_at=ago(days=1),
                revoked_at=ago(hours=2))  # fmt: skip
    for number, (user, by) in enumerate(((alice, None), (None, link)), start=1):
        make("endpoints.Pass", id=number, endpoint=main, user=user, link=by,
             session=digest("session"), ticket=digest(f"ticket {number}"),
             digest=digest(f"pass {number}"), created_at=ago(days=1),
             expires_at=ago(days=-1), ended_at=ago(hours=1))  # fmt: skip


def later(main) -> None:
    for number, state in enumerate(("pending", "completed"), start=1):
        done = state == "completed"
        key = uuid.UUID(int=number)
        row = make("endpoints.AsyncRequest", id=key, endpoint=main, state=state,
             method="POST", path="/predict?a=b", headers=[["accept", "text/plain"]],
             grant=digest("pass 1"), body_bytes=5, answer_bytes=4 * done,
             attempts=1, status=200 if done else None,
             response_headers=[["x-kept", "yes"]] if done else [],
             trouble="It was away once.", created_at=ago(hours=2),
             started_at=ago(hours=1) if done else None,
             finished_at=ago(hours=1) if done else None,
             expires_at=ago(days=-3650))  # fmt: skip
        if row is not None:
            write(Path(settings.ALIGHT_ASYNC_DIR) / f"{key}.request", "hello")
            if done:
                write(Path(settings.ALIGHT_ASYNC_DIR) / f"{key}.answer", "kept")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)


def logs() -> None:
    """Two starts of one replica, by this state's own writer of logs."""
    from replicas.logs.files import LogFile
    from replicas.logs.records import Attempt, Draft, flags

    for attempt in (1, 2):
        began = int(ago(hours=3 - attempt).timestamp()) * 1_000_000_000
        drafts = [
            Draft(began + n, flags(source, "info"), text)
            for n, (source, text) in enumerate(
                (
                    ("system", f"Start {attempt}"),
                    ("stdout", "Model loaded in 14.2 s ✓"),
                    ("stderr", "ready"),
                )
            )
        ]
        file = LogFile(Attempt(5, 5, attempt))
        file.append(drafts)
        file.close()
    finished = {"finished_at": int(ago(hours=1).timestamp()) * 10**9, "sealed": []}
    write(Path(settings.ALIGHT_LOG_DIR) / "5" / "5-1.state", json.dumps(finished))


def main() -> None:
    timezone.now = lambda: NOW
    with transaction.atomic():
        fill()
    logs()
    with connection.cursor() as cursor:
        # Rows that are gone had numbers, too.
        cursor.execute(
            "UPDATE sqlite_sequence SET seq = 500 WHERE name = 'replicas_replica'"
        )


if __name__ == "__main__":
    import django

    django.setup()
    main()
    print("Left out:", ", ".join(sorted(left_out)) or "nothing")
