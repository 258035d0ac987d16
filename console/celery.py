"""The Celery app: reads console.settings, finds tasks, and carries the runner.

The runner is the worker's own long-lived part: one asyncio loop that follows engine
events and logs, pulls images and probes replicas (see replicas/runner/).
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

from console import request_ids  # noqa: F401 - it listens to tasks' signals

app = Celery("alight")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add("replicas.runner.step:RunnerStep")
