# `make` alone lists the targets. PYTHON=/path/to/python3.12 chooses the interpreter of the virtual environment.
.DEFAULT_GOAL := help
.PHONY: help demo install test test-quick lint types format dist soak clean compile bench-up bench-start bench-ingest bench-reading bench-local bench-load bench-overhead bench-integrations
SHELL := /bin/sh
# The tests start devenv a thousand times: it has to be compiled once.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
BIN := $(VENV)/bin
# Tests that may run beside each other run on this many processes.
JOBS ?= 2
DEVENV := $(BIN)/devenv

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.cli ## start the sample stack, run a load test, show the results; leaves the stack running
	$(DEVENV) up
	$(DEVENV) load --rps 50 --duration 10s
	@echo
	@echo "The stack keeps running. Next: $(DEVENV) status | $(DEVENV) open jaeger | $(DEVENV) down"
	@.ci/install.sh check

install: $(VENV)/.cli ## install `devenv` on the PATH permanently (pipx, uv tool, or a link in ~/.local/bin)
	@.ci/install.sh install $(VENV)

# A test is skipped if it needs an engine, Jaeger or a browser that is missing, unless DEVENV_TEST_REQUIRE names it.
test: lint types ## lint, types, and every test; those that share ports or an engine run one after the other
	@status=0; \
	$(BIN)/pytest -q -n $(JOBS) -m "not serial" || status=$$?; \
	$(BIN)/python .ci/serial.py || status=$$?; \
	exit $$status

# Without the marker `slow`. Of the contract tests those that read the repository and the JSON documents; the others start servers and processes.
test-quick: $(VENV)/.dev ## the quick unit tests and the shape of the tree, in a minute
	$(BIN)/pytest -q -n $(JOBS) -m "not serial and not slow" tests/unit tests/contract/test_documents.py \
		tests/contract/test_repository_shape.py tests/contract/test_repository_layers.py

lint: $(VENV)/.dev ## ruff, formatting, the layers of the packages, dead code, and the wording of texts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/vulture
	$(BIN)/python .ci/wording.py

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 devenv/tracing devenv/__main__.py # the oldest that mypy knows, for the library

format: $(VENV)/.dev ## format the code and sort its imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-up: $(VENV)/.dev ## `devenv up` beside `docker compose up -d --wait` on the sample stack, and of 20 services on both engines
	$(BIN)/python tests/bench/up.py $(ARGS)
	$(BIN)/python tests/bench/up_chains.py $(ARGS)

bench-start: $(VENV)/.dev ## what added tracing costs the start of a Python container, beside the same without it
	$(BIN)/python tests/bench/start.py $(ARGS)

bench-ingest: $(VENV)/.dev ## the embedded backend beside Jaeger: ingest, memory, search, disk
	$(BIN)/python tests/bench/ingest.py $(ARGS)
	$(BIN)/python tests/bench/ingest_disk.py $(ARGS)

bench-reading: $(VENV)/.dev ## how long spans wait to be stored while a large trace is read
	$(BIN)/python tests/bench/reading.py $(ARGS)

bench-local: $(VENV)/.dev ## without containers: `up` on processes, the first span in `view`, the idle daemon
	$(BIN)/python tests/bench/local.py $(ARGS)

bench-load: $(VENV)/.dev ## the load generator beside other load generators
	$(BIN)/python tests/bench/load.py $(ARGS)

compile: $(VENV)/.dev ## compile the optional part of the tracing library in place, for this Python
	$(BIN)/python .ci/compile.py

bench-overhead: $(VENV)/stock ## what tracing adds to a request, beside the stock instrumentation
	$(BIN)/python tests/bench/overhead.py --stock $(VENV)/stock $(ARGS)

bench-integrations: $(VENV)/.dev ## what each integration of a library adds per span
	$(BIN)/python tests/bench/integrations.py $(ARGS)

soak: $(VENV)/.dev ## ten minutes of full sampling while the collector is down, slow or rejecting
	$(BIN)/python tests/bench/soak.py $(ARGS)

dist: $(VENV)/.dev ## build the wheel and the sdist, and prove both in new environments
	rm -rf dist
	$(BIN)/python -m hatchling build --directory dist
	$(BIN)/python .ci/prove_dist.py dist

# OpenTelemetry's own instrumentation, in a separate folder: only the benchmark's services may import it.
$(VENV)/stock: | $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ \
		opentelemetry-sdk opentelemetry-exporter-otlp-proto-http \
		opentelemetry-instrumentation-asgi opentelemetry-instrumentation-aiohttp-client

clean: ## remove the virtual environment, caches and builds; run `devenv down` first
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -f devenv/tracing/_speed.*.so
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@.ci/make-venv.sh $(VENV)

# Stamps: a second run installs nothing, unless pyproject.toml has changed.
$(VENV)/.cli: pyproject.toml | $(BIN)/python
	@echo "installing devenv and its command line into $(VENV) (a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[cli]"
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing devenv and its development tools into $(VENV) (two minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@ $(VENV)/.cli
