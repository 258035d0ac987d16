"""What was shown on a connection counts again without a look, and never too long.

Every test asks over one connection, as a proxy before us does for all its people.
"""

import asyncio
import hashlib
import http.client
import time

import pytest

from endpoints.ingress.base import Grant
from endpoints.keys import digest_of
from endpoints.tests.ingress_parts import backend, eventually, haproxy, private, public

__all__ = ["backend", "haproxy"]

pytestmark = pytest.mark.haproxy

TOKEN = {"Authorization": "Bearer alt_secret"}
OTHER = {"Authorization": "Bearer alt_other"}
GRANT, OTHERS = Grant(digest_of("alt_secret")), Grant(digest_of("alt_other"))
PASS = {"Cookie": "alight_pass=sesame"}
VISIT = Grant(hashlib.sha256(b"sesame").hexdigest().upper())


@pytest.fixture
def ingress(haproxy):
    return haproxy.ingress


@pytest.fixture
async def replica(ingress, backend):
    """“art” and “chat” are private and share a replica; nobody may call them."""
    one = await backend("one")
    for name in ("art", "chat"):
        ingress.apply(private(name, one.upstream(name)))
    return one


@pytest.fixture
async def ask(haproxy):
    """The status of a request on the one connection there is."""
    line = http.client.HTTPConnection("127.0.0.1", haproxy.setup.port, timeout=20)

    def send(name, headers, path):
        line.request("GET", path, headers={"Host": f"{name}.localhost", **headers})
        answer = line.getresponse()
        answer.read()
        assert not answer.will_close
        return answer.status

    async def asked(headers, name="art", path="/who"):
        return await asyncio.to_thread(send, name, headers, path)

    yield asked
    line.close()


@pytest.mark.parametrize(("shown", "grant"), [(TOKEN, GRANT), (PASS, VISIT)])
async def test_what_is_revoked_is_refused_at_once(ingress, replica, ask, shown, grant):
    ingress.admit("art", grant)
    assert [await ask(shown) for _ in range(3)] == [200] * 3
    ingress.expel({grant.digest})
    assert await ask(shown) == 401
    ingress.admit("art", grant)
    assert await ask(shown) == 200
    ingress.apply(private("art", replica.upstream("art")))
    assert await ask(shown) == 401


async def test_a_grant_that_ends_by_the_clock_ends(ingress, replica, ask):
    until = int(time.time()) + 2
    ingress.admit("art", Grant(GRANT.digest, until))
    # HAProxy looks at its clock once a turn: 10 ms are room enough.
    while time.time() < until + 0.01:
        status, answered = await ask(TOKEN), time.time()
        assert status == 200 or answered >= until
    assert await ask(TOKEN) == 401


async def test_it_counts_for_what_was_shown_alone(ingress, replica, ask):
    ingress.admit("art", GRANT)
    assert await ask(TOKEN) == 200
    assert await ask({}) == 401
    assert await ask(OTHER) == 401
    assert await ask({"Authorization": "Bearer alt_secre"}) == 401
    assert await ask({"Authorization": "Basic YTpi"}) == 401
    assert await ask(PASS) == 401
    assert await ask(TOKEN) == 200


async def test_it_counts_at_its_own_endpoint_alone(ingress, replica, ask):
    ingress.admit("art", GRANT)
    ingress.admit("chat", OTHERS)
    assert await ask(TOKEN) == 200
    assert await ask(TOKEN, "chat") == 401
    assert await ask(OTHER, "chat") == 200
    assert await ask(OTHER) == 401


async def test_a_pass_beside_a_token_is_looked_at_again(ingress, replica, ask):
    """What the pass opened, the token does not open alone."""
    ingress.admit("art", VISIT)
    assert await ask({**PASS, **OTHER}) == 200
    assert await ask(OTHER) == 401


@pytest.mark.parametrize(
    "browser",
    [
        {"Origin": "http://chat.localhost", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://chat.localhost"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe"},
    ],
)
async def test_another_page_is_no_more_welcome_than_before(
    ingress, replica, ask, browser
):
    ingress.admit("art", VISIT)
    own = {**PASS, "Sec-Fetch-Site": "same-origin"}
    assert [await ask(PASS), await ask(own)] == [200, 200]
    assert await ask({**PASS, **browser}) == 401
    assert await ask(own) == 200


async def test_the_consoles_own_pages_are_not_the_replicas(ingress, replica, ask):
    """They lead to the console, which is not there: 503 is its section's answer."""
    ingress.admit("art", GRANT)
    assert await ask(TOKEN) == 200
    assert await ask(TOKEN, path="/-/alight/start") == 200
    assert await ask(TOKEN, path="/-/alight/other") == 503
    assert await ask({**TOKEN, "X-OctoAI-Async": "1"}) == 503


async def test_a_token_used_at_a_public_endpoint_was_used(ingress, backend, ask):
    one = await backend("one")
    ingress.apply(public("art", one.upstream(), grants=(GRANT,)))
    assert [await ask(TOKEN) for _ in range(3)] == [200] * 3
    assert await ask({"Authorization": "Basic YTpi"}) == 200
    assert await ask({}) == 200
    await eventually(lambda: list(ingress.callers()), [GRANT.digest])


async def test_a_long_connection_is_told_of_while_it_lasts(ingress, replica, ask):
    ingress.admit("art", GRANT)
    async with asyncio.timeout(60):
        while ingress.callers().get(GRANT.digest, 0) < 3:
            assert await ask(TOKEN) == 200
