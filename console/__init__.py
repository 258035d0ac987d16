"""The project and the shell around every page. Imported by nobody."""

from console.celery import app as celery_app

__all__ = ["celery_app"]
