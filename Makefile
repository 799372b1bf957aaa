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

.PHONY: help demo reset sql prove-upgrade test fast check install install-dev python system lock try-locks check-ogc \
	bench-ledger bench-catalogue crash-ledger mutate-ledger

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

demo: install ## the whole site on this machine, until Ctrl-C
	@exec $(BIN)/python -m earthcode.demo

reset: install ## delete the demo's data
	@$(BIN)/python -m earthcode.demo reset

# What starts servers and browsers runs a file at a time on each of two cores, so that a file starts its servers once.
UNIT := not platform and not browser and not slow

test: install-dev system fast ## every test, with real servers and a real browser
	$(BIN)/pytest -m "not ($(UNIT))" --numprocesses 2 --dist loadfile $(ARGS)

fast: install-dev ## the unit tests alone, in about five minutes; some of them: make fast ARGS="tests/ledger -x"
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

prove-upgrade: install-dev ## upgrade filled databases of earlier versions, compare each with a new one, and use it
	$(BIN)/python -m tests.upgrade.prove

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

# django-hordak, which it is compared with, has an environment of its own.
bench-ledger: install-dev ## how fast the credit ledger is, next to what is possible on this machine: ten minutes
	@$(PYTHON) -I earthcode/lib/environments.py .local/hordak tests/bench/ledger/hordak.lock
	$(BIN)/python -W ignore -m tests.bench.ledger $(ARGS)

# --- what is installed ---
# All of it by earthcode/lib/environments.py, which says why.

lock: install-dev ## write the lock files after pyproject.toml; newer versions, too: make lock UPGRADE=--upgrade
	$(UV) pyproject.toml -o requirements.lock
	$(UV) pyproject.toml --extra demo -c requirements.lock -o requirements-demo.lock
	$(UV) pyproject.toml --extra demo --extra dev -c requirements-demo.lock -o requirements-dev.lock
	echo pip | $(UV) - -o requirements-pip.lock
	$(UV) tests/identity/canaille/requirements.in -o tests/identity/canaille/requirements.lock
	$(UV) tests/connectors/scim_server/requirements.in -o tests/connectors/scim_server/requirements.lock
	$(UV) tests/bench/ledger/hordak.in -c requirements.lock -o tests/bench/ledger/hordak.lock
	$(PYTHON) -I tests/locks.py complete *.lock tests/*/*/*.lock

# One resolution for every system and Python, checked by hash, with nothing in it about where packages were found. Extras are
# named with their package, for those who install with a resolver: it would else look for them in the newest release.
UV := $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--custom-compile-command "make lock" --no-annotate --no-emit-index-url --no-emit-find-links

try-locks: ## install every lock with the oldest Python and pip, and beside newer releases of everything: five minutes
	$(PYTHON) -I tests/locks.py $(ARGS)

# --- what the commands above need ---

install: python
	@$(PYTHON) -I earthcode/lib/environments.py $(VENV) requirements-demo.lock

install-dev: python
	@$(PYTHON) -I earthcode/lib/environments.py $(VENV) requirements-dev.lock

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and was not found; say where: make PYTHON=..." >&2; exit 1; }

# What comes from the distribution: a browser and a second broker for the tests, and what PDFs are drawn with.
system:
	@need=""; \
	for name in chromium chromium-browser google-chrome google-chrome-stable none; do \
		command -v $$name > /dev/null && break; done; \
	test $$name != none || need="chromium"; \
	$(BIN)/python -W ignore -c "import weasyprint" > /dev/null 2>&1 \
		|| need="$$need libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"; \
	test -x /usr/lib/rabbitmq/bin/rabbitmq-server || need="$$need rabbitmq-server"; \
	test -n "$$need" || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "Installing $$need, which the tests need"; \
		{ apt-get update && apt-get install --yes --no-install-recommends $$need; } > $(VENV)/system.log 2>&1 \
			|| { tail -n 20 $(VENV)/system.log >&2; exit 1; }; \
	else echo "The tests need more of the system; on Debian and Ubuntu: sudo apt install $$need" >&2; exit 1; fi
