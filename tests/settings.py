"""console.settings in a folder of its own, with what no test may reach in memory."""

# First: it decides where console.settings looks.
from tests.environment import HOME  # isort: skip

from console.settings import *  # noqa: F403
from console.settings import ALIGHT_DATABASE_URL, DATABASES, STORAGES

# A message to the worker goes nowhere unless a test takes it, and news to browsers
# stay in this process. The fixture `valkey` puts the real ones in their place.
CELERY_BROKER_URL = "memory://"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
# Real hashing takes most of a test's time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Pages render without collected static files.
STATIC_ROOT = HOME / "static"
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# In a file: threads that share one in memory lock each other out of its tables.
if not ALIGHT_DATABASE_URL:
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / "test.sqlite3")}
# Tests of it put up their own; the rest leaves the machine's packet filter alone.
ALIGHT_ISOLATION = False
# The key is SECRET_KEY alone; tests of a rotation name files of their own.
ALIGHT_KEY_FILE = ALIGHT_OLD_KEYS_FILE = None
