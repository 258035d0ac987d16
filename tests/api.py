"""A script's way into a console: its REST API with a bearer token."""

import time

import requests


class Api:
    def __init__(self, console):
        self.console = console
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {console.token()}"

    def call(self, method, path, **rest):
        return self.session.request(
            method, f"{self.console.url}/v1/{path}", timeout=30, **rest
        )

    def create(self, name, image, port, **fields):
        body = {"name": name, "image_url": image, "port": port, **fields}
        answer = self.call("POST", "endpoint", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def delete(self, name):
        return self.call("DELETE", f"endpoint/{name}").status_code

    def events(self, name):
        return [
            line["event"]["type"] for line in self.call("GET", f"events/{name}").json()
        ]

    def wait_for(self, name, *reasons, after=0, seconds=240):
        """Follow the event stream until it tells one of these reasons; that line.

        after: id of the last event that is known already. seconds: after these the
        test has failed, and what was told instead is in the message.
        """
        path = f"events/{name}/stream?after={after}"
        deadline = time.monotonic() + seconds
        with self.call("GET", path, stream=True) as answer:
            # An empty line comes now and then, however quiet it is.
            for line in answer.iter_lines():
                if line and any(f'"{reason}"' in line.decode() for reason in reasons):
                    return line.decode()
                if time.monotonic() > deadline:
                    break
        told = " ".join(self.events(name))
        raise AssertionError(f"{name}: none of {reasons}, but {told}")
