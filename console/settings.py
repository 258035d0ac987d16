"""Every setting, read from the environment, with a sentence each.

docs/settings.md lists them; a test keeps the two alike.
"""

import os
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from console.databases import postgres, sqlite
from console.env import (
    envbool,
    envchoice,
    envfiled,
    envint,
    envlist,
    envnetworks,
    envsecret,
    envsecret_file,
    envsecrets,
    envstr,
)
from launcher.config import short_run, unit_file

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where state lives -------------------------------------------------------
# One folder holds all state: database, sockets, logs, keys.
ALIGHT_HOME = Path(envstr("ALIGHT_HOME", str(BASE_DIR / ".alight"))).resolve()
# Sockets; elsewhere where that path is too long for one.
ALIGHT_RUN = short_run(ALIGHT_HOME, os.environ)

# Who keeps the processes running, so that advice names the right words.
ALIGHT_KEPT_BY = envchoice(
    "ALIGHT_KEPT_BY",
    ["make", "systemd", "compose"],
    "systemd" if unit_file(ALIGHT_HOME).is_file() else "make",
)
DEBUG = envbool("ALIGHT_DEBUG", default=False)
# Signs sessions and seals secrets; made once when not given.
SECRET_KEY = envsecret("ALIGHT_SECRET_KEY", ALIGHT_HOME / "secret_key")
# Those it was before: what they signed and sealed is still read. docs/secrets.md
SECRET_KEY_FALLBACKS = envsecrets(
    "ALIGHT_OLD_SECRET_KEYS", ALIGHT_HOME / "old_secret_keys"
)
# The files these keys are in; None for keys in variables.
ALIGHT_KEY_FILE = envsecret_file("ALIGHT_SECRET_KEY", ALIGHT_HOME / "secret_key")
ALIGHT_OLD_KEYS_FILE = envsecret_file(
    "ALIGHT_OLD_SECRET_KEYS", ALIGHT_HOME / "old_secret_keys"
)
# Names this installation on everything it makes in the engine, so that two of them
# on one engine never touch each other's containers.
ALIGHT_INSTALLATION = envsecret("ALIGHT_INSTALLATION", ALIGHT_HOME / "installation")[
    :12
]

# --- Addresses ---------------------------------------------------------------
# The one port people use: console and endpoints alike.
ALIGHT_PORT = envint("ALIGHT_PORT", 8080)
# The console's host; an endpoint is at <name>.<domain>.
ALIGHT_DOMAIN = envstr("ALIGHT_DOMAIN", "localhost")
# "https" when a certificate stands before the ingress.
ALIGHT_SCHEME = envstr("ALIGHT_SCHEME", "http")
# Addresses the ingress listens on.
ALIGHT_BIND = envlist("ALIGHT_BIND", ["127.0.0.1", "::1"])
# Proxies before the ingress, whose word on where a request comes from is taken.
ALIGHT_PROXIES = envnetworks("ALIGHT_PROXIES") or (
    ["127.0.0.1", "::1"] if ALIGHT_SCHEME == "https" else []
)

_LOOPBACK = ["127.0.0.1", "[::1]"] if ALIGHT_DOMAIN == "localhost" else []
ALLOWED_HOSTS = [ALIGHT_DOMAIN, *_LOOPBACK]
CSRF_TRUSTED_ORIGINS = [f"https://{ALIGHT_DOMAIN}"] if ALIGHT_SCHEME == "https" else []

# --- Engine and ingress ------------------------------------------------------
ALIGHT_ENGINE = envstr("ALIGHT_ENGINE", "replicas.engine.docker.DockerEngine")
ALIGHT_ENGINE_STREAMS = envstr(
    "ALIGHT_ENGINE_STREAMS", "replicas.engine.streams.DockerStreams"
)
# For tests with `replicas.engine.faulty`: the folder that says what goes wrong.
ALIGHT_FAULTS = envstr("ALIGHT_FAULTS", "")
# Where the Docker engine listens.
ALIGHT_DOCKER_HOST = envstr("ALIGHT_DOCKER_HOST", "unix:///var/run/docker.sock")
# GPUs of this machine when they cannot be found out: "UUID=MODEL:GB,…".
ALIGHT_GPUS = envlist("ALIGHT_GPUS", [])
ALIGHT_INGRESS = envstr("ALIGHT_INGRESS", "endpoints.ingress.haproxy.HAProxyIngress")
# HAProxy's runtime socket, in a folder that no container mounts.
ALIGHT_INGRESS_SOCKET = envstr(
    "ALIGHT_INGRESS_SOCKET", str(ALIGHT_RUN / "ingress" / "haproxy.sock")
)
# HAProxy's configuration and maps.
ALIGHT_INGRESS_DIR = Path(envstr("ALIGHT_INGRESS_DIR", str(ALIGHT_RUN / "ingress")))
# Endpoints the ingress has room for, and replicas each can have.
ALIGHT_INGRESS_SLOTS = envint("ALIGHT_INGRESS_SLOTS", 256)
ALIGHT_INGRESS_SERVERS = envint("ALIGHT_INGRESS_SERVERS", 8)
# Where the web process listens for the ingress.
ALIGHT_WEB_SOCKET = envstr("ALIGHT_WEB_SOCKET", str(ALIGHT_RUN / "web.sock"))
# Where the worker answers what web asks about images and volumes.
ALIGHT_WORKER_SOCKET = envstr("ALIGHT_WORKER_SOCKET", str(ALIGHT_RUN / "worker.sock"))

