# Every target does its own set-up: a fresh machine needs Python 3.11 or newer (with venv), make and PyPI.
# The Python to build with: make test PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-long lint bench docs clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: .venv/.demo ## the whole use, end to end, on loopback: a CA, a domain, a certificate, its renewal and revocation
	$(BIN)/python -m demo

test: .venv/.dev ## all tests but the long ones; on Debian as root it first installs the peers they talk to
	PYTHON=$(PYTHON) tests/install-peers.sh
	$(BIN)/python -m pytest -m "not long"

test-long: .venv/.dev ## what takes too long for every change
	PYTHON=$(PYTHON) tests/install-peers.sh
	$(BIN)/python -m pytest -m long

lint: .venv/.dev ## style, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev ## issuances side by side with Pebble, and the server's start: about half a minute
	PYTHON=$(PYTHON) tests/install-peers.sh
	$(BIN)/python -m bench.issuance
	$(BIN)/python -m bench.start

docs: .venv/.dev ## the reference pages that are made from tables
	$(BIN)/python -m tests.conformance

clean: ## what was made here
	rm -rf .venv .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A stamp for each set of extras: the demo does not wait for the tools of development.
.venv/.%: pyproject.toml
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
