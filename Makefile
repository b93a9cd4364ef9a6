# The ways in. `make up` creates a cache on this machine; `make test` tests the sources.
PYTHON ?= python3
.DEFAULT_GOAL := help
# What is printed is the commands' own, also for a make within a make: `make env` is evaluated.
MAKEFLAGS += --no-print-directory
.PHONY: help install aws-plugin up preview drift repair renew down status env test test-all test-aws unit unit-sdk
.PHONY: fuzz policies engine e2e bench
.PHONY: test-wheel test-upgrade release-check lint schema docs format pulumi lock ci-preview ci-deploy ci-drift verify

tools := .venv/bin/python -m tools
on_stack := $(if $(STACK),--stack '$(STACK)')
tests := .venv-dev/bin/python
# Three at a time, for two processors: engine tests often wait. The long modules come first.
by-module := -n 3 --dist loadfile --no-loadscope-reorder
all-levels := tests/unit tests/fuzz tests/policies tests/package tests/engine
# What `make test` leaves to `make test-all`. The markers are explained in pyproject.toml.
quick := not (aws or languages or faults or slow or (offline and engine))

help: ##use print this list
	@for group in use operate develop; do \
	    echo "$$group"; \
	    sed -nE "s/^([a-z0-9-]+):.*##$$group (.*)/  make \1 \2/p" $(MAKEFILE_LIST) \
	        | awk '{printf "  make %-13s", $$2; $$1 = $$2 = ""; print substr($$0, 2)}'; \
	done

up: .venv/.made ##use make the cache, or bring it up to date
	@$(tools) up

preview: .venv/.made ##use show what `make up` would do
	@$(tools) preview

drift: .venv/.made ##operate find what was changed outside: make drift STACK=prod
	@$(tools) drift $(on_stack)

repair: .venv/.made ##operate show it, ask, and put it back: make repair STACK=prod
	@$(tools) repair $(on_stack) $(if $(YES),--yes)

renew: .venv/.made ##operate replace a leaked credential: make renew USER_NAME=nixbuilder
	@$(tools) renew $(on_stack) $(if $(YES),--yes) '$(USER_NAME)'

down: .venv/.made ##use remove everything that `make up` made
	@$(tools) down

status: .venv/.made ##use what runs, and what it is made of
	@$(tools) status

env: .venv/.made ##use the environment for a shell: eval "$$(make env)"
	@$(tools) env

test: .venv-dev/.made ##develop the tests to run before a commit: in ten minutes, once the engine is there
	@$(tests) -m tools.provide
	@$(tests) -m pytest $(all-levels) -m '$(quick)' $(by-module)

test-all: .venv-dev/.made ##develop all tests but those of `make e2e`; builds the AWS plugin first where there is none
	@$(tests) -m tools.provide aws
	@$(tests) -m pytest $(all-levels) $(by-module)

unit: .venv-dev/.made
	@$(tests) -m pytest tests/unit tests/fuzz -n 2

fuzz: .venv-dev/.made ##develop random inputs for every parser: make fuzz SECONDS=120
	@$(tests) -m tests.fuzz --seconds '$(or $(SECONDS),60)'

unit-sdk: .venv-dev/.made ##develop unit tests on another Pulumi SDK: make unit-sdk SDK=oldest, or SDK=newest
	@$(tests) -m tools.sdk "$$SDK"

policies: .venv-dev/.made
	@$(tests) -m pytest tests/policies

engine: .venv-dev/.made
	@$(tests) -m tools.provide
	@$(tests) -m pytest tests/engine $(by-module)

test-aws: .venv-dev/.made ##develop the tests on AWS; builds the AWS plugin first where there is none
	@$(tests) -m tools.provide aws
	@$(tests) -m pytest tests/engine -m aws -n 2 --dist loadfile

test-wheel: .venv-dev/.made ##develop the package as it is installed: its wheel, its extras, its types
	@$(tests) -m pytest tests/package

test-upgrade: .venv-dev/.made ##develop a stack of the last release goes on under this code
	@$(tests) -m tools.provide
	@$(tests) -m pytest tests/engine/test_upgrade.py

release-check: .venv-dev/.made ##develop all of a release but its upload: make release-check TAG=v1.2.3
	@$(tests) -m tools.release $(if $(TAG),--tag "$$TAG")
	@rm -rf dist
	@$(tests) -m build --no-isolation --outdir dist/packages components
	@$(tests) -m twine check --strict dist/packages/*
	@$(tests) -m tools.release.installed dist/packages dist/nix_cache.cdx.json
	@$(tests) -m pytest tests/package --packages dist/packages

e2e: .venv-dev/.made ##develop the real Nix against a real cache; makes one in the user's cache as root
	@$(tests) -m tools.provide
	@$(tests) -m tests.e2e

bench: bench-growth ##develop measure growth, and push and pull with the real Nix, into bench/
	@$(tests) -m bench

bench-growth: .venv-dev/.made ##develop measure growth with the number of writers into bench/GROWTH.md
	@$(tests) -m tools.provide
	@$(tests) -m bench.growth

verify: .venv/.made ##operate try a backend out on the real service: make verify BACKEND=b2
	@$(tools) verify $(if $(YES),--yes) '$(BACKEND)'

verify-%:
	@$(MAKE) verify BACKEND=$*

lint: .venv-dev/.made ##develop style, formatting, types, scripts, workflows and language
	@$(tests) -m ruff check .
	@$(tests) -m ruff format --check .
	@$(tests) -m mypy
	@.venv-dev/bin/shellcheck --shell=sh components/nix_cache/cli/*/*.sh offline/*.sh tools/*.sh
	@$(tests) -m tools.workflows
	@$(tests) -m tools.prose

schema: .venv-dev/.made ##develop write what derives from the settings: schema, types, Pulumi.yaml, tables, reference
	@$(tests) -m tools.generated

docs: .venv-docs/.made ##develop build the site of the documentation into site/, with strict checks
	@rm -rf site
	@.venv-docs/bin/python -m sphinx -q -n -W --keep-going -E -d .venv-docs/doctrees -c tools/site docs site
	@echo "Built the site: open site/index.html"

format: .venv-dev/.made ##develop rewrite the sources in the project's style
	@$(tests) -m ruff check --fix .
	@$(tests) -m ruff format .

ci-preview ci-deploy ci-drift: .venv/.made # what the workflows run, with STACK and perhaps REPORT
	@.venv/bin/python -m tools.ci $(@:ci-%=%) "$(STACK)" $(if $(REPORT),--report "$(REPORT)")

install: ##use the environment of another backend's program: make install BACKEND=aws
	@$(PYTHON) tools/bootstrap.py $(BACKEND)
	@touch .venv/.made

aws-plugin: .venv/.made ##use build the plugin that stacks on AWS need, where it cannot be downloaded
	@.venv/bin/python -m tools.provide aws

pulumi: .venv-dev/.made ##develop bring all places to the version of Pulumi in requirements/program.in
	@$(tests) -m tools.pulumi_version

lock: ##develop write the lock files anew (needs uv)
	@tools/lock.sh

.venv/.made: $(wildcard requirements/*.txt) components/pyproject.toml tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py
	@touch $@

.venv-docs/.made: requirements/docs.txt tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py docs
	@touch $@

.venv-dev/.made: requirements/dev.txt .venv/.made
	@$(PYTHON) tools/bootstrap.py dev
	@touch $@