# --- Replicas ----------------------------------------------------------------
# Seconds between sweeps over everything, which mend what a lost message missed.
ALIGHT_SWEEP_SECONDS = envint("ALIGHT_SWEEP_SECONDS", 10)
# Seconds a container has to end after it was asked to.
ALIGHT_STOP_GRACE = envint("ALIGHT_STOP_GRACE", 30)
# Seconds open requests have to finish before a replica is stopped.
ALIGHT_DRAIN_SECONDS = envint("ALIGHT_DRAIN_SECONDS", 30)
# The same where only fewer replicas are needed, and nobody waits for its end.
ALIGHT_SHRINK_SECONDS = envint("ALIGHT_SHRINK_SECONDS", 3600)
# Seconds an image may take to come, pulled or built, before that is told as a failure.
ALIGHT_FETCH_SECONDS = envint("ALIGHT_FETCH_SECONDS", 6 * 3600)
# Requests of one endpoint that may wait in line beyond those its replicas take.
ALIGHT_QUEUE_LIMIT = envint("ALIGHT_QUEUE_LIMIT", 500)
# Whether containers reach the internet. Private networks they never reach.
ALIGHT_REPLICA_INTERNET = envbool("ALIGHT_REPLICA_INTERNET", default=True)
# Private addresses they reach all the same ("10.0.0.5:443", "192.168.3.0/24"), and
# public networks that they do not.
ALIGHT_REPLICA_ALLOW = envnetworks("ALIGHT_REPLICA_ALLOW", ports=True)
ALIGHT_REPLICA_DENY = envnetworks("ALIGHT_REPLICA_DENY")
# Whether Alight keeps these rules in the machine's packet filter. docs/isolation.md
ALIGHT_ISOLATION = envbool("ALIGHT_ISOLATION", default=True)
# Bodies of requests that are answered later, and their answers.
ALIGHT_ASYNC_DIR = Path(envstr("ALIGHT_ASYNC_DIR", str(ALIGHT_HOME / "async")))
# Tokens that open /metrics to Prometheus, beside superusers' own.
ALIGHT_METRICS_TOKEN = envsecrets("ALIGHT_METRICS_TOKEN", ALIGHT_HOME / "metrics_token")
# Threads of the worker; each waits on the engine most of its time.
ALIGHT_WORKER_THREADS = envint("ALIGHT_WORKER_THREADS", 8)
# Every attempt's whole log, one file each.
ALIGHT_LOG_DIR = Path(envstr("ALIGHT_LOG_DIR", str(ALIGHT_HOME / "replica-logs")))
# What is kept of them: the newest MB of each, MB of all together, days after the last
# line. Of those that ended, the oldest go first.
ALIGHT_LOG_ATTEMPT_MB = envint("ALIGHT_LOG_ATTEMPT_MB", 1024)
ALIGHT_LOG_TOTAL_MB = envint("ALIGHT_LOG_TOTAL_MB", 10 * 1024)
ALIGHT_LOG_DAYS = envint("ALIGHT_LOG_DAYS", 30)
# Days after which events, stopped replicas, unused revisions, ended tokens and links
# go.
ALIGHT_HISTORY_DAYS = envint("ALIGHT_HISTORY_DAYS", 90)
# MB of one container's output that are kept in any minute.
ALIGHT_LOG_MINUTE_MB = envint("ALIGHT_LOG_MINUTE_MB", 512)
# Lines of an attempt kept at hand for the page; the file has all.
ALIGHT_LOG_TAIL = envint("ALIGHT_LOG_TAIL", 5000)

# --- Database, Valkey --------------------------------------------------------
# A PostgreSQL: postgres://user:password@host:port/name. Without one it is SQLite.
ALIGHT_DATABASE_URL = envfiled("ALIGHT_DATABASE_URL")
# Its password, in place of one in that address.
ALIGHT_DATABASE_PASSWORD = envfiled("ALIGHT_DATABASE_PASSWORD")
# Connections that each process keeps to it, at most.
ALIGHT_DATABASE_CONNECTIONS = envint("ALIGHT_DATABASE_CONNECTIONS", 20)
ALIGHT_SQLITE = envstr("ALIGHT_SQLITE", str(ALIGHT_HOME / "alight.sqlite3"))
DATABASES: dict[str, dict[str, Any]] = {
    "default": postgres(
        ALIGHT_DATABASE_URL, ALIGHT_DATABASE_PASSWORD, ALIGHT_DATABASE_CONNECTIONS
    )
    if ALIGHT_DATABASE_URL
    else sqlite(ALIGHT_SQLITE)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Broker, channel layer and log streams: unix:///path or redis://host.
ALIGHT_VALKEY_URL = envstr("ALIGHT_VALKEY_URL", f"unix://{ALIGHT_RUN / 'valkey.sock'}")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [ALIGHT_VALKEY_URL], "prefix": "alight"},
    }
}
CELERY_BROKER_URL = ALIGHT_VALKEY_URL.replace("unix://", "redis+socket://")
# Whoever clicks while the broker is away or stuck is not kept waiting: the sweep comes
# by later. Without these, a click waits for 6 s, or for ever.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "max_retries": 0,
    "interval_start": 0,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "console.ticking:SteadyScheduler"
