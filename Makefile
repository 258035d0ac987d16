# make up · make down · make test: everything else is for those who change Alight.
# Settings are environment variables or words after make: make up ALIGHT_PORT=8090
.PHONY: help up down restart status doctor backup restore service service-off test test-postgres chaos check lock bench token images audit
.DEFAULT_GOAL := help

PYTHON ?= $(shell sh launcher/find-python)
RUN = $(if $(PYTHON),$(PYTHON),false) -m launcher
BIN = .venv/bin

help:
	@echo "make up [DETACH=1]    install what is missing and start"
	@echo "make down             stop what make up started; replicas keep running"
	@echo "make down REPLICAS=1  … and stop the replicas"
	@echo "make restart          take over new code; endpoints' connections stay open"
	@echo "make status           what runs and what it uses"
	@echo "make doctor           what is wrong, and how to mend it"
	@echo "make backup [TO=FILE] everything in one file; VOLUMES=1 their files, too"
	@echo "make restore FROM=FILE  and back; REPLACE=1 in place of what is there"
	@echo "make service          start it with the machine (systemd); service-off undoes it"
	@echo "make token NAME=ci    a bearer token for the API"
	@echo "make images           the base image, on a machine without a registry too;"
	@echo "                      COMPOSE=1 those of docker-compose.yml"
	@echo "make test [ARGS=…]    set up and run every check and test"
	@echo "make test-postgres [ARGS=…]  the tests that touch a database, on a PostgreSQL"
	@echo "make check            linters and types only"
	@echo "make chaos [SEED=…]   everything breaks, for MINUTES=30;"
	@echo "                      POSTGRES=1 on a PostgreSQL of its own"
	@echo "make bench [ARGS=…]   the benchmarks, or those of that name"
	@echo "make audit            known holes in the pinned packages; asks the internet"
	@echo "make lock             pin the newest packages that fit"

up:
	@$(RUN) up

down:
	@$(RUN) down

restart:
	@$(RUN) restart

status:
	@$(RUN) status || true

doctor:
	@$(RUN) doctor $(ARGS)

backup:
	@$(RUN) backup

restore:
	@$(RUN) restore

service:
	@$(RUN) service

service-off:
	@$(RUN) service-off

images:
	@$(RUN) images

test:
	@$(RUN) test $(ARGS)

test-postgres:
	@$(RUN) test-postgres $(ARGS)

bench:
	@$(RUN) bench $(ARGS)

chaos:
	@test -x $(BIN)/python || { echo "Run make test first." >&2; exit 1; }
	@$(BIN)/python -m tests.chaos --seed "$(SEED)" --minutes $(or $(MINUTES),30) \
		$(if $(POSTGRES),--postgres) $(ARGS)

token:
	@test -x $(BIN)/python || { echo "Run make up first." >&2; exit 1; }
	@test -n "$(NAME)" || { echo "Name the token: make -s token NAME=ci" >&2; exit 1; }
	@$(BIN)/python manage.py make_token "$(NAME)"

check:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy .
	$(BIN)/python manage.py makemigrations --check --dry-run

# Known holes in what we pin. It asks an advisory service: where that cannot be reached
# nothing was looked at, and it says so and fails.
audit:
	$(BIN)/python -m pip check
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools" && "$$tools/bin/pip" install --quiet pip-audit && \
	"$$tools/bin/pip-audit" --strict --no-deps --disable-pip --progress-spinner off \
		-r requirements.txt || { echo "Either a package above has a known hole, or no" \
		"advisory service was reached, and then nothing was looked at: run it where" \
		"there is internet." >&2; exit 1; }

LOCK = $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links
lock:
	@$(BIN)/python -m pip install --quiet uv
	@echo "# Exported from pyproject.toml: make lock" > requirements.txt
	@$(LOCK) pyproject.toml >> requirements.txt
	@echo "# Exported from pyproject.toml: make lock" > requirements-dev.txt
	@$(LOCK) --extra dev --constraint requirements.txt pyproject.toml >> requirements-dev.txt
