# Two commands for everything: `make demo` and `make test`. Both make .venv and install into it what they need.
#   make demo EXTRAS=torch,tensorflow     with the frameworks
#   make test PYTHON=python3.12           with another interpreter (3.11 or later)
# And `make soak MINUTES=30`: the fault and fuzz tests with ten times as many faults, then a long run of everything at once.

PYTHON ?= python3
EXTRAS ?=
MINUTES ?= 30
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq -c constraints.txt

comma := ,
DEMO_EXTRAS := bench$(if $(EXTRAS),$(comma)$(EXTRAS))
# One stamp for each set of extras, so that a second run installs nothing.
DEMO_STAMP := $(VENV)/.installed-$(subst $(comma),-,$(DEMO_EXTRAS))
TEST_STAMP := $(VENV)/.installed-test

.PHONY: demo test lint types tests soak clean

demo: $(DEMO_STAMP)
	$(BIN)/dataload demo

test: lint types tests

lint: $(TEST_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(TEST_STAMP)
	$(BIN)/mypy

tests: $(TEST_STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

soak: $(TEST_STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --timeout 3600 --budget 10 tests/faults
	cd tests && ../$(BIN)/python -m faults.soak $(MINUTES)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "dataload needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(DEMO_STAMP): $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[$(DEMO_EXTRAS)]'
	touch $@

$(TEST_STAMP): $(VENV)/bin/python pyproject.toml constraints.txt
	# torch by itself and first: its version decides what the others may bring along.
	$(PIP) torch
	$(PIP) -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
