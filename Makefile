# GNU make 4.3 or newer. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
QUEUE ?= sqs
ORIGINS ?=
ROOT ?= .local

LOCAL := $(CURDIR)/.local
VENV_PYTHON := .venv/bin/python
VENV_READY := .venv/installed
PROJECT_READY := .venv/installed-project
REQUIREMENTS := $(wildcard requirements*.txt infra/local/requirements*.txt bench/peers/requirements*.txt bench/reading/requirements*.txt \
  tests/support/spreadsheet/requirements*.txt)

export SQL  # a statement goes to psql as it is, whatever it holds
# Write nothing outside the checkout. HOME stays: pip reads its settings from there.
export TMPDIR := $(LOCAL)/tmp
export XDG_CACHE_HOME := $(LOCAL)/cache
export PIP_CACHE_DIR := $(LOCAL)/cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pip asks rustc for its version, and rustup answers by creating a folder in HOME.
export RUSTUP_HOME := $(LOCAL)/cache/rustup
export UV_CACHE_DIR := $(LOCAL)/cache/uv

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: check-python
check-python:
	@mkdir -p $(TMPDIR)
	@command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON). Install Python 3.11, or: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1); Sluice needs 3.11 to 3.13. Choose another: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null \
	  || { echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV_READY): requirements-dev.txt | check-python
	@$(PYTHON) -m infra.venv
	@touch $@

$(PROJECT_READY): $(VENV_READY) pyproject.toml chalicelib/__init__.py
	@$(VENV_PYTHON) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: $(PROJECT_READY) ## create the environments (.venv, LocalStack's, the functions')
	@$(VENV_PYTHON) -m infra.local install

.PHONY: up
up: $(PROJECT_READY) ## start the stack; make up QUEUE=redis for the other queue
	@$(VENV_PYTHON) -m infra.local up --queue $(QUEUE) --origins '$(ORIGINS)' --root $(ROOT)

.PHONY: down
down: ## stop the stack
	@if [ -x $(VENV_PYTHON) ]; then $(VENV_PYTHON) -m infra.local down --root $(ROOT); fi

.PHONY: status
status: $(PROJECT_READY) ## show which components run, and what workers do
	@$(VENV_PYTHON) -m infra.local status --root $(ROOT)

.PHONY: psql
psql: $(PROJECT_READY) ## open the SQL prompt of the stack's Postgres; make psql SQL='SELECT 1' runs a statement
	@$(VENV_PYTHON) -m infra.local psql --root $(ROOT) $(if $(SQL),--sql="$$SQL")

.PHONY: demo
demo: up ## start the stack, load the sample and show the result
	@$(VENV_PYTHON) -m infra.local.demo --root $(ROOT)

.PHONY: test
test: install ## run all tests
	@.venv/bin/pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

.PHONY: fuzz
fuzz: $(PROJECT_READY) ## generate hostile files for the row path, until one fails or Ctrl-C
	@while seed=$$RANDOM; echo "seed $$seed"; do \
	  SLUICE_EXAMPLES=many .venv/bin/pytest -q --hypothesis-seed=$$seed tests/unit/formats tests/unit/rows \
	    tests/unit/service/test_ingestion.py tests/unit/service/test_file_outcomes.py \
	    tests/unit/service/test_split_jobs.py tests/unit/service/test_decimal_comma.py \
	    tests/unit/reading/test_compression.py tests/integration/test_hostile_uploads.py; \
	done

.PHONY: faults
faults: $(PROJECT_READY) ## kill workers and services for a long run; SLUICE_FAULTS_SEED=N repeats one
	@SLUICE_FAULTS=long .venv/bin/pytest tests/faults

.PHONY: lint
lint: $(PROJECT_READY) ## check style, types, imports, the site, the forge's files, known vulnerabilities
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(MAKE) docs
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms \
	  $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@$(VENV_PYTHON) -m infra.audit $(REQUIREMENTS)

.PHONY: bench
bench: up ## measure everything, write docs/explanation/benchmarks.md and docs/reference/costs.md
	@$(VENV_PYTHON) -m bench --page --root $(ROOT)

.PHONY: bench-functions
bench-functions: up ## measure packages, cold starts and the API's response times
	@$(VENV_PYTHON) -m bench functions --rounds 5 --root $(ROOT)

.PHONY: bench-reading
bench-reading: $(PROJECT_READY) ## read labelled files with Sluice and others, write docs/explanation/reading-accuracy.md
	@$(VENV_PYTHON) -m bench.reading --page

.PHONY: docs
docs: $(PROJECT_READY) ## build the documentation's site in .local/site; a broken link is an error
	@.venv/bin/sphinx-build --quiet --fail-on-warning --keep-going --builder dirhtml docs .local/site
	@echo "  docs       .local/site/index.html"

.PHONY: lock
lock: $(VENV_READY) ## compile the pinned requirements again
	@$(VENV_PYTHON) -m infra.locks

.PHONY: clean
clean: down ## remove everything installed and stored, data included
	@rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
