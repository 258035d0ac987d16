"""A follower in a process of its own, to be killed: python -m replicas.tests.logs_child
LOG_DIR ENDPOINT REPLICA ATTEMPT CONTAINER. Ends when the log is finished."""

import asyncio
import os
import sys

import django
from django.conf import settings


async def follow(target):
    from replicas.engine.streams import DockerStreams
    from replicas.logs.following import Following
    from replicas.logs.writer import Writer

    streams, writer = DockerStreams(), Writer()
    try:
        await Following(target, streams, writer).run()
    finally:
        await writer.close()
        await streams.close()


def main(log_dir, endpoint, replica, attempt, container_id):
    os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings"
    django.setup()
    settings.ALIGHT_LOG_DIR = log_dir

    from replicas.logs.following import Target
    from replicas.logs.records import Attempt

    owner = Attempt(int(endpoint), int(replica), int(attempt))
    asyncio.run(follow(Target(owner, container_id)))


if __name__ == "__main__":
    main(*sys.argv[1:])
