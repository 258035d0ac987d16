"""What the user wants, what is told about it, what it uses, and who may call it."""

from endpoints.models.access_key import AccessKey, AccessKeyQuerySet, Scope
from endpoints.models.access_pass import Pass, PassQuerySet, ShareLink
from endpoints.models.async_request import AsyncRequest, AsyncState
from endpoints.models.endpoint import Endpoint, EndpointQuerySet
from endpoints.models.event import Event
from endpoints.models.revision import Revision, RevisionQuerySet
from endpoints.models.schedule import ScheduleWindow
from endpoints.models.vault import RegistryCredential, Secret
from endpoints.models.volume import Volume, VolumeQuerySet

__all__ = [
    "AccessKey",
    "AccessKeyQuerySet",
    "AsyncRequest",
    "AsyncState",
    "Endpoint",
    "EndpointQuerySet",
    "Event",
    "Pass",
    "PassQuerySet",
    "RegistryCredential",
    "Revision",
    "RevisionQuerySet",
    "ScheduleWindow",
    "Scope",
    "Secret",
    "ShareLink",
    "Volume",
    "VolumeQuerySet",
]
