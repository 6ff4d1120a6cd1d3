# Everything here works as the first and only command on a fresh clone.
#
#   make run     build, start a node in the default home, print and open its page
#   make demo    three people on this machine who talk, to see what it is like
#   make test    build and run every test that needs nothing but this machine
#   make help    all commands

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VECTORS ?= tests/vectors
QUICK ?=
REQUIRE ?=
CASES ?= 1000000
SEED ?= 1
KERNEL_SOURCES := Cargo.toml Cargo.lock $(shell find kernel benchmarks/load -name '*.rs' -o -name Cargo.toml 2>/dev/null)
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

.PHONY: help setup run demo test test-long test-net check bench fuzz claims docs clean tools

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

setup: $(VENV)/.kernel ## make .venv, build the kernel, install what the project needs

run: $(VENV)/.kernel ## build, start a node in the default home, print and open its page
	@exec $(BIN)/mosaic run

demo: $(VENV)/.kernel ## three people on this machine who find each other and talk: what it is like
	@exec $(BIN)/mosaic demo

check: $(VENV)/.kernel ## lint, types, layers, unit tests (a minute and a half when warm)
	@$(BIN)/ruff check src tests benchmarks fuzz examples docs
	$(BIN)/ruff format --check -q src tests benchmarks fuzz examples docs
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest mosaic._kernel._rust --mypy-config-file pyproject.toml
	$(BIN)/lint-imports
	cargo fmt --all --check
	cargo clippy -q --release --workspace --all-targets -- -D warnings
	$(BIN)/pytest -q -m "not slow" -n 2 $(OUTCOMES)

test: $(VENV)/.kernel ## everything: check, kernel tests, slow tests, conformance to VECTORS=DIR
	@mkdir -p target && rm -f target/claims.txt
	$(MAKE) --no-print-directory check OUTCOMES=--claims-to=target/claims.txt
	cargo test -q --release --workspace
	$(BIN)/pytest -q -m slow -n 2 --claims-to=target/claims.txt
	$(BIN)/mosaic conformance "$(VECTORS)"
	$(BIN)/python -m tests.claims_report --outcomes target/claims.txt

test-long: $(VENV)/.kernel ## the slow tests at their full length: 200 kills, a minute of flood (half an hour)
	@MOSAIC_LONG=1 MOSAIC_KILLS=200 $(BIN)/pytest -q -m slow -n 2 --timeout 3600

test-net: $(VENV)/.kernel ## 60 people, 20 servers, and everything that can go wrong among them (SEED=1)
	@$(BIN)/python -m tests.net --seed $(SEED) --twice --json benchmarks/results/net-memory.json
	$(BIN)/python -m tests.net --seed $(SEED) --on namespaces --json benchmarks/results/net-processes.json

fuzz: $(VENV)/.kernel ## hostile bytes against a live server (CASES=1000000)
	@$(BIN)/python -m fuzz --cases $(CASES)

bench: $(VENV)/.kernel ## measure against the budgets, write benchmarks/results (QUICK=1: under a minute)
	@cargo build -q --release -p mosaic-load
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

claims: $(VENV)/.kernel ## which statements have a passing test (REQUIRE="C5 C6": fail if one has none)
	@$(BIN)/python -m tests.claims_report $(if $(REQUIRE),--require "$(REQUIRE)")

docs: $(VENV)/.kernel ## make the generated pages again and check every link
	@$(BIN)/python -m docs

clean: ## remove everything that was built
	rm -rf $(VENV) target build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks fuzz docs -name __pycache__ -prune -exec rm -rf {} +
	rm -f src/mosaic/_kernel/*.so

# --- how .venv comes about ---------------------------------------------------------------------

tools:
	@missing=
	command -v $(PYTHON) >/dev/null || missing="$$missing\n  Python 3.11 or newer  (Debian: apt install python3 python3-venv; macOS: brew install python)"
	if command -v $(PYTHON) >/dev/null && ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	  found="$$($(PYTHON) -V 2>/dev/null || echo 'there, but does not run')"
	  missing="$$missing\n  Python 3.11 or newer  ($(PYTHON) is $$found; try: make PYTHON=python3.12)"; fi
	if command -v $(PYTHON) >/dev/null && ! $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then
	  missing="$$missing\n  Python's venv module  (Debian: apt install python3-venv)"; fi
	if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
	  missing="$$missing\n  a Rust compiler, 1.88 or newer  (see https://rustup.rs, or your system's rustup package)"
	elif ! found="$$(rustc --version 2>/dev/null)"; then
	  missing="$$missing\n  a Rust compiler, 1.88 or newer  (rustc is there, but does not run; where rustup has none yet: rustup default stable)"
	elif [ "$$(printf '%s\n' 1.88 "$$(cut -d' ' -f2 <<<"$$found")" | sort -V | head -n1)" != 1.88 ]; then
	  missing="$$missing\n  a Rust compiler, 1.88 or newer  ($$found is there; try: rustup update stable)"; fi
	command -v cc >/dev/null || missing="$$missing\n  a C compiler  (Debian: apt install gcc; macOS: xcode-select --install)"
	if [ -n "$$missing" ]; then printf 'Mosaic is built on this machine, and this is missing:%b\nInstall it and run the same command again.\n' "$$missing" >&2; exit 1; fi

$(VENV)/.python: pyproject.toml | tools
	@echo "Installing what Python needs into $(VENV) (a minute the first time) …"
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install -q --disable-pip-version-check --group dev
	touch $@

$(VENV)/.kernel: $(VENV)/.python $(KERNEL_SOURCES) | tools
	@echo "Building the kernel (two minutes the first time) …"
	rm -f src/mosaic/_kernel/*.so
	PIP_QUIET=1 PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" PIP_QUIET=1 $(BIN)/maturin develop -q --release
	touch $@
