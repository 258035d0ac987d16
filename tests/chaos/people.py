"""What people do, over the API and the pages, as stubborn as people are.

Whoever gets no answer, or one that says “later”, asks again until it is done. What was
done without an answer counts as done.
"""

import threading
import time
from collections import Counter
from contextlib import suppress

import requests

from tests.chaos.checks.answers import asker
from tests.chaos.kinds import APPS
from tests.chaos.stage import IMAGE

# Seconds somebody tries for; a database may be locked for most of it.
_PATIENCE = 90


class GaveUp(Exception):
    """Nobody could do it; the message has the last answers."""


class People:
    """answers: statuses of the API by act. served: those of endpoints' URLs."""

    def __init__(self, stage):
        self._stage, self._console = stage, stage.console
        self._token = stage.console.token()
        self._asked = asker(stage.console)
        self._guard = threading.Lock()
        self.answers, self.served = Counter(), Counter()

    def do(self, kind, args):
        getattr(self, f"_{kind}")(**args)

    # --- the API --------------------------------------------------------------------

    def _create(self, name, tier, app, low, high):
        body = {
            "name": name,
            "image_url": IMAGE,
            "port": 8080,
            "instance_type": tier,
            "command": ["sh", "-c"],
            "args": [APPS[app]],
            "min_replicas": low,
            "max_replicas": high,
            "visibility": "public",
            "scale_to_zero": 86400,
            "hold_seconds": 20,
            "env_overrides": {"EDITS": "0"},
        }
        self._insist("create", "POST", "endpoint", {201}, {409}, json=body)

    def _scale(self, name, low, high):
        self._patch("scale", name, {"min_replicas": low, "max_replicas": high})

    def _edit(self, name, edits):
        self._patch("edit", name, {"env_overrides": {"EDITS": str(edits)}})

    def _pause(self, name):
        self._patch("pause", name, {"endpoint_state": "disabled"})

    def _resume(self, name):
        self._patch("resume", name, {"endpoint_state": "active"})

    def _delete(self, name):
        self._insist("delete", "DELETE", f"endpoint/{name}", {204}, {404, 409})

    def _patch(self, kind, name, body):
        self._insist(kind, "PATCH", f"endpoint/{name}", {200}, set(), json=body)

    def _insist(self, kind, method, path, done, done_before, **rest):
        """Ask until it is done. done_before: says so too, once an answer was lost."""
        deadline, unsure, told = time.monotonic() + _PATIENCE, False, []
        while time.monotonic() < deadline:
            status = self._call(method, path, **rest)
            self._count(self.answers, f"{kind} {status}")
            told.append(status)
            if status in done or (unsure and status in done_before):
                return
            if 400 <= status < 500:
                break
            unsure = True
            self._stage.wait(0.5)
        words = f"{kind} {path}: answered {told[-5:]}"
        raise GaveUp(words)

    def _call(self, method, path, **rest):
        try:
            return requests.request(
                method,
                f"http://127.0.0.1:{self._console.port}/v1/{path}",
                headers=self._headers(),
                timeout=40,
                **rest,
            ).status_code
        except requests.RequestException:
            return 0

    def _headers(self):
        host = f"localhost:{self._console.port}"
        return {"Host": host, "Authorization": f"Bearer {self._token}"}

    # --- pages ----------------------------------------------------------------------

    def _restart(self, name):
        """As the button does. One that is not pressed in time was not pressed."""
        page = f"http://localhost:{self._console.port}"
        with requests.Session() as browser, suppress(requests.RequestException):
            browser.get(f"{page}/sign-in/", timeout=20)
            form = {
                "username": self._console.user,
                "password": self._console.password,
                "csrfmiddlewaretoken": browser.cookies.get("alight_csrf", ""),
            }
            browser.post(f"{page}/sign-in/", form, timeout=20)
            form = {"csrfmiddlewaretoken": browser.cookies.get("alight_csrf", "")}
            url = f"{page}/endpoints/{name}/restart/"
            answer = browser.post(url, form, timeout=20, allow_redirects=False)
            self._count(self.answers, f"restart {answer.status_code}")

    # --- those who call and watch ---------------------------------------------------

    def _requests(self, name, count):
        for _ in range(count):
            status, _ = self._asked(name)
            self._count(self.served, str(status))
            self._stage.wait(0.1)

    def _viewer(self, name, seconds, of):
        """Somebody follows logs or events and leaves again."""
        url = f"http://127.0.0.1:{self._console.port}/v1/{of}/{name}/stream"
        deadline = time.monotonic() + seconds
        with (
            suppress(requests.RequestException),
            requests.get(
                url, headers=self._headers(), stream=True, timeout=5
            ) as answer,
        ):
            self._count(self.answers, f"viewer {answer.status_code}")
            for _ in answer.iter_lines():
                if time.monotonic() > deadline:
                    return

    def lines(self, name):
        """(replica, attempt, text) of the newest lines that containers wrote."""
        answer = requests.get(
            f"http://127.0.0.1:{self._console.port}/v1/logs/{name}",
            headers=self._headers(),
            timeout=20,
        )
        return [
            (line["replica_id"], line["attempt"], line["data"])
            for line in (answer.json() if answer.status_code == 200 else ())
            if line["source"] == "stdout"
        ]

    def _count(self, where, what):
        with self._guard:
            where[what] += 1
