# One line each; every target sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
# Whether there is an environment that can be installed into: one that was half made is made anew.
SOUND = $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
export EQUIVOX_DATA ?= $(abspath ../shared/data)

# Targets share one environment: two installations at once would spoil it.
.NOTPARALLEL:
.PHONY: demo test test-fast lint types protos tree serve bench fuzz evaluation models clean

.venv/.server: pyproject.toml
	$(SOUND) || $(PYTHON) -m venv --clear .venv
	@echo 'installing the server: about 4 minutes and 6 GB, most of it torch'
	$(BIN)/pip install --quiet --editable '.[server]'
	touch $@

.venv/.dev: pyproject.toml
	$(SOUND) || $(PYTHON) -m venv --clear .venv
	@echo 'installing everything: about 5 minutes and 6 GB, most of it torch'
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch .venv/.server $@

models: .venv/.server ## pretrained models into the cache, checked by sha256
	$(BIN)/equivox models pull && $(BIN)/equivox models export

demo: .venv/.server models ## real voices verified, identified, diarized and transcribed by a real server
	$(BIN)/python -m training.demo

serve: .venv/.server models ## the server with the default configuration
	$(BIN)/equivox serve

lint: .venv/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && cd protos && ../$(BIN)/buf lint

types: .venv/.dev
	$(BIN)/mypy

protos: .venv/.dev ## regenerates protos/equivox/v1/*_pb2*
	$(BIN)/python -m tests.regenerate_protos protos

tree: .venv/.dev ## rewrites the tree in README.md
	$(BIN)/python -m tests.regenerate_tree

test-fast: .venv/.dev ## what is quick, on all cores and with a fifth of the random examples
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --dist worksteal --hypothesis-profile fast -m 'not slow and not e2e'

test: lint types models ## lint, types, every test, end to end against a real server
	$(BIN)/pytest

bench: .venv/.dev models ## speed and memory, as ratios against peers in the same run
	$(BIN)/python -m tests.bench

fuzz: .venv/.dev ## what nobody should send, 100,000 times each: files, messages, live streams
	$(BIN)/python -m tests.fuzz.decoder --runs 100000
	$(BIN)/python -m tests.fuzz.messages --runs 100000
	$(BIN)/python -m tests.fuzz.streams --runs 100000

.venv/.peers: .venv/.dev
	$(BIN)/pip install --quiet --no-deps 'resemblyzer==0.1.4'
	touch $@

evaluation: .venv/.peers models ## the figures of verification in README.md
	$(BIN)/python -m training.benchmark

clean: ## what can be made anew; results in out/ stay
	rm -rf .venv build dist *.egg-info
