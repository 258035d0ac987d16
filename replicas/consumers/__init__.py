"""The pages' sockets."""

from replicas.consumers.endpoint import EndpointConsumer
from replicas.consumers.many import ListConsumer

__all__ = ["EndpointConsumer", "ListConsumer"]
