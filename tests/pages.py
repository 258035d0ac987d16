"""The web process in the tests' own: pages of rows that a test made."""

import pytest


@pytest.fixture
def pages(valkey):
    # Not before Django is set up, which happens after plugins are read.
    from tests.e2e.pages_server import Pages

    server = Pages()
    server.begin()
    yield server
    server.end()


class Ada:
    """What `sign_in` needs to know of a console."""

    def __init__(self, url):
        self.url, self.password = url, "alice-secret"


@pytest.fixture
def tab(context, pages, alice, client):
    """A page on which Alice is signed in, on her endpoints."""
    client.force_login(alice)
    context.add_cookies(
        [
            {"name": cookie.key, "value": cookie.value, "url": pages.url}
            for cookie in client.cookies.values()
        ]
    )
    page = context.new_page()
    page.goto(f"{pages.url}/endpoints/")
    return page
