"""Rows for tests: people, tiers, templates, endpoints, events, tokens.

Alice owns, Bob has endpoints of his own, Charlie must not see either's. The API's
tests have them as fixtures; others make them with `UserFactory(username="alice")`.
"""

from django.contrib.auth import get_user_model
from factory import Faker, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory, Password
from rest_framework.test import APIClient

from endpoints import volumes
from endpoints.keys import make_token
from endpoints.models import AccessKey, Endpoint, Event, Revision
from endpoints.sealing import seal
from endpoints.steps import Reason
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec, EnvVar, VolumeSpec

PASSWORD = "correct horse battery"


def spec(**changes):
    """A ContainerSpec that is fine as it is; `changes` are its fields."""
    return ContainerSpec(**{"image": "lab/app:1", "port": 7860, **changes})


def secret_var(name, plain):
    """An environment variable whose value is sealed, as the verbs keep it."""
    return EnvVar(name, seal(plain), secret=True)


def volume(name="files", mount="/data"):
    return VolumeSpec(name=name, mount=mount)


def caller(user):
    """An API client with a token of this person."""
    client = APIClient()
    _, token = make_token(user, "test")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


class UserFactory(DjangoModelFactory):
    class Meta:
        model = get_user_model()
        django_get_or_create = ["username"]

    username = Sequence(lambda n: f"person{n}")
    email = Faker("email")
    password = Password(PASSWORD)


class TierFactory(DjangoModelFactory):
    """The CPU tier; `MediumTierFactory` is the A10."""

    class Meta:
        model = Tier
        django_get_or_create = ["slug"]

    slug = "cpu"
    name = "CPU"
    gpu_model = ""
    gpus = 0
    gpu_memory_gb = 0
    cores = 2
    memory_mb = 4096
    shm_mb = 64
    position = 0


class MediumTierFactory(TierFactory):
    slug = "medium"
    name = "Medium"
    gpu_model = "A10"
    gpus = 1
    gpu_memory_gb = 24
    cores = 8
    memory_mb = 30720
    shm_mb = 8192
    position = 2


class TemplateFactory(DjangoModelFactory):
    class Meta:
        model = Template

    slug = Sequence(lambda n: f"template-{n}")
    name = Sequence(lambda n: f"Template {n}")
    summary = "Draws pictures from words."
    kind = "Images"
    spec = LazyFunction(lambda: spec().to_json())
    tier = SubFactory(TierFactory)


class EndpointFactory(DjangoModelFactory):
    """An endpoint as the verbs would have made it; pass `spec=spec(...).to_json()`."""

    class Meta:
        model = Endpoint

    name = Sequence(lambda n: f"endpoint-{n}")
    owner = SubFactory(UserFactory)
    spec = LazyFunction(lambda: spec().to_json())
    tier = SubFactory(TierFactory)

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        endpoint = super()._create(model_class, *args, **kwargs)
        Revision.objects.create(
            endpoint=endpoint,
            number=endpoint.revision,
            spec=endpoint.spec,
            tier=endpoint.tier,
        )
        if volume := endpoint.container.volume:
            volumes.ensure(endpoint.owner_id, volume.name)
        return endpoint


def respec(endpoint, container):
    """Write the endpoint's container over, in its revision too; no event, no news."""
    endpoint.spec = container.to_json()
    endpoint.save(update_fields=["spec"])
    endpoint.revisions.filter(number=endpoint.revision).update(spec=endpoint.spec)
    return endpoint


class EventFactory(DjangoModelFactory):
    class Meta:
        model = Event

    endpoint = SubFactory(EndpointFactory)
    reason = Reason.CREATED


class AccessKeyFactory(DjangoModelFactory):
    """A token's row; the text itself is `row.token`, only here in tests."""

    class Meta:
        model = AccessKey

    owner = SubFactory(UserFactory)
    name = "ci"

    @classmethod
    def _create(cls, model_class, owner, name, **rest):
        key, token = make_token(owner, name)
        for field, value in rest.items():
            setattr(key, field, value)
        if rest:
            key.save()
        key.token = token
        return key
