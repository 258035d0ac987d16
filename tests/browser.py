"""Headless Chromium for tests, and a person who signs in with it."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

CHROMIUM = Path(__file__).with_name("steady_chromium.py")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def rows_from_here():
    """Playwright's loop runs in this thread, but it does not touch the rows."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def chromium(rows_from_here, django_db_setup):
    """Begun after the tests' database and ended before it, as its loop demands."""
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium):
    """A fresh browser profile; scripts that fail on a page fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    complaints = []

    def complain(found):
        # The console's own pages; what a container serves is its own affair.
        if found.page and urlsplit(found.page.url).hostname == "localhost":
            complaints.append(str(found.error))

    context.on("weberror", complain)
    yield context
    context.close()
    assert complaints == []


def sign_in(page, console, user="admin", password=None):
    page.goto(f"{console.url}/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password", exact=True).fill(password or console.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/endpoints/")


def open_signed_in(context, console):
    """A tab of admin on the endpoints list. The form is filled in once for a console.

    And once more when that session was ended: then the cookies lead to the form.
    """
    page = context.new_page()
    if console.cookies:
        context.add_cookies(console.cookies)
        page.goto(f"{console.url}/endpoints/")
        if page.url == f"{console.url}/endpoints/":
            return page
    sign_in(page, console)
    console.cookies = context.cookies()
    return page


@pytest.fixture
def page(context, console):
    """A tab of admin, signed in, on the endpoints list."""
    return open_signed_in(context, console)
