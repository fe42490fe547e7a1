# Two commands are all a newcomer needs: `make run` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help run test lint docs wheel pythons coverage audit

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# TensorFlow has wheels for Python 3.11 to 3.13 only; the first such interpreter is taken.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' >/dev/null 2>&1 && { echo $$p; break; }; done)
RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml)

help:
	@echo "make run    set up .venv and run fer-fast pipeline on the embedded faces"
	@echo "make test   set up .venv and run pytest and cargo test"
	@echo "make lint   set up .venv and run ruff, import-linter, mypy, stubtest, clippy and cargo fmt"
	@echo "make docs   set up .venv and build the site of docs/ into site/"
	@echo "make wheel, make pythons, make coverage, make audit: for a release, see RELEASING.md"

$(INSTALLED): pyproject.toml requirements/dev.txt Cargo.toml Cargo.lock $(RUST_SOURCES)
	@test -n "$(PYTHON)" || { echo "fer-fast needs Python 3.11, 3.12 or 3.13: install one, or name it with PYTHON=/path/to/python"; exit 2; }
	@command -v cargo >/dev/null || { echo "fer-fast needs cargo (https://rustup.rs) to build its extension"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint requirements/dev.txt --editable '.[train,dev]'
	@touch $@

run: $(INSTALLED)
	$(BIN)/fer-fast pipeline

test: $(INSTALLED)
	$(BIN)/python -m pytest
	PYO3_PYTHON=$(abspath $(BIN)/python) cargo test --workspace --locked

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest fer_fast._core
	cargo fmt --all --check
	PYO3_PYTHON=$(abspath $(BIN)/python) cargo clippy --workspace --all-targets --locked -- -D warnings

# Material speaks of what follows MkDocs in a banner, which is no warning of this site's.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# One wheel for every Python, the sdist, and the wheel tried on its own.
wheel: $(INSTALLED)
	$(BIN)/nox -s wheel sdist bare

# All tests on every supported Python; FER_FAST_NOX_FAST=1: those that need no TensorFlow.
pythons: $(INSTALLED)
	$(BIN)/nox -s tests

coverage: $(INSTALLED)
	$(BIN)/python -m pytest --cov --cov-report=term-missing
	@if cargo llvm-cov --version >/dev/null 2>&1; then \
		cargo llvm-cov --workspace --exclude fer-fast-python --locked --summary-only \
			--fail-under-lines 94; \
	else echo "cargo-llvm-cov is not installed: Rust is not measured"; fi

audit: $(INSTALLED)
	$(BIN)/nox -s audit workflows
