"""A script's way into a console: its REST API with a bearer token."""

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

    def wait_for(self, name, *reasons):
        """Follow the event stream until it tells one of these reasons."""
        with self.call("GET", f"events/{name}/stream", stream=True) as answer:
            for line in answer.iter_lines():
                if line and any(f'"{reason}"' in line.decode() for reason in reasons):
                    return line.decode()
        raise AssertionError(f"{name}: the stream ended without any of {reasons}")
