"""Programs that people have already call endpoints of the built-in templates as they
are: private, with a token, and the first request finds nothing running.

octoai-sdk, openai and gradio_client are in an image of their own and call from the
host's network.
"""

import ast

import pytest
from docker import from_env

from endpoints.snippets import TOKEN, Call, snippets
from templates_app.catalogue.reading import FOLDER, read_template
from templates_app.spec import ContainerSpec
from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

CLONE = """
from console.models import User
from endpoints.services import Wish, create
from templates_app.models import Template
template = Template.objects.get(slug={slug!r})
create(User.objects.get(username="admin"), Wish({name!r}, template.container,
    template.tier, min_replicas=0, concurrency=template.concurrency), template)
"""

# Each program is told url and token, and prints what it found as a Python literal.
OCTOAI = """
import sys, time
from octoai.client import Client
from octoai.errors import OctoAIClientError
url, token = sys.argv[1:]
found = {}
try:
    Client(token="alt_wrong").infer(f"{url}/sdapi/v1/txt2img", {"prompt": "x"})
except OctoAIClientError as error:
    found["stranger"] = str(error)[:10]
client = Client(token=token)
asked = {"prompt": "smiling cat", "steps": 2, "seed": 7}
picture = client.infer(f"{url}/sdapi/v1/txt2img", asked)["images"][0]
found["picture"] = picture[:11]
found["health"] = client.health_check(f"{url}/healthcheck", timeout=60)
future = client.infer_async(f"{url}/sdapi/v1/txt2img", asked)
while not client.is_future_ready(future):
    time.sleep(0.05)
found["the same later"] = client.get_future_result(future)["images"][0] == picture
print(found)
"""
OCTOAI_STREAM = """
import sys
from octoai.client import Client
url, token = sys.argv[1:]
asked = {"model": "smollm2-135m-instruct", "max_tokens": 12, "stream": True,
         "messages": [{"role": "user", "content": "Count to five."}]}
pieces = list(Client(token=token).infer_stream(f"{url}/v1/chat/completions", asked))
text = "".join(p["choices"][0]["delta"].get("content") or ""
               for p in pieces if p["choices"])
print((len(pieces) > 5, bool(text.strip())))
"""
OPENAI = """
import sys
from openai import AuthenticationError, OpenAI
url, token = sys.argv[1:]
found = {}
asked = {"model": "smollm2-135m-instruct", "max_tokens": 12,
         "messages": [{"role": "user", "content": "Count to five."}]}
stranger = OpenAI(base_url=f"{url}/v1", api_key="alt_wrong", max_retries=0)
try:
    stranger.models.list()
except AuthenticationError as error:
    found["stranger"] = error.status_code
# No second try: the first one waits for the start.
client = OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0)
answer = client.chat.completions.create(**asked)
found["said"] = bool(answer.choices[0].message.content.strip())
found["model"] = client.models.list().data[0].id
pieces = list(client.chat.completions.create(stream=True, **asked))
found["streamed"] = len(pieces) > 5
print(found)
"""
GRADIO = """
import sys
from gradio_client import Client
url, token = sys.argv[1:]
# It waits 5 s for an answer unless it is told otherwise, as its users tell it.
client = Client(url, headers={"Authorization": f"Bearer {token}"}, verbose=False,
                httpx_kwargs={"timeout": 300})
gallery, info = client.predict(
    prompt="smiling cat", negative="", steps=2, cfg=2, seed=7, size=64, count=1,
    api_name="/txt2img")
first = gallery[0]["image"]
with open(first if isinstance(first, str) else first["path"], "rb") as picture:
    print((picture.read(4) != b"", info.splitlines()[0]))
"""


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture(scope="module")
def token(console):
    return console.token("clients")


@pytest.fixture
def cold(api, console):
    """An endpoint of a template that ran once and sleeps; its name is answered."""
    made = {}

    def make(slug):
        name = f"c-{slug}"
        console.manage("shell", "-c", CLONE.format(slug=slug, name=name))
        made[name] = slug
        api.wait_for(name, "ReplicaRunning", seconds=600)
        asleep = api.call("POST", f"endpoint/{name}/sleep")
        assert asleep.status_code == 200, asleep.text
        api.wait_for(name, "ReplicaStopped")
        return name

    yield make
    for name in made:
        api.delete(name)


@pytest.fixture
def run(console, clients_image, token):
    """Run a program as a client of an endpoint: `run(name, program)`."""
    docker = from_env()

    def call(name, program, **variables):
        return docker.containers.run(
            clients_image,
            [
                "python",
                "-W",
                "ignore",
                "-c",
                program,
                console.endpoint_url(name),
                token,
            ],
            environment=variables,
            extra_hosts={f"{name}.localhost": "127.0.0.1"},
            network_mode="host",
            stderr=False,
            remove=True,
        ).decode()

    yield call
    docker.close()


def sleep_again(api, name):
    last = api.call("GET", f"events/{name}").json()[-1]["id"]
    assert api.call("POST", f"endpoint/{name}/sleep").status_code == 200
    api.wait_for(name, "ReplicaStopped", after=last)


def test_octoai_sdk_and_gradio_client(api, cold, run):
    name = cold("text-to-image")
    found = ast.literal_eval(run(name, OCTOAI))
    assert found == {
        "stranger": "Error: 401",
        "picture": "iVBORw0KGgo",
        "health": 200,
        "the same later": True,
    }
    # That a stranger asked woke nothing; the first who may did, once.
    assert api.events(name).count("ReplicaRunning") == 2
    sleep_again(api, name)
    assert ast.literal_eval(run(name, GRADIO)) == (True, "smiling cat")


def test_openai_and_streams(api, cold, run, console, token):
    name = cold("chat")
    found = ast.literal_eval(run(name, OPENAI))
    assert found == {
        "stranger": 401,
        "said": True,
        "model": "smollm2-135m-instruct",
        "streamed": True,
    }
    sleep_again(api, name)
    assert ast.literal_eval(run(name, OCTOAI_STREAM)) == (True, True)
    # What the page says to copy.
    template = read_template(FOLDER / "chat.yaml")
    spec = ContainerSpec.from_json(template.fields["spec"])
    call = Call(console.endpoint_url(name), spec.example, private=True)
    *_, last = snippets(call, openai=spec.openai)
    # The engine may not have the end of a line that has none.
    assert run(name, f"{last.text}\nprint()", **{TOKEN: token}).strip()
