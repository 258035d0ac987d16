"""The documentation names what there is."""

import re

from django.conf import settings

from endpoints.steps import Reason
from replicas.states import ReplicaState

DOCS = settings.BASE_DIR / "docs"


def test_every_reason_is_explained():
    text = (DOCS / "events.md").read_text()
    assert [r.value for r in Reason if f"| {r.value} |" not in text] == []


def test_every_state_is_explained():
    text = (DOCS / "life-of-an-endpoint.md").read_text()
    assert [s.value for s in ReplicaState if f"| {s.value} |" not in text] == []


def test_every_setting_is_explained():
    source = (settings.BASE_DIR / "console" / "settings.py").read_text()
    names = set(re.findall(r'env\w+\(\s*"(ALIGHT_\w+)"', source))
    assert len(names) > 20
    text = (DOCS / "settings.md").read_text()
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_every_link_between_documents_leads_somewhere():
    pages = [*DOCS.rglob("*.md"), settings.BASE_DIR / "README.md"]
    link = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    broken = [
        f"{page.name} -> {target}"
        for page in pages
        for target in link.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
