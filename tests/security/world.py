"""What Alice has, and everybody who may come and ask for it.

Whatever is hers says "canary" somewhere, so that a leak is seen wherever it shows.
"""

from __future__ import annotations

import re
import uuid
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.test import Client
from django.utils import timezone

from endpoints import sharing, vault
from endpoints.keys import make_token, revoke
from endpoints.models import AccessKey, Event, Scope
from endpoints.tests.factories import (
    EndpointFactory,
    TemplateFactory,
    UserFactory,
    spec,
    volume,
)
from endpoints.volumes import ensure
from replicas.logs import store
from replicas.tests.factories import ReplicaFactory
from templates_app.spec import EnvVar

CANARY = "canary"
# What is part of an address: who asks for a name has it, and answers say it again.
NAMES = ("canary-(app|hub|spare|template)", "CANARY_KEY")
# Who may be asked for in the table: people in a browser, and tokens of programs.
PEOPLE = ("owner", "teammate", "stranger", "superuser", "nobody")
TOKENS = (
    "manage",
    "teammate_manage",
    "superuser_manage",
    "call_all",
    "call_some",
    "expired",
    "revoked",
    "left",
    "made_up",
)


@dataclass
class World:
    """args: what fills the places of a route, by the name of the place."""

    clients: dict[str, Client]
    headers: dict[str, dict[str, str]]
    args: dict[str, str]
    # Of Bob, to mix with what is Alice's.
    bobs: dict[str, str] = field(default_factory=dict)
    programs: int = 0
    # How often a form was looked at that kept what was typed.
    kept: int = 0

    def ask(self, who: str, method: str, path: str, send=None, *, json=False):
        """The answer, and nothing that was done stays."""
        client = self.clients.get(who) or self.program(who)
        ask = getattr(client, method.lower())
        cookies = copy(client.cookies)
        with transaction.atomic():
            if method == "GET":
                answer = ask(path, send or {})
            elif json:
                answer = ask(path, send or {}, content_type="application/json")
            else:
                answer = ask(path, send or {})
            transaction.set_rollback(True)
        client.cookies = cookies
        return answer

    def program(self, who: str) -> Client:
        """From an address of its own: who sends many wrong tokens is told to wait."""
        self.programs += 1
        address = f"2001:db8:0:{self.programs:x}::1"
        return Client(headers=self.headers[who], REMOTE_ADDR=address)

    def path(self, route: str, args=None) -> str:
        """The address of a route, such as "endpoints/<slug:name>/", of Alice's."""
        given = {**self.args, **(args or {})}
        return "/" + re.sub(
            r"<(?:\w+:)?(\w+)>|\{(\w+)\}",
            lambda place: str(given[place[1] or place[2]]),
            route,
        )


def build() -> World:
    alice, bob, charlie = (
        UserFactory(username=name) for name in ("alice", "bob", "charlie")
    )
    root = UserFactory(username="root", is_staff=True, is_superuser=True)
    left = UserFactory(username="left", is_active=True)
    endpoint = EndpointFactory(
        name="canary-app",
        owner=alice,
        display_name="Canary Orchard",
        description="The canary sings.",
        spec=spec(
            image="lab/canary:1",
            env=(EnvVar("PLAIN", "canary-env"),),
            volume=volume("canary-files"),
        ).to_json(),
    )
    replica = ReplicaFactory(
        endpoint=endpoint, ready=True, trouble_text="A canary fell off."
    )
    Event.objects.create(endpoint=endpoint, reason="created", message="canary-event")
    store.system(endpoint.pk, replica.pk, 1, "canary-log")
    own = TemplateFactory(slug="canary-template", name="Canary", owner=alice)
    shared = TemplateFactory(slug="shown", owner=alice, shared=True)
    ends = timezone.now() + timedelta(days=1)
    link, _ = sharing.share(endpoint, alice, ends, "canary-link")
    key, _ = make_token(alice, "canary-token")
    secret = vault.add_secret(alice.pk, "CANARY_KEY", "canary-value")
    registry = vault.add_registry(
        alice.pk,
        "canary-hub",
        vault.SignInWish("registry.example", "canary-user", "canary-word", None),
    )
    spare = ensure(alice.pk, "canary-spare")
    his = EndpointFactory(name="bobs", owner=bob)
    args = {
        "name": endpoint.name,
        "replica_id": replica.pk,
        "link_id": link.pk,
        "slug": own.slug,
        "shared": shared.slug,
        "key_id": key.pk,
        "volume_id": spare.pk,
        "volume": spare.name,
        "secret_id": secret.pk,
        "secret": secret.key,
        "registry_id": registry.pk,
        "registry": registry.key,
        "revision": 1,
        "request_id": uuid.uuid4(),
        "tier": endpoint.tier_id,
    }
    clients = {"nobody": Client()}
    for who, user in zip(PEOPLE, (alice, bob, charlie, root), strict=False):
        clients[who] = Client()
        clients[who].force_login(user)
    return World(
        clients,
        _tokens(alice, bob, root, left, endpoint),
        {name: str(value) for name, value in args.items()},
        {"name": his.name, "replica_id": str(ReplicaFactory(endpoint=his).pk)},
    )


def _tokens(alice, bob, root, left, endpoint) -> dict[str, dict[str, str]]:
    def token(owner, **how):
        key, text = make_token(owner, "ci", **how)
        return key, {"authorization": f"Bearer {text}"}

    _, manage = token(alice)
    _, bobs = token(bob)
    _, roots = token(root)
    _, call_all = token(alice, scope=Scope.CALL_ALL)
    _, call_some = token(alice, scope=Scope.CALL_SOME, endpoints=[endpoint])
    expired_key, expired = token(alice)
    AccessKey.objects.filter(pk=expired_key.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    revoked_key, revoked = token(alice)
    revoke(revoked_key)
    _, lefts = token(left)
    left.is_active = False
    left.save()
    return {
        "manage": manage,
        "teammate_manage": bobs,
        "superuser_manage": roots,
        "call_all": call_all,
        "call_some": call_some,
        "expired": expired,
        "revoked": revoked,
        "left": lefts,
        "made_up": {"authorization": "Bearer alt_" + "x" * 40},
    }


def told(answer) -> str:
    """What of Alice's an answer gives away: "" for nothing."""
    if answer.streaming:
        return ""
    heads = " ".join(f"{name}: {value}" for name, value in answer.items())
    text = f"{heads}\n{answer.content.decode(errors='replace')}"
    asked = re.escape(answer.request["PATH_INFO"])
    for known in (asked, *NAMES):
        text = re.sub(known, "", text)
    found = re.search(f"(?is).{{0,40}}{CANARY}.{{0,40}}", text)
    return found[0] if found else ""
