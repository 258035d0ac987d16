"""A folder of its own for this run, chosen before Django reads its settings."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests import postgres

# The environment this run was started with, for tests of a whole console.
OUTSIDE = dict(os.environ)

# A short path: unix sockets below it have 107 bytes for their whole name.
HOME = Path(tempfile.mkdtemp(prefix="alight-test-")).resolve()
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith("ALIGHT_")]:
    # Which engine there is belongs to the machine, and which server of databases to
    # the run, whose lanes read it from here; the rest to an installation.
    if name not in {"ALIGHT_DOCKER_HOST", "ALIGHT_TEST_POSTGRES"}:
        del os.environ[name]
os.environ["ALIGHT_HOME"] = str(HOME)
if postgres.SERVER:
    os.environ["ALIGHT_DATABASE_URL"] = postgres.address(postgres.own_name())
for folder in ("run", "run/ingress", "static"):
    (HOME / folder).mkdir(mode=0o700)
