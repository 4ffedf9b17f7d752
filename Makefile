# `make install` once, then `make dev`, `make test`, `make check`. PYTHON=python3.12 chooses an interpreter, 3.11 or later.

PYTHON ?= python3
WORKERS ?= auto

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
COMPILED := build/compiled
BENCH_INSTALLED := $(VENV)/.bench-installed
ELSEWHERE_INSTALLED := $(VENV)/.elsewhere-installed

UV_VERSION := 0.13.9
LOCKS := $(patsubst %.in,%.txt,$(wildcard requirements/*.in))

.PHONY: help install dev demo test compiled laws kills elsewhere check lint types house bench openapi lock clean

help:
	@echo "make install | dev | demo | test | compiled | laws | kills | elsewhere | check | bench | openapi | lock | clean"

install: $(INSTALLED)

# The pinned files are complete, so nothing is resolved: an installer that resolves again asks for the newest release behind an
# extra and then refuses it for want of a hash. `pip check` says whether they are complete.
# Build dependencies are pinned and hashed like the others, so the package itself is built without a download of its own.
$(INSTALLED): requirements/dev.txt requirements/runtime.in pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-deps --require-hashes --requirement requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(PIP) check
	touch $@

dev: install
	$(BIN)/invite-service dev --data-dir .dev

demo: install
	$(BIN)/python examples/demo.py --data-dir .demo

test: install
	$(BIN)/python -m pytest -p tests.support.measuring -n $(WORKERS) --maxprocesses 8 --dist worksteal

# `make test` takes a twentieth of the examples.
laws: install
	INVITE_TEST_EXAMPLES=20 $(BIN)/pytest -q -n $(WORKERS) --timeout 3600 tests/rules/laws tests/api/test_real_orders.py

# What the image holds, with its rules compiled from the same source: the whole suite says whether that is the same.
compiled: $(COMPILED)/.installed
	PYTHONPATH=$(COMPILED) $(BIN)/pytest -q -n $(WORKERS) --maxprocesses 8 --dist worksteal

$(COMPILED)/.installed: $(INSTALLED) setup.py $(wildcard src/invite_service/*/*.py)
	rm -rf build
	COMPILE_RULES=1 $(PIP) install --quiet --no-deps --no-build-isolation --target $(COMPILED) .
	PYTHONPATH=$(COMPILED) $(BIN)/python -c 'from invite_service.rules import decide; assert decide.__file__.endswith(".so"), decide.__file__'
	touch $@

# `make test` kills once at each moment.
kills: install
	INVITE_TEST_KILLS=100 $(BIN)/pytest -q -n $(WORKERS) --timeout 3600 tests/services/test_kills.py

# Adapters beside servers and libraries that others wrote. Those leave connections open, of which they are warned and no more.
elsewhere: $(ELSEWHERE_INSTALLED)
	$(BIN)/pytest -q -W default tests/elsewhere

$(ELSEWHERE_INSTALLED): $(INSTALLED) requirements/elsewhere.txt
	$(PIP) install --quiet --no-deps --require-hashes --requirement requirements/elsewhere.txt
	$(PIP) check
	touch $@

check: install
	$(MAKE) --jobs=2 types lint house

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

house: install
	$(BIN)/pytest -q tests/house/test_migrations.py tests/house/test_tree.py
	$(BIN)/invite-service openapi | diff -u openapi/openapi.json -

# Of what runs in the image, whose rules are compiled.
bench: $(BENCH_INSTALLED) $(COMPILED)/.installed
	PYTHONPATH=$(COMPILED) $(BIN)/python benchmarks/run.py

$(BENCH_INSTALLED): $(INSTALLED) requirements/bench.txt
	$(PIP) install --quiet --no-deps --require-hashes --requirement requirements/bench.txt
	$(PIP) check
	touch $@

openapi: install
	$(BIN)/invite-service openapi > openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json

# Hashes bind the files; which index they come from is the installer's business. What the service runs with is chosen first, and
# binds what goes into the same environment beside it.
lock: $(BIN)/uv
	for name in runtime $(filter-out runtime,$(notdir $(LOCKS:.txt=))); do \
	    $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	        --no-emit-index-url --no-emit-find-links $$bound requirements/$$name.in --output-file requirements/$$name.txt || exit 1; \
	    bound="--constraint requirements/runtime.txt"; \
	done

# Not through `install`, which refuses as long as the pinned files lag behind what the project names.
$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet uv==$(UV_VERSION)

clean:
	rm -rf $(VENV) .dev .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf build dist artefacts src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
