"""What people are told to type is what works where the console runs."""

import re

import pytest
import yaml
from django.conf import settings as real

from endpoints import advice, worker

ALL = ("status", "doctor", "start", "stop", "restart", "renew")


def told():
    said = [getattr(advice, name)() for name in ALL]
    said += [advice.anew("worker", "beat"), advice.anew("haproxy")]
    return [*said, advice.log("web"), advice.find_log("worker"), advice.end_hung("web")]


@pytest.fixture
def usual(settings):
    settings.ALIGHT_HOME = settings.BASE_DIR / ".alight"


def test_make_keeps_it(settings, usual):
    settings.ALIGHT_KEPT_BY = "make"
    targets = re.findall(r"^([a-z-]+):", (real.BASE_DIR / "Makefile").read_text(), re.M)
    words = re.findall(r"\bmake ([a-z-]+)", " ".join(told()))
    assert set(words) == {"status", "doctor", "up", "down", "restart"}
    assert set(words) <= set(targets)
    assert advice.restart() == advice.anew("haproxy") == "make down && make up"
    assert advice.anew("worker", "beat") == "make restart"
    assert advice.log("haproxy").endswith("/.alight/logs/haproxy.log")
    # What everybody may read names no path of the machine.
    assert advice.find_log("worker") == "make status"


def test_another_home_is_named_to_who_starts_it(settings):
    settings.ALIGHT_KEPT_BY, settings.ALIGHT_HOME = "make", real.BASE_DIR / "else"
    where = f"ALIGHT_HOME={real.BASE_DIR}/else"
    assert advice.restart() == f"make down {where} && make up {where}"
    assert advice.renew() == f"make restart {where}"
    assert advice.status() == "make status"


def test_systemd_keeps_it(settings, usual):
    settings.ALIGHT_KEPT_BY = "systemd"
    assert advice.start() == "sudo systemctl start alight"
    assert advice.stop() == "sudo systemctl stop alight"
    assert advice.restart() == "sudo systemctl restart alight"
    # These work there as they do without it.
    assert advice.status() == "make status"
    assert advice.renew() == "make restart"


def test_docker_compose_keeps_it(settings):
    settings.ALIGHT_KEPT_BY = "compose"
    said = "\n".join(told())
    assert "make" not in said
    assert "systemctl" not in said
    stack = yaml.safe_load((real.BASE_DIR / "docker-compose.yml").read_text())
    named = re.findall(r"docker compose (?:logs|restart|exec) (\w+)", said)
    assert {*named, *advice.stop().split()[3:]} <= stack["services"].keys()
    assert advice.log("haproxy") == "docker compose logs ingress"
    # Whoever is at an endpoint is spared where the ingress may stay.
    assert advice.anew("worker", "beat") == "docker compose restart worker beat"
    assert advice.anew("haproxy") == "docker compose restart ingress"
    assert (real.BASE_DIR / advice.renew()).is_file()


def test_pages_say_the_words_of_the_place(settings):
    settings.ALIGHT_WORKER_SOCKET = "/nowhere/worker.sock"
    for kept, words in (("make", "make status"), ("compose", "docker compose ps")):
        settings.ALIGHT_KEPT_BY = kept
        with pytest.raises(worker.WorkerAway, match=f"See “{words}”"):
            worker.image_facts(1, "lab/app:1")


def test_nobody_else_has_such_words():
    """Only what runs outside of every container may name make."""
    words = re.compile(r"\bmake (up|down|status|restart|doctor)\b")
    mine = {"endpoints/advice.py"}
    found = {
        str(path.relative_to(real.BASE_DIR))
        for app in ("console", "endpoints", "replicas", "templates_app", "static")
        for kind in ("*.py", "*.html", "*.js")
        for path in (real.BASE_DIR / app).rglob(kind)
        if "tests" not in path.parts and words.search(path.read_text())
    }
    assert found - mine == ALLOWED


# A comment on `make up`, and a command that names both ways.
ALLOWED = {
    "console/doctor/disk.py",
    "console/doctor/versions.py",
    "console/moving/ways.py",
    "replicas/isolation/keeping.py",
}
