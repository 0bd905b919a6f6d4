# Kererū's commands; `make` alone lists them. Every target that needs the installation makes it first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.9.30
PORT ?= 8080
SIMULATOR_PORT ?= 8090
NAME ?=
TESTS ?= tests
MINUTES ?= 1
SEED ?=

VENV := .venv
BIN := $(VENV)/bin
# Node comes with the environment, so that nobody needs to install one.
NODE_PATH := $(CURDIR)/$(BIN):$(PATH)
BROWSER_PACKAGES := chromium fonts-noto-core fonts-noto-color-emoji

##@ Run

.PHONY: demo
demo: install ## Run everything with an invented phone company; PORT=8080 SIMULATOR_PORT=8090, Ctrl-C stops it
	@exec $(BIN)/kereru demo --port $(PORT) --simulator-port $(SIMULATOR_PORT) --home .demo

.PHONY: install
install: $(VENV)/.project ## Make .venv with Kererū, its dependencies and the web application (quick when nothing changed)
	@$(BIN)/python hatch_build.py | { grep -v '^unchanged$$' || true; }

##@ Check

.PHONY: test
test: install browser lint ## Run everything: style, types, imports, all tests, the web application's tests
	@$(BIN)/pytest -q -n 2 $(TESTS)
	@cd web && PATH="$(NODE_PATH)" npm run --silent test

.PHONY: test-fast
test-fast: install ## Run the unit tests, in seconds
	@$(BIN)/pytest -q -n 2 tests/unit

.PHONY: torture
torture: install ## Run everything under faults and judge it; MINUTES=1, SEED= repeats an earlier schedule
	@$(BIN)/kereru torture --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

.PHONY: lint
lint: install web/node_modules/.tools ## Check style, types and imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@cd web && PATH="$(NODE_PATH)" npm run --silent check

.PHONY: bench
bench: install ## Measure beside rulers, with a table: everything (an hour), or NAME=mo_ingest; SCALE=0.1 for small data sets
	@$(BIN)/kereru bench $(or $(NAME),all) --scale $(or $(SCALE),1)

.PHONY: bench-peers
bench-peers: install ## Measure beside Kannel and Jasmin, which it installs into .peers/ of this checkout and stops again
	@$(BIN)/kereru bench peers

.PHONY: format
format: install web/node_modules/.tools ## Bring all sources into the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@cd web && PATH="$(NODE_PATH)" npm run --silent format

##@ Help

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo

# What follows is only called by the targets above.

.PHONY: browser
browser:
	@missing=""; \
	command -v chromium chromium-browser google-chrome >/dev/null || missing=yes; \
	if command -v fc-list >/dev/null; then \
	  { fc-list | grep -i 'NotoColorEmoji' >/dev/null && fc-list | grep -i 'NotoSansArabic' >/dev/null; } || missing=yes; \
	else missing=yes; fi; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "The browser tests need Chromium and the Noto fonts (with Arabic and emoji); install them, then run this again." >&2; exit 1; \
	fi; \
	sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "Installing what the browser tests need: $(BROWSER_PACKAGES)"; \
	$$sudo apt-get update -qq; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(BROWSER_PACKAGES) fontconfig >/dev/null

$(BIN)/python:
	@python=""; for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$each; break; fi; done; \
	if [ -z "$$python" ]; then echo "Kererū needs Python 3.11 or newer; install it, then run this again." >&2; exit 1; fi; \
	$$python -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python could not make a virtual environment; on Debian and Ubuntu, apt-get install python3-venv helps." >&2; exit 1; }

$(VENV)/.packages: requirements.lock | $(BIN)/python
	@echo "Installing dependencies"
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install -q --require-hashes -r requirements.lock \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.project: $(VENV)/.packages pyproject.toml hatch_build.py
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

web/node_modules/.tools: web/package-lock.json | $(VENV)/.packages
	@cd web && PATH="$(NODE_PATH)" npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@
