# The ways in. `make up` makes a cache on this machine; `make test` proves it.
PYTHON ?= python3
.DEFAULT_GOAL := help
# What is printed is the commands' own, also for a make within a make: `make env` is evaluated.
MAKEFLAGS += --no-print-directory
.PHONY: help up preview repair down status env test unit engine e2e bench lint format lock

venv := .venv/bin/python
dev := $(venv) -m dev

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/.program ## make the cache, or bring it up to date
	@$(dev) up

preview: .venv/.program ## show what `make up` would do
	@$(dev) preview

repair: .venv/.program ## put back what was changed or removed outside
	@$(dev) repair

down: .venv/.program ## remove everything that `make up` made
	@$(dev) down

status: .venv/.program ## what runs, and what it is made of
	@$(dev) status

env: .venv/.program ## the environment for a shell: eval "$$(make env)"
	@$(dev) env

test: unit engine ## all tests

unit: .venv/.tests
	@$(venv) -m pytest tests/unit

engine: .venv/.tests
	@$(venv) -m toolchain
	@$(venv) -m pytest tests/engine -n 2 --dist loadfile

e2e: .venv/.tests ## the real Nix against a real cache; makes one in the user's cache as root
	@$(venv) -m toolchain
	@$(venv) -m tests.e2e

bench: .venv/.tests ## measure push and pull with the real Nix into bench/RESULTS.md
	@$(venv) -m toolchain
	@$(venv) -m bench

lint: .venv/.tests ## style, formatting and types
	@$(venv) -m ruff check .
	@$(venv) -m ruff format --check .
	@$(venv) -m mypy

format: .venv/.tests ## rewrite the sources in the project's style
	@$(venv) -m ruff check --fix .
	@$(venv) -m ruff format .

lock: ## write the lock files anew (needs uv)
	@toolchain/lock.sh

.venv/.program: requirements.txt components/pyproject.toml toolchain/bootstrap.py
	@$(PYTHON) toolchain/bootstrap.py
	@touch $@

.venv/.tests: requirements-dev.txt .venv/.program
	@$(PYTHON) toolchain/bootstrap.py --dev
	@touch $@
