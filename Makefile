# The commands of the project. Each of them sets up what it needs.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# compiled modules are kept, whatever the shell says: without them every process starts half as fast
export PYTHONDONTWRITEBYTECODE :=

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): requirements/lock.txt pyproject.toml
	@echo "installing the locked requirements into $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@$(BIN)/uv --system-certs pip sync --quiet --require-hashes --python $(BIN)/python requirements/lock.txt requirements/build.txt
	@$(BIN)/uv --system-certs pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e .
	@$(BIN)/python -c "from resources.lake.dbt_environment import ensure_manifest; ensure_manifest()"
	@touch $(STAMP)

setup: $(STAMP)  ## .venv with everything in it

demo: $(STAMP)   ## everything with the synthetic estate, in the foreground
	@$(BIN)/etlmon up --demo

test: $(STAMP)   ## the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadscope

check: $(STAMP)  ## lint, format, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP)  ## every figure of the README, beside its peer
	@$(BIN)/python -m tests.benchmarks

lock:            ## resolve the ranges of pyproject.toml anew
	@$(BIN)/uv --system-certs pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --extra dev pyproject.toml -o requirements/lock.txt
	@printf 'uv\nsetuptools>=77\n' | $(BIN)/uv --system-certs pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate - -o requirements/build.txt

.PHONY: help setup demo test check bench lock