# It looks at the clock as often, in case somebody set it meanwhile.
CELERY_BEAT_MAX_LOOP_INTERVAL = ALIGHT_SWEEP_SECONDS
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "replicas.tasks.sweep",
        "schedule": float(ALIGHT_SWEEP_SECONDS),
        # A sweep that waited in line for longer than a turn is not worth running.
        "options": {"expires": ALIGHT_SWEEP_SECONDS},
    },
    "prune": {
        "task": "replicas.tasks.prune",
        "schedule": 600.0,
        "options": {"expires": 300},
    },
}

# --- The house ---------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "django_htmx",
    "django_cotton.apps.SimpleAppConfig",
    "template_partials.apps.SimpleAppConfig",
    "console",
    "templates_app",
    "endpoints",
    "replicas",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "console.middleware.OwnHeaders",
    "console.middleware.LetGo",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "console.middleware.CompressPages",
    "console.middleware.GoneMeanwhile",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "console.urls"
ASGI_APPLICATION = "console.asgi.application"
AUTH_USER_MODEL = "console.User"
LOGIN_URL = "console:login"
LOGIN_REDIRECT_URL = "replicas:list"
LOGOUT_REDIRECT_URL = "console:login"
_LOADERS = [
    "django_cotton.cotton_loader.Loader",
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "console" / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [("django.template.loaders.cached.Loader", _LOADERS)],
                )
            ],
            "builtins": [
                "django_cotton.templatetags.cotton",
                "template_partials.templatetags.partials",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.context.shell",
            ],
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# --- Static files ------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(envstr("ALIGHT_STATIC_ROOT", str(ALIGHT_HOME / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Security ----------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# What a session opened at endpoints ends with it.
SESSION_ENGINE = "endpoints.sessions"
# Two weeks after signing in one signs in again.
SESSION_COOKIE_AGE = 14 * 86_400
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Endpoints live on subdomains: without the __Host- prefix one of them could plant a
# cookie of this name for the console. Browsers keep that prefix to https.
_HTTPS = ALIGHT_SCHEME == "https"
SESSION_COOKIE_NAME = "__Host-alight" if _HTTPS else "alight_session"
CSRF_COOKIE_NAME = "__Host-alight-csrf" if _HTTPS else "alight_csrf"
# Lets a browser in at one endpoint's host, and is a cookie of that host alone.
ALIGHT_PASS_COOKIE = "__Host-alight_pass" if _HTTPS else "alight_pass"
# Says that somebody signed in in this browser before (console.guard).
ALIGHT_KNOWN_COOKIE = "__Host-alight-known" if _HTTPS else "alight_known"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31536000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
# Asked on this machine, past whatever speaks https; they hold nothing of anybody.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
CSRF_FAILURE_VIEW = "console.errors.stale_form"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Notifications ("Tell me when it's ready") and the clipboard are ours to use.
ALIGHT_PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- REST --------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "endpoints.keys.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["console.api.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "console.api.explain",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Alight",
    "DESCRIPTION": "Endpoints, their events and logs. Sign in with a bearer token.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # In several answers; without it a number would name it.
    "ENUM_NAME_OVERRIDES": {"LogLevelEnum": ["info", "warn", "error"]},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "console.schema.tell_refusals",
    ],
}

# --- Logging -----------------------------------------------------------------
# "lines" for people, "json" for programs.
_LOG_FORMAT = envchoice("ALIGHT_LOG_FORMAT", ["lines", "json"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {"()": "console.logs.Lines"},
        "json": {"()": "console.logs.JsonLines"},
    },
    "filters": {"away": {"()": "console.logs.Away"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": _LOG_FORMAT,
            "filters": ["away"],
        }
    },
    "root": {
        "handlers": ["stderr"],
        "level": envstr("ALIGHT_LOG_LEVEL", "INFO"),
    },
    # A line for each task or question would bury what matters: they are many.
    "loggers": {
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "psycopg.pool": {"level": "WARNING"},
        # Its own lines in this form too.
        "uvicorn": {"handlers": ["stderr"], "propagate": False},
        "uvicorn.error": {"handlers": [], "propagate": True},
        # Naming its parent would undo --no-access-log. Paths hold share links.
        "uvicorn.access": {"handlers": [], "propagate": False},
    },
}
