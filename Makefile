# `make help` lists what there is. Each target makes the environment that it needs and installs into it.

PYTHON ?= python3
EXTRAS ?=
MINUTES ?= 30
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
CHECK_VENV := .venv-check
CHECK_BIN := $(CHECK_VENV)/bin
INSTALL := -m pip --disable-pip-version-check install -qq -c constraints.txt
PIP := $(BIN)/python $(INSTALL)
PYTEST := -m pytest -q -n 2 --dist worksteal

# The tests of the core: all that need no framework and no extra, and compare with no other package.
CORE := tests $(addprefix --ignore=tests/,adapters references benchmarks examples extras)
# What mypy leaves out where the frameworks and the fast extra are not installed.
NEEDS_EXTRAS := (^|/)adapters/|/commands/train_(torch|keras)|/numba_kernels

comma := ,
DEMO_EXTRAS := bench,remote$(if $(EXTRAS),$(comma)$(EXTRAS))
# One stamp for each set of extras, so that a second run installs nothing.
DEMO_STAMP := $(VENV)/.installed-$(subst $(comma),-,$(DEMO_EXTRAS))
TEST_STAMP := $(VENV)/.installed-test
CHECK_STAMP := $(CHECK_VENV)/.installed
SERVERS := .servers
SERVERS_STAMP := $(SERVERS)/.installed

.PHONY: help demo format check check-types test lint types tests servers soak clean

help:  ## this list
	@echo "make TARGET [PYTHON=python3.12], with Python 3.11 or later:"
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'

demo: $(DEMO_STAMP)  ## measure, draw and train on made-up sound; EXTRAS=torch,tensorflow trains with these too
	$(BIN)/dataload demo

format: $(CHECK_STAMP)  ## format the code, and mend what can be mended
	$(CHECK_BIN)/ruff check --fix .
	$(CHECK_BIN)/ruff format .

check: check-types  ## lint, types and the core's tests, under two minutes: no framework, and not the slow ones
	$(CHECK_BIN)/ruff format --check .
	$(CHECK_BIN)/ruff check .
	$(CHECK_BIN)/python $(PYTEST) -m 'not slow' $(CORE)

check-types: $(CHECK_STAMP)
	$(CHECK_BIN)/mypy --exclude '$(NEEDS_EXTRAS)'

test: lint types tests  ## everything that CI runs

lint: $(TEST_STAMP)  ## format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(TEST_STAMP)  ## mypy on all of it
	$(BIN)/mypy

tests: $(TEST_STAMP)  ## every test; ARGS="tests/samplers -k block" chooses
	$(BIN)/python $(PYTEST) $(ARGS)

servers: $(SERVERS_STAMP)  ## an S3 and an Azure server for the tests of buckets, installed by npm

# Budgets such that there are 10^5 reads from a server that fails, 10^5 damaged shards and indexes, and 200 killed workers.
soak: $(TEST_STAMP)  ## ten times as many faults, on disks and networks, then MINUTES=30 of everything at once
	$(BIN)/python $(PYTEST) -rP --timeout 3600 --budget 10 tests/faults tests/shards tests/sources/test_tar_source.py \
		tests/extras/test_tfrecord_against_tensorflow.py
	$(BIN)/python $(PYTEST) -rP --timeout 3600 --budget 25 tests/extras/test_killed_over_a_bucket.py
	$(BIN)/python $(PYTEST) -rP --timeout 3600 --budget 32 tests/extras/test_faulty_server.py
	$(BIN)/python $(PYTEST) -rP --timeout 3600 --budget 56 tests/faults/test_fuzz.py -k 'shard or index'
	$(BIN)/python $(PYTEST) -n 0 -rP --timeout 3600 --budget 10 tests/doctor -k nineteen
	cd tests && ../$(BIN)/python -m faults.soak $(MINUTES)

$(BIN)/python $(CHECK_BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "dataload needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(@D)/..

$(CHECK_STAMP): $(CHECK_BIN)/python pyproject.toml constraints.txt
	$(CHECK_BIN)/python $(INSTALL) -e '.[check]'
	touch $@

$(DEMO_STAMP): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[$(DEMO_EXTRAS)]'
	touch $@

$(TEST_STAMP): $(BIN)/python pyproject.toml constraints.txt
	# torch by itself and first: its version decides what the others may bring along.
	$(PIP) torch
	$(PIP) -e '.[test]'
	touch $@

$(SERVERS_STAMP): tests/servers/package.json tests/servers/package-lock.json
	mkdir -p $(SERVERS)
	cp $^ $(SERVERS)
	npm ci --prefix $(SERVERS) --silent --no-audit --no-fund
	touch $@

clean:  ## remove the environments and all that was made
	rm -rf $(VENV) $(CHECK_VENV) $(SERVERS) demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
