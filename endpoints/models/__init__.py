"""What the user wants, what is told about it, what it uses, and who may call it."""

from endpoints.models.access_key import AccessKey, AccessKeyQuerySet
from endpoints.models.endpoint import Endpoint, EndpointQuerySet
from endpoints.models.event import Event
from endpoints.models.revision import Revision, RevisionQuerySet
from endpoints.models.vault import RegistryCredential, Secret
from endpoints.models.volume import Volume, VolumeQuerySet

__all__ = [
    "AccessKey",
    "AccessKeyQuerySet",
    "Endpoint",
    "EndpointQuerySet",
    "Event",
    "RegistryCredential",
    "Revision",
    "RevisionQuerySet",
    "Secret",
    "Volume",
    "VolumeQuerySet",
]
