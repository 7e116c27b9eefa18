# beknown. `make run` serves the demo, `make test` runs every test; both bring all they need and ask nothing.
# Of programs of the system only Chromium and Firefox have to be there for the tests; where PostgreSQL, nginx or Caddy is
# missing, what needs it is skipped, and said at the end. .ci/run installs them all.
#
# Everything stays in this folder: .venv, static/node_modules, build/ and data/. A step runs again only when what it
# depends on has changed; what a step says is kept quiet unless it fails.

PYTHON ?= python3
PORT ?= 8000
# Node of our own is in .venv/bin, and only there when the system's is missing or too old.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

BUNDLED := $(shell find client tests/client tests/runtimes -name '*.py') $(wildcard static/*.js static/*.mjs tests/conformance/*.json) \
	$(addprefix server/beknown_server/,bundle.py dialect.py runtime.py wheel.py) static/node_modules/.installed
quietly = mkdir -p build; printf '%s\n' '$(1)'; \
	if ! ($(2)) >build/make.log 2>&1; then cat build/make.log; echo 'make: this step failed: $(1)'; exit 1; fi

.NOTPARALLEL:
.PHONY: run test bench soak lint screenshots clean

run: .venv/.installed build/bundle/manifest.json
	@exec beknown demo --port $(PORT)

# In the order of their names, so that the browser's files, which take longest, are not the last ones.
test: .venv/.installed-dev static/node_modules/.installed-dev build/bundle/manifest.json
	@exec python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: .venv/.installed-dev
	@ruff check
	@ruff format --check
	@mypy

bench: .venv/.installed-dev static/node_modules/.installed-dev build/bundle/manifest.json
	@for each in page hosts population backend identity ingest; do python bench/$$each.py || exit 1; done

soak: .venv/.installed-soak static/node_modules/.installed-dev build/bundle/manifest.json
	@for each in bench/soak_*.py; do python $$each || exit 1; done

screenshots: .venv/.installed-dev static/node_modules/.installed-dev build/bundle/manifest.json
	@exec python bench/screenshots.py

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -not -path './static/node_modules/*' -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'make: Python 3.11 or newer is needed; name it with PYTHON=...'; exit 1; }
	@$(call quietly,Making .venv,$(PYTHON) -m venv .venv)

# Asked of pip: no prompt, no notice of newer versions, no progress bar in a log.
PIP := python -m pip install --quiet --no-input --disable-pip-version-check --progress-bar off

.venv/.installed: pyproject.toml | .venv/bin/python
	@$(call quietly,Installing the server,$(PIP) --editable '.[server$(,)build]')
	@touch $@

.venv/.installed-dev: .venv/.installed .venv/micropip
	@$(call quietly,Installing what the tests need,$(PIP) --editable '.[server$(,)build$(,)dev]')
	@touch $@

# What Pyodide's lock file names, and its npm package lacks: it installs our wheel in the tests' pages. It runs in
# Pyodide only, so it is brought as a wheel and not installed here.
.venv/micropip: | .venv/bin/python
	@$(call quietly,Bringing micropip,python -m pip download --quiet --no-input --disable-pip-version-check \
		--progress-bar off --no-deps --only-binary :all: --python-version 3.14 --dest $@ micropip==0.11.1)

.venv/.installed-soak: .venv/.installed-dev
	@$(call quietly,Installing what the soak tests need,$(PIP) --editable '.[server$(,)build$(,)dev$(,)soak]')
	@touch $@

.venv/.node: pyproject.toml | .venv/bin/python
	@node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1 || \
		{ $(call quietly,Installing Node,$(PIP) --editable '.[node]') ; }
	@touch $@

static/node_modules/.installed: static/package-lock.json .venv/.node
	@test -f static/node_modules/.installed-dev || \
		{ $(call quietly,Bringing the runtimes,cd static && npm ci --omit=dev) ; }
	@touch $@

static/node_modules/.installed-dev: static/package-lock.json .venv/.node
	@$(call quietly,Bringing the runtimes and what they are measured against,cd static && npm ci)
	@touch $@ static/node_modules/.installed

build/bundle/manifest.json: $(BUNDLED) | .venv/.installed
	@python -m beknown_server.bundle build/bundle
	@touch $@

, := ,
