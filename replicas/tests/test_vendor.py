"""Other people's scripts are those that static/vendor/README.md says."""

import hashlib
import re

from django.conf import settings


def test_scripts_are_as_published():
    folder = settings.BASE_DIR / "static" / "vendor"
    told = re.findall(
        r"^\| (\S+) \|.*`([0-9a-f]{64})` \|$",
        (folder / "README.md").read_text(),
        re.MULTILINE,
    )
    assert told
    assert {name for name, _ in told} == {p.name for p in folder.glob("*.js")}
    for name, digest in told:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
