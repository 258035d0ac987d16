"""The Templates page: rows, kinds, search, hardware."""

from __future__ import annotations

import re

import pytest

from templates_app.catalogue.loading import load
from templates_app.models import Template

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, alice):
    """Asks for the page; answers the names shown and the whole text."""
    load()
    client.force_login(alice)

    def ask(query=""):
        text = client.get(f"/templates/{query}").content.decode()
        rows = re.findall(r'<li class="row t-row"[^>]*>.*?</li>', text, re.DOTALL)
        shown = [row for row in rows if " hidden>" not in row.split("\n")[0]]
        return [re.search(r"row-link[^>]*>([^<]*)<", row)[1] for row in shown], text

    return ask


def test_every_published_template_is_a_row_with_its_clone_link(page):
    names, text = page()
    assert names[0] == "Image Generation (Automatic1111)"
    assert len(names) == Template.objects.published().count()
    assert 'href="/templates/automatic1111/clone/"' in text
    assert 'aria-label="Clone Image Generation (Automatic1111)"' in text
    assert "Built on first start, about 2 min" in text
    assert "9.8 GB" in text


def test_a_retired_template_is_not_offered(page):
    Template.objects.filter(slug="automatic1111").update(retired=True)
    assert "Image Generation (Automatic1111)" not in page()[0]


FILTERS = [
    ("?q=whisper", ["Speech to Text (Whisper large-v3)"]),
    ("?q=WEB+stable", ["Image Generation (Automatic1111)"]),
    ("?kind=tools", ["Notebook (JupyterLab)"]),
    ("?kind=audio&q=gpu", ["Speech (Piper and PocketSphinx)"]),
    ("?q=quantum", []),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_the_address_narrows_the_page(page, query, expected):
    assert page(query)[0] == expected


def test_hardware_shows_what_fits_it(page):
    names, _ = page("?hw=cpu")
    assert "Text to Image (Emoji Diffusion)" in names
    assert "Chat (llama.cpp)" not in names
    names, _ = page("?hw=small")
    assert "Chat (llama.cpp)" in names
    assert "Image Generation (Automatic1111)" not in names
    assert page("?hw=gone")[0] == page()[0]


def test_kinds_are_counted(page):
    _, text = page("?kind=tools")
    total = Template.objects.published().count()
    assert f'aria-pressed="false">All<span class="n">{total}</span>' in text
    assert 'aria-pressed="true">Tools<span class="n">1</span>' in text


def test_no_match_says_what_was_asked(page):
    _, text = page("?q=%3Cquantum%3E")
    assert "“&lt;quantum&gt;”" in text
    assert "Try fewer words or another kind." in text
