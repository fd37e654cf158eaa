# What people and the continuous integration run. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
WEEKS ?= 8
PYTHON := .venv/bin/python
# Nothing of ours in the home folder, and no virtual environment of the caller's.
unexport VIRTUAL_ENV
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup demo test lint unit docs gas contracts invariants integration e2e bench chaos clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9 ]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is needed: Python environment, npm packages, compiled contracts
	@scripts/setup.sh >/dev/null

demo: setup ## Replay real purchases and keep serving: WEEKS=8 (53: the year), PORT=8000, EXIT=1 to stop after the audit
	@$(PYTHON) -m scripts.demo --weeks $(WEEKS) $(if $(PORT),--port $(PORT)) $(if $(EXIT),--exit)

test: ## Run everything, the quickest first; stops at the first failure
	@scripts/test.sh

lint: setup ## ruff, mypy --strict, slither
	@scripts/test.sh lint

unit docs gas contracts invariants integration e2e: ## One part of `make test`
	@scripts/test.sh $@

bench: setup ## Run the benchmarks: a table, and reports/bench.json
	@$(PYTHON) -m tests.bench

chaos: setup ## Kill, reorganise, lie to and starve the bridge, in reports/chaos.json: QUICK=1, ONLY=name of a fault
	@$(PYTHON) -m scripts.chaos $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

clean: ## Stop what a killed run left behind, and remove .interpoints/ and built files
	@scripts/clean.sh
