# What one does with this project; README.md tells the story. Needs Python 3.11 or later, git and make.

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; another one: make PYTHON=/path/to/python3
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
# Settings as for a real site, for Django's deployment checks.
PRODUCTION = env SITE_URL=https://nor.example OIDC_ISSUER=https://sso.example/realms/earthcode \
	DATABASE_URL=postgres://nor@database.example/nor CELERY_BROKER_URL=redis://broker.example/0 \
	EMAIL_URL=smtp+tls://nor:secret@mail.example:587 BEHIND_PROXY=true OIDC_CLIENT_SECRET=of-our-own-and-long-enough \
	SECRET_KEY=not-a-secret-but-long-and-varied-enough-to-stand-for-one-0123456789

# make hands what is given on its command line to every command as well: make demo WEB_PORT=8100

.PHONY: sql prove-upgrade crash-ledger mutate-ledger bench-ledger help demo reset test fast check install install-dev chromium lock bench-catalogue check-ogc

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

demo: install ## the whole site on this machine, until Ctrl-C
	@exec $(BIN)/python -m earthcode.demo

reset: install ## delete the demo's data
	@$(BIN)/python -m earthcode.demo reset

# What starts servers and browsers runs by itself, one after the other; the rest on two cores.
UNIT := not platform and not browser and not slow

test: chromium fast ## every test, with real servers and a real browser
	$(BIN)/pytest -m "not ($(UNIT))" $(ARGS)

fast: install-dev ## the unit tests alone, in three to four minutes; some of them: make fast ARGS="tests/ledger -x"
	REQUIRED_SUITES= $(BIN)/pytest -m "$(UNIT)" --numprocesses 2 $(ARGS)

crash-ledger: install-dev ## a hundred rounds of kill -9 while credits move; other numbers: make crash-ledger ROUNDS=300
	$(BIN)/python -m tests.ledger.crashes rounds $(or $(ROUNDS),100)

mutate-ledger: install-dev ## take each guard of the ledger away in turn: some test must notice
	$(BIN)/python -m tests.ledger.mutations

# The published files of OGC API - Records, or a copy of them: make check-ogc OGC_SCHEMAS=file:///folder/
OGC_SCHEMAS ?= https://schemas.opengis.net/ogcapi/records/part1/1.0/openapi/schemas/

check-ogc: install-dev ## our records against the schemas that OGC publishes, which are fetched
	OGC_SCHEMAS=$(OGC_SCHEMAS) REQUIRED_SUITES= $(BIN)/pytest tests/api/test_ogc_records.py $(ARGS)

sql: install-dev ## after a change in a folder sql/: write the migrations that apply it, and list what a new database has
	$(BIN)/python -m tests.support.with_database manage.py makesql $(ARGS)

bench-catalogue: install-dev ## what the catalogue's pages cost with 1,000 and with 10,000 offerings, in about five minutes
	REQUIRED_SUITES= $(BIN)/pytest tests/bench/catalogue/bench_catalogue.py $(ARGS)

check: install-dev ## linters, types, layers, templates, migrations, settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	find templates earthcode -name '*.html' | xargs $(BIN)/djade --check
	find templates earthcode -name '*.html' | xargs $(BIN)/djlint --lint --quiet
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run  # the warning: no database here
	$(BIN)/python -W ignore::RuntimeWarning manage.py makesql --check
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

# django-hordak, which it is compared with, is installed into a folder of its own.
bench-ledger: install-dev ## how fast the credit ledger is, next to what is possible on this machine: ten minutes
	@test -d .local/hordak || $(BIN)/python -m pip install --quiet --disable-pip-version-check --target .local/hordak \
		django-hordak "psycopg[binary]" > $(VENV)/hordak.log 2>&1 || echo "django-hordak could not be installed"
	$(BIN)/python -W ignore -m tests.bench.ledger $(ARGS)

lock: $(BIN)/python ## choose the newest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv $(LOCK) --extra demo -o requirements.lock
	$(BIN)/uv $(LOCK) --extra demo --extra dev -c requirements.lock -o requirements-dev.lock

# One resolution for every system and Python, checked by hash, with nothing in it about where packages were found.
LOCK := pip compile --quiet pyproject.toml --upgrade --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" --no-annotate --no-emit-index-url --no-emit-find-links

# --- what the commands above need ---

install: $(BIN)/python
	@$(call install-lock,requirements.lock)

install-dev: $(BIN)/python
	@$(call install-lock,requirements-dev.lock)
	@cp requirements.lock $(VENV)/requirements.lock.installed  # which is a part of it

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and was not found; say where: make PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python cannot make virtual environments here; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# Install a lock file unless it is exactly the one that was installed last.
define install-lock
cmp -s $(1) $(VENV)/$(1).installed || { \
	echo "Installing $$(grep -c == $(1)) packages from $(1), about a minute"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-compile --require-hashes -r $(1) \
		> $(VENV)/install.log 2>&1 || { tail -n 20 $(VENV)/install.log >&2; exit 1; }; \
	cp $(1) $(VENV)/$(1).installed; }
endef

chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name > /dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "Installing Chromium, which the browser tests drive"; \
		{ apt-get update && apt-get install --yes --no-install-recommends chromium; } > $(VENV)/chromium.log 2>&1 \
			|| { tail -n 20 $(VENV)/chromium.log >&2; exit 1; }; \
	else echo "The browser tests need Chromium; on Debian and Ubuntu: sudo apt install chromium" >&2; exit 1; fi
