# nps-loop. `make` alone lists what there is to do.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
DEVELOPS := $(VENV)/.develops
PYTEST := $(BIN)/python -m pytest -q

# tests start hundreds of processes: each would compile all of the code anew
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo up down install check format lint types unit test chaos bench bench-intake bench-scoring bench-routing bench-simulate contracts locks clean

help: ## list what there is to do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNS): requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPS): requirements-dev.lock $(RUNS)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

install: $(RUNS) ## install what runs into .venv

run: $(RUNS) ## run everything on this machine; Ctrl-C stops it
	@$(BIN)/nps up

demo: $(RUNS) ## run the month of May through a loop of its own; KILL=1 or FREEZE=1 disturb it
	@$(BIN)/nps demo $(if $(KILL),--kill) $(if $(FREEZE),--freeze)

up: $(RUNS) .env ## build and start the containers, wait until all are healthy
	docker compose up --build --detach --wait

# made once and never again: whoever loses the master key loses what was sealed with it
.env: | $(RUNS)
	@umask 077 && $(BIN)/python -m infra.local.compose_env > $@.new && mv $@.new $@

down: ## stop the containers; their data stays
	docker compose down

check: lint types unit ## what CI runs first: format, lint, types, import rules, contracts, unit tests

format: $(DEVELOPS) ## put the code in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(DEVELOPS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m services.console.contracts --check

types: $(DEVELOPS)
	$(BIN)/mypy

unit: $(DEVELOPS)
	$(PYTEST) tests/unit tests/contracts tests/architecture

test: $(DEVELOPS) ## unit, contract, architecture, integration and journey tests, on a real Kafka
	$(PYTEST) --numprocesses 4 --dist worksteal tests/integration tests/unit tests/contracts tests/architecture
	$(PYTEST) tests/journeys

chaos: $(DEVELOPS) ## what takes longer: kills, freezes, containers
	$(PYTEST) tests/chaos

bench: bench-intake bench-scoring bench-routing bench-simulate ## all of them

bench-intake: $(DEVELOPS) ## how fast answers come in, against a bare route on the same Kafka
	$(BIN)/python -m tests.bench.intake

bench-scoring: $(DEVELOPS) ## how fast and large the tally is, as ratios; QUICK=1 takes minutes
	@QUICK=$(QUICK) $(BIN)/python -m tests.bench.scoring

bench-routing: $(DEVELOPS) ## how fast answers are decided about, on both databases
	$(BIN)/python -m tests.bench.routing

bench-simulate: $(DEVELOPS) ## how long a playbook takes to try on a million answers; QUICK=1 on a tenth
	@QUICK=$(QUICK) $(BIN)/python -m tests.bench.simulating

contracts: $(DEVELOPS) ## regenerate schemas, AsyncAPI and the settings reference
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m services.console.contracts

locks: $(DEVELOPS) ## resolve the two lock files anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
		--extra all --group build -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
		--extra all --group build --group dev --constraint requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## remove the virtual environment and caches; state in .nps stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
