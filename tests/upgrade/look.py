"""See an installation as Alice does: its pages and its API, in a process of its own.

Prints what it found as JSON. With `--from FILE` an SQLite database as it is, of its own
version, is put into the empty PostgreSQL that settings name first. With
`--back APP=MIGRATION …` it only goes back to these.
"""

import asyncio
import json
import sys
from pathlib import Path

import django
from django.core.management import call_command
from django.test import Client, override_settings

PLAIN = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
PAGES = ("/endpoints/", "/templates/", "/tokens/", "/secrets/", "/volumes/")
CALLS = ("endpoints", "secrets", "registry-credentials", "volumes", "tokens")
# Below the endpoint that has everything.
MORE = ("revisions/", "charts/", "logs.txt", "edit/", "share/")


def main(words) -> None:
    django.setup()
    if words[:1] == ["--back"]:
        for app, name in (word.split("=") for word in words[1:]):
            call_command("migrate", app, name, verbosity=0)
        return
    if words[:1] == ["--from"]:
        put(Path(words[1]))
    call_command("migrate", interactive=False, verbosity=0)
    print(json.dumps(look()))


def put(file: Path) -> None:
    from console.moving import tables, ways

    with (
        ways._aimed(source=ways._file(file), default=ways._live()),
        ways._one_moment(),
    ):
        ways._copy(tables.version_of("source"), lambda *_: None)


def look() -> dict:
    from django.conf import settings

    storages = {**settings.STORAGES, "staticfiles": PLAIN}
    with override_settings(STORAGES=storages, ALLOWED_HOSTS=["*"]):
        return {"pages": pages(), "api": api(), "opened": opened()}


def pages() -> dict[str, str]:
    from console.models import User

    client = Client()
    client.force_login(User.objects.get(username="alice"))
    found = {path: client.get(path) for path in PAGES}
    for path in [f"/endpoints/{row}/" for row in names()] + [
        f"/endpoints/kept-ready/{page}" for page in MORE
    ]:
        found[path] = client.get(path)
    return {path: f"{a.status_code} {text(a)}" for path, a in found.items()}


def api() -> dict[str, object]:
    from tests.upgrade.fill import TOKEN

    client = Client(headers={"authorization": f"Bearer {TOKEN}"})
    calls = [*CALLS]
    for row in names():
        calls += [f"endpoint/{row}", f"events/{row}"]
    found = {call: client.get(f"/v1/{call}") for call in calls}
    return {c: a.json() if a.status_code == 200 else text(a) for c, a in found.items()}


def names() -> list[str]:
    from endpoints.models import Endpoint

    return list(Endpoint.objects.values_list("name", flat=True))


def text(answer) -> str:
    if not answer.streaming:
        return answer.content.decode()
    return asyncio.run(_all_of(answer)).decode()


async def _all_of(answer) -> bytes:
    return b"".join([piece async for piece in answer])


def opened() -> list[str]:
    """Everything that was sealed, by its own key."""
    from endpoints.models import Endpoint, RegistryCredential, Secret
    from endpoints.sealing import unseal

    rows = [*Secret.objects.all(), *RegistryCredential.objects.all()]
    env = [var for one in Endpoint.objects.all() for var in one.container.env]
    inside = [var.value for var in env if var.secret]
    return sorted({unseal(one) for one in [*(r.sealed for r in rows), *inside]})


if __name__ == "__main__":
    main(sys.argv[1:])
