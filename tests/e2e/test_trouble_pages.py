"""Failures, revisions and rollouts in a browser: what is said, what one click does."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from endpoints import revisions, services
from endpoints.models import Event
from endpoints.steps import Reason
from endpoints.tests.factories import MediumTierFactory, spec
from replicas.models import Replica
from replicas.tests.factories import GpuFactory, NodeFactory, ReplicaFactory
from templates_app.spec import EnvVar
from tests.axe import violations
from tests.e2e.pages_server import endpoint, up

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]

TAIL = [
    "Loading weights from /data/model.safetensors",
    "Traceback (most recent call last):",
    '  File "/app/server.py", line 12, in <module>',
    "MemoryError",
]


def fail(made, trouble, reason, message, *, code=None, replica=None, **data):
    """What `failing.fail` writes."""
    replica = replica or made.replicas.get()
    retry_at = timezone.now() + timedelta(seconds=300)
    Replica.objects.filter(pk=replica.pk).update(
        state="failed",
        trouble=trouble,
        trouble_text=message,
        exit_code=code,
        failures=3,
        retry_at=retry_at,
        since=timezone.now(),
    )
    facts = {"trouble": trouble, "code": code, "number": replica.number, **data}
    for what, text, more in (
        (reason, message, facts),
        (Reason.BACKING_OFF, "Restart 3 follows in 5 min.", {}),
    ):
        Event.objects.create(
            endpoint=made, replica_id=replica.pk, attempt=1, reason=what,
            message=text, data=more,
        )  # fmt: skip
    made.phase = "failed"
    made.save(update_fields=["phase"])


@pytest.fixture
def small(alice):
    """Ran out of memory, and there is a larger tier to move to."""
    made = endpoint(alice, "small", "starting", upto="WaitingForPort")
    tier = MediumTierFactory(
        slug="large", name="Large", gpu_model="A100", gpu_memory_gb=80,
        memory_mb=120 * 1024, position=3,
    )  # fmt: skip
    GpuFactory(model="A100", memory_gb=80, node=NodeFactory(name="gpu-02"))
    text = "Out of memory: it used 30.0 of 30 GB."
    fail(made, "OutOfMemory", Reason.EXITED, text, code=137, tail=TAIL)
    return made, tier


def revise(made, **changes):
    services.change(made, "grace", spec={**made.spec, **changes})
    made.refresh_from_db()


@pytest.fixture
def stopped(alice):
    """Two replicas serve revision 1; revision 2 could not become ready."""
    made = endpoint(alice, "stopped", "ready", max_replicas=3, target_count=2)
    first = revisions.wanted(made)
    ReplicaFactory(endpoint=made, number=2, ready=True)
    revisions.settle(first)
    revise(made, image="lab/none:9")
    replica = ReplicaFactory(endpoint=made, number=3)
    text = "registry.lab.example answered “not found” for lab/none:9."
    fail(
        made, "ImageNotFound", Reason.IMAGE_FAILED, text,
        replica=replica, verb="pulled", tail=["manifest unknown"],
    )  # fmt: skip
    Replica.objects.filter(pk=replica.pk).update(state="stopped")
    revisions.stop(revisions.wanted(made), 1, text)
    made.phase = "ready"
    made.save(update_fields=["phase"])
    return made


def test_out_of_memory_is_told_and_a_larger_tier_is_one_click(tab, pages, small):
    made, larger = small
    tab.goto(f"{pages.url}/endpoints/small/")
    up(tab)
    expect(tab.locator("#sub")).to_contain_text("it used 30.0 of 30 GB. Restart 3")
    expect(tab.locator(".replica .r-state").first).to_have_text("Out of memory")
    tab.get_by_text("Its last lines").first.click()
    expect(tab.locator("#now-tail pre")).to_contain_text("MemoryError")
    assert violations(tab) == []
    tab.get_by_role("button", name="Move to Large (120 GB)").click()
    expect(tab.locator("#ep-config")).to_contain_text("Large: A100 80 GB")
    made.refresh_from_db()
    assert (made.tier, made.revision) == (larger, 2)


def test_the_dialog_has_the_reason_the_last_lines_and_the_next_try(tab, pages, small):
    tab.goto(f"{pages.url}/endpoints/small/")
    up(tab)
    tab.locator("#bubbles button").first.click()
    dialog = tab.locator("#replica-dialog")
    expect(dialog).to_contain_text("Container exited with code 137")
    expect(dialog).to_contain_text("Restart 3 follows in 4 min")
    dialog.get_by_text("Its last lines").click()
    expect(dialog.locator("pre")).to_contain_text("MemoryError")
    dialog.get_by_role("button", name="Try now").click()
    expect(tab.locator("#sub")).to_contain_text("Restart 3 follows now.")


def test_a_stopped_rollout_says_so_and_is_rolled_back(tab, pages, stopped):
    tab.goto(f"{pages.url}/endpoints/")
    expect(tab.locator(f"#row-{stopped.pk}")).to_contain_text(
        "Revision 2 did not become ready"
    )
    tab.goto(f"{pages.url}/endpoints/stopped/")
    up(tab)
    expect(tab.locator("#now")).to_have_text("Revision 2 did not become ready")
    expect(tab.locator("#sub")).to_contain_text("Revision 1 keeps serving.")
    assert violations(tab) == []
    tab.get_by_role("link", name="What Replica 3 did").click()
    expect(tab.locator("#replica-dialog")).to_contain_text("Image could not be pulled")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Roll back to revision 1").click()
    expect(tab.locator("#now")).to_have_text("All 2 replicas ready")
    stopped.refresh_from_db()
    assert stopped.revision == 1


def test_revisions_are_listed_compared_and_gone_back_to(tab, pages, stopped):
    env = [vars(EnvVar("HF_TOKEN", "sealed-1", secret=True)), vars(EnvVar("MODE", "a"))]
    revise(stopped, **{**spec(port=7861).to_json(), "env": env})
    tab.goto(f"{pages.url}/endpoints/stopped/")
    tab.locator("#ep-config").get_by_role("link", name="Revision 3").click()
    expect(tab.locator("#revision-3")).to_contain_text("Rolling out, 0 of 2 replicas")
    expect(tab.locator("#revision-2")).to_contain_text("Did not become ready")
    expect(tab.locator("#revision-2")).to_contain_text("not found")
    expect(tab.locator("#revision-1")).to_contain_text("lab/app:1")
    assert violations(tab) == []
    tab.get_by_label("From").select_option("1")
    tab.get_by_role("button", name="Compare").click()
    changed = tab.locator(".rev-diff")
    expect(changed).to_contain_text("7860")
    expect(changed).to_contain_text("a secret")
    assert "sealed-1" not in tab.content()
    tab.get_by_role("button", name="Roll back to revision 1").click()
    expect(tab.locator("#toasts")).to_contain_text("Going back to revision 1")
    expect(tab.locator("#revision-1")).to_contain_text("In use")


def test_it_listens_elsewhere_and_one_click_moves_there(tab, pages, alice):
    made = endpoint(alice, "elsewhere", "starting", upto="WaitingForPort")
    text = "The container started but did not answer within 10 min."
    fail(made, "WrongPort", Reason.START_TIMEOUT, text, what="Port 7860", ports=[3000])
    tab.goto(f"{pages.url}/endpoints/elsewhere/")
    up(tab)
    tab.get_by_role("button", name="Use port 3000").click()
    expect(tab.locator("#ep-config")).to_contain_text("3000, no health check")
