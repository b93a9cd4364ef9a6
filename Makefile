# The ways in. `make up` creates a cache on this machine; `make test` tests the sources.
PYTHON ?= python3
.DEFAULT_GOAL := help
# What is printed is the commands' own, also for a make within a make: `make env` is evaluated.
MAKEFLAGS += --no-print-directory
.PHONY: help install aws-plugin up preview drift repair renew down status env test test-all test-aws unit unit-sdk
.PHONY: fuzz policies engine e2e bench bench-gc bench-growth bench-push bench-retention
.PHONY: test-wheel test-upgrade release-check lint schema docs format pulumi lock ci-preview ci-deploy ci-drift verify

tools := .venv/bin/python -m tools
# The same in the environment of BACKEND, or of the local stack that there is.
local := $(PYTHON) -m tools.choice
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
	        | awk '{printf "  make %-16s", $$2; $$1 = $$2 = ""; print substr($$0, 2)}' \
	        | sed 's/[$$][$$]/$$/'; \
	done

up: ##use create or update a cache on this machine; make up BACKEND=s3 runs SeaweedFS
	@$(local) up '$(BACKEND)'

preview: ##use show what `make up` would do
	@$(local) preview '$(BACKEND)'

drift: ##operate find changes outside of Pulumi: make drift STACK=prod
	@$(local) drift '$(BACKEND)' $(on_stack)

repair: ##operate show drift, ask, and repair it: make repair STACK=prod
	@$(local) repair '$(BACKEND)' $(on_stack) $(if $(YES),--yes)

renew: ##operate replace a leaked credential: make renew USER_NAME=nixbuilder
	@$(local) renew '$(BACKEND)' $(on_stack) $(if $(YES),--yes) '$(USER_NAME)'

down: ##use delete everything that `make up` created
	@$(local) down '$(BACKEND)'

status: ##use show the server, the stack and the toolchain
	@$(local) status '$(BACKEND)'

env: ##use print the environment for a shell: eval "$$(make env)"
	@$(local) env '$(BACKEND)'

test: .venv-dev/.made ##develop run the tests for a commit, about ten minutes
	@$(tests) -m tools.provide
	@$(tests) -m pytest $(all-levels) -m '$(quick)' $(by-module)

test-all: .venv-dev/.made ##develop run all tests except those of `make e2e`
	@$(tests) -m tools.provide aws
	@$(tests) -m pytest $(all-levels) $(by-module)

unit: .venv-dev/.made
	@$(tests) -m pytest tests/unit tests/fuzz -n 2

fuzz: .venv-dev/.made ##develop test every parser with random inputs: make fuzz SECONDS=120
	@$(tests) -m tests.fuzz --seconds '$(or $(SECONDS),60)'

unit-sdk: .venv-dev/.made ##develop run unit tests with another Pulumi SDK: make unit-sdk SDK=oldest (or newest)
	@$(tests) -m tools.sdk "$$SDK"

policies: .venv-dev/.made
	@$(tests) -m pytest tests/policies

engine: .venv-dev/.made
	@$(tests) -m tools.provide
	@$(tests) -m pytest tests/engine $(by-module)

test-aws: .venv-dev/.made ##develop run the tests on AWS; builds the AWS plugin if needed
	@$(tests) -m tools.provide aws
	@$(tests) -m pytest tests/engine -m aws -n 2 --dist loadfile

test-wheel: .venv-dev/.made ##develop test the installed package: wheel, extras and types
	@$(tests) -m pytest tests/package

test-upgrade: .venv-dev/.made ##develop test the upgrade of a stack from the last release
	@$(tests) -m tools.provide
	@$(tests) -m pytest tests/engine/test_upgrade.py

release-check: .venv-dev/.made ##develop build and test a release without uploading it: make release-check TAG=v1.2.3
	@$(tests) -m tools.release $(if $(TAG),--tag "$$TAG")
	@rm -rf dist
	@$(tests) -m build --no-isolation --outdir dist/packages components
	@$(tests) -m twine check --strict dist/packages/*
	@$(tests) -m tools.release.installed dist/packages dist/nix_cache.cdx.json
	@$(tests) -m pytest tests/package --packages dist/packages

e2e: .venv-dev/.made ##develop test with the real Nix; as root, installs one in your cache folder if needed
	@$(tests) -m tools.provide
	@$(tests) -m tests.e2e

bench: $(if $(SMALL),,bench-growth bench-retention) bench-push bench-gc ##develop measure all of the following; writes bench/; make bench SMALL=1 tries some

bench-push: .venv-dev/.made ##develop measure pushes beside `nix copy`, ten minutes; writes bench/RESULTS.md
	@$(tests) -m tools.provide
	@$(tests) -m bench $(if $(SMALL),--small)

bench-growth: .venv-dev/.made ##develop measure growth with the number of writers; writes bench/GROWTH.md
	@$(tests) -m tools.provide
	@$(tests) -m bench.growth

bench-retention: .venv-dev/.made ##develop simulate ten years of retention, half a minute; writes bench/RETENTION.md
	@$(tests) -m bench.retention

bench-gc: .venv-dev/.made ##develop measure collections and their memory, fifteen minutes; writes bench/COLLECTING.md
	@$(tests) -m tools.provide
	@$(tests) -m bench.collecting $(if $(SMALL),--small)

verify: .venv/.made ##operate test a backend on the real service: make verify BACKEND=b2
	@$(tools) verify $(if $(YES),--yes) '$(BACKEND)'

verify-%:
	@$(MAKE) verify BACKEND=$*

lint: .venv-dev/.made ##develop check style, formatting, types, scripts, workflows and language
	@$(tests) -m ruff check .
	@$(tests) -m ruff format --check .
	@$(tests) -m mypy
	@.venv-dev/bin/shellcheck --shell=sh components/nix_cache/cli/*/*.sh offline/*.sh tools/*.sh
	@$(tests) -m tools.workflows
	@$(tests) -m tools.prose

schema: .venv-dev/.made ##develop generate files from the code: schema, types, Pulumi.yaml, tables, reference
	@$(tests) -m tools.generated

docs: .venv-docs/.made ##develop build the site of the documentation into site/, with strict checks
	@rm -rf site
	@.venv-docs/bin/python -m sphinx -q -n -W --keep-going -E -d .venv-docs/doctrees -c tools/site docs site
	@echo "Built the site: open site/index.html"

format: .venv-dev/.made ##develop format the sources
	@$(tests) -m ruff check --fix .
	@$(tests) -m ruff format .

ci-preview ci-deploy ci-drift: .venv/.made # what the workflows run, with STACK and perhaps REPORT
	@.venv/bin/python -m tools.ci $(@:ci-%=%) "$(STACK)" $(if $(REPORT),--report "$(REPORT)")

install: ##use install the packages of another backend: make install BACKEND=aws
	@$(PYTHON) tools/bootstrap.py $(BACKEND)
	@touch .venv/.made

aws-plugin: .venv/.made ##use build the AWS plugin, if it cannot be downloaded
	@.venv/bin/python -m tools.provide aws

pulumi: .venv-dev/.made ##develop apply the version of Pulumi in requirements/program.in everywhere
	@$(tests) -m tools.pulumi_version

lock: ##develop update the lock files (needs uv)
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
