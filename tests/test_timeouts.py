"""Every call that leaves a process of the console says how long it waits."""

import ast

import pytest
from django.conf import settings

from console import databases
from launcher.database import EXAMPLE

ROOT = settings.BASE_DIR
APPS = ("console", "endpoints", "replicas", "templates_app")
# The last word of a call that leaves the process, and how it may say its limit.
CALLS = {
    "run": {"timeout"},
    "check_output": {"timeout"},
    "APIClient": {"timeout"},
    "ClientSession": {"timeout"},
    "AsyncClient": {"timeout"},
    "Client": {"timeout"},
    "from_url": {"socket_timeout"},
    "create_connection": {"timeout"},
    "HTTPConnection": {"timeout"},
    "urlopen": {"timeout"},
    "open_connection": set(),
    "open_unix_connection": set(),
    "create_subprocess_exec": set(),
    "Popen": set(),
}
# `x.run(…)` of our own classes, and asyncio's, is no call to the outside.
OWNERS = {"run": {"subprocess"}, "Client": {"httpx"}, "AsyncClient": {"httpx"}}
# Sessions without a limit of their own, whose every request has one.
EACH_REQUEST = {"replicas/engine/wire.py": "ClientSession"}


def sources():
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            inside = path.relative_to(ROOT).parts
            if not {"tests", "migrations", "builds"} & set(inside):
                yield path


def outside_calls(tree):
    """Each call that leaves the process, and whether it says its limit."""
    limited = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncWith)
        and any("asyncio.timeout" in ast.unparse(item) for item in node.items)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        owner, _, name = ast.unparse(node.func).rpartition(".")
        if name not in CALLS or owner not in OWNERS.get(name, {owner}):
            continue
        said = {word.arg for word in node.keywords}
        yield node, name, bool(said & CALLS[name]) or id(node) in limited


def found():
    return [
        (str(path.relative_to(ROOT)), node, name, limited)
        for path in sources()
        for node, name, limited in outside_calls(ast.parse(path.read_text()))
    ]


def test_every_call_to_the_outside_has_a_time_limit():
    calls = found()
    assert len(calls) > 10
    assert [
        f"{path}:{node.lineno} {name}"
        for path, node, name, limited in calls
        if not limited and EACH_REQUEST.get(path) != name
    ] == []


@pytest.mark.parametrize("path", EACH_REQUEST)
def test_a_session_without_a_limit_has_one_at_each_request(path):
    tree = ast.parse((ROOT / path).read_text())
    asked = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".request")
    ]
    assert asked
    for node in asked:
        assert "timeout" in {word.arg for word in node.keywords}


def test_a_plain_socket_that_connects_has_a_time_limit():
    """Those that only listen, or are only bound, wait for nobody."""
    for path in sources():
        text = path.read_text()
        if "socket.socket(" in text and ".connect(" in text:
            assert ".settimeout(" in text, path


def test_database_and_broker_have_a_time_limit():
    for database in (databases.sqlite(""), databases.postgres(EXAMPLE, "", 20)):
        options = database["OPTIONS"]
        assert 0 < options.get("pool", options)["timeout"] <= 60
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert options["socket_timeout"]
    assert options["socket_connect_timeout"]


@pytest.mark.parametrize(
    ("text", "limited"),
    [
        ("subprocess.run(['true'])", False),
        ("subprocess.run(['true'], timeout=3)", True),
        ("async def a():\n await asyncio.open_connection(1)", False),
        (
            "async def a():\n async with asyncio.timeout(1):\n"
            "  await asyncio.open_connection(1)",
            True,
        ),
        ("redis.Redis.from_url(url, socket_connect_timeout=2)", False),
    ],
)
def test_the_audit_sees_what_it_should(text, limited):
    ((_, _, said),) = outside_calls(ast.parse(text))
    assert said is limited
