"""Container images that nobody prepared for Alight, made by hand for tests."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from docker import from_env

from launcher.config import ROOT
from replicas.tests.engine_fixtures import tiny

# The Gradio of AUTOMATIC1111, whose queue is a websocket. The pins are what it needs.
GRADIO_3 = """
FROM python:3.11-slim
RUN pip install --no-cache-dir gradio==3.41.2 gradio_client==0.5.0 'fastapi<0.100' \
    'starlette<0.28' 'pydantic<2' 'httpx<0.25' 'huggingface_hub<0.24' 'numpy<2' \
    'matplotlib<3.9' 'pandas<2.3' 'pillow<11' 'websockets<12' 'altair<5.3' 'jinja2<3.2'
ENV GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY model.py app.py weights.npz ./
CMD ["python", "app.py"]
"""
# Says who answers; see tests/e2e/told_server.py.
TOLD = """
FROM python:3.11-slim
ARG REVISION
ENV REVISION=$REVISION PYTHONUNBUFFERED=1
COPY told_server.py /
CMD ["python", "/told_server.py"]
"""

# The hello-world that octoai-sdk scaffolds, run as its CLI ran it; and one whose model
# is loaded when the test says so.
OCTOAI = """
FROM python:3.11-slim
RUN pip install --no-cache-dir octoai-sdk==0.10.1
WORKDIR /app
RUN cp /usr/local/lib/python3*/site-packages/octoai/scaffolds/hello-world/*.py .
COPY slow.py .
ENV PYTHONUNBUFFERED=1
CMD ["python", "-m", "octoai.server", "run"]
"""
OCTOAI_SLOW = """
import time
from pathlib import Path
from service import HelloService

class SlowService(HelloService):
    def setup(self):
        while not Path("/tmp/loaded").exists():
            time.sleep(0.05)
"""

# What people call endpoints with. Apart from the tests' own packages: they want others.
CLIENTS = """
FROM python:3.11-slim
RUN pip install --no-cache-dir octoai-sdk==0.10.1 openai==3.54.0 gradio_client==2.7.2
ENV PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
"""


@pytest.fixture(scope="session")
def tiny_image(docker_engine):
    """A static busybox: `sh`, `httpd`, `nc`, `sleep`."""
    client = from_env()
    # A name of its own: the engine's tests remove theirs when they are done.
    reference = tiny.ensure(client.api, f"alight-test/handmade:{os.getpid()}")
    yield reference
    client.images.remove(reference, force=True)
    client.close()


@pytest.fixture(scope="session")
def gradio_3_image(docker_engine):
    """A web UI on Gradio 3. Kept afterwards: it takes minutes to make."""
    source = ROOT / "templates_app" / "catalogue" / "builds" / "text-to-image"
    client = from_env(timeout=900)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("model.py", "app.py", "weights.npz"):
            shutil.copy(source / name, folder)
        (Path(folder) / "Dockerfile").write_text(GRADIO_3)
        image, _ = client.images.build(
            path=folder, tag="alight-test/gradio:3", rm=True, forcerm=True
        )
    client.close()
    return image.tags[0]


@pytest.fixture(scope="session")
def told_images(docker_engine):
    """Two images of the told server, whose REVISION is "one" and "two"."""
    client = from_env(timeout=120)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "tests" / "e2e" / "told_server.py", folder)
        (Path(folder) / "Dockerfile").write_text(TOLD)
        # Each run has images of its own: one that two share goes with the first's end.
        run = {"alight.test.run": str(os.getpid())}
        made = [f"alight-test/told-{os.getpid()}:{one}" for one in ("one", "two")]
        for reference in made:
            client.images.build(
                path=folder,
                tag=reference,
                buildargs={"REVISION": reference.rpartition(":")[2]},
                labels=run,
                rm=True,
                forcerm=True,
            )
    yield made
    for reference in made:
        client.images.remove(reference, force=True)
    client.close()


@pytest.fixture(scope="session")
def octoai_image(docker_engine):
    """octoai-sdk, its server and its client. Kept afterwards: it is 160 MB."""
    client = from_env(timeout=900)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(OCTOAI)
        (Path(folder) / "slow.py").write_text(OCTOAI_SLOW)
        image, _ = client.images.build(
            path=folder, tag="alight-test/octoai:0.10.1", rm=True, forcerm=True
        )
    client.close()
    return image.tags[0]


@pytest.fixture(scope="session")
def clients_image(docker_engine):
    """octoai-sdk, openai and gradio_client. Kept afterwards: it takes a minute."""
    client = from_env(timeout=900)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(CLIENTS)
        image, _ = client.images.build(
            path=folder, tag="alight-test/clients:1", rm=True, forcerm=True
        )
    client.close()
    return image.tags[0]
