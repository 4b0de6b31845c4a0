# Two commands for a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECORD ?= 208
# pytest-xdist workers: one a core.
WORKERS ?= auto
SOURCES := pyproject.toml constraints.txt $(shell find streamer classifier replay -type f \
	-not -path '*/__pycache__/*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help install demo replay test lint types tests figures clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The wheel is installed, not the working tree: what is played and tested is what a user gets.
$(VENV)/installed: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet -c constraints.txt .
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall .
	$(BIN)/ecg-stream warm-up
	@touch $@

$(VENV)/developer: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt '.[dev]'
	@touch $@

install: $(VENV)/installed ## create .venv and install ecg-stream with pinned versions

demo: $(VENV)/installed ## play the simulated record at real time with the monitor
	$(BIN)/ecg-stream replay demo || test $$? -eq 130

replay: $(VENV)/installed ## play RECORD=208 at real time with the monitor
	$(BIN)/ecg-stream replay $(RECORD) || test $$? -eq 130

test: lint types tests ## do all set-up and run every check

lint: $(VENV)/developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/developer
	$(BIN)/mypy

tests: $(VENV)/developer
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -n $(WORKERS)

figures: $(VENV)/developer ## regenerate every table and picture of README and docs
	$(BIN)/python -m pip install --quiet -c constraints.txt '.[dev,peers]'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python docs/figures.py

clean: ## remove what the other targets made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
