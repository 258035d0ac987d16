"""The web process in the tests' own: pages of rows that a test made."""

import pytest

from tests.browser import sign_in


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
def tab(context, pages, alice):
    """A page on which Alice is signed in."""
    page = context.new_page()
    sign_in(page, Ada(pages.url), "alice")
    return page
