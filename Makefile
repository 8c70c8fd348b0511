# The one way in: `make help` lists what there is. Needs make, git and Python 3.11 or newer; the rest is fetched.
# Everything installed goes into .venv; on Debian as root missing Debian packages are added too (.ci/system-packages).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/pytest -q --numprocesses auto --dist loadfile
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help system setup demo test lint unit e2e bench soak fuzz hostkeys lock clean

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: system $(STAMP)  ## Set up everything: Debian packages (as root), .venv, pinned packages; costs nothing when done

system:
	@PYTHON="$(PYTHON)" sh .ci/system-packages

$(STAMP): requirements.lock pyproject.toml | system
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "setup: making $(VENV)"; "$(PYTHON)" -m venv --clear $(VENV); }
	@echo "setup: installing the pinned packages into $(VENV)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

demo: setup  ## Show the main job live and stay up to be tried; ONCE=1 ends after the story
	@ONCE="$(ONCE)" $(BIN)/python -m tests.demo

test: lint  ## Everything CI checks: lint, types, unit tests, then black-box tests with stock OpenSSH
	$(PYTEST)

lint: setup  ## Style, format, import rules and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

unit: setup  ## Tests that need no OpenSSH
	$(PYTEST) --ignore=tests/e2e

e2e: setup  ## Black-box tests: a real bastion, real sshd targets, a real identity provider, stock clients
	$(PYTEST) tests/e2e

bench: setup  ## Speed side by side with a stock sshd as jump host, with bars; QUICK=1 for a first impression
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick)

soak: setup  ## Half an hour of everything at once; memory, descriptors and tasks must stay flat (MINUTES=n)
	$(BIN)/python -m tests.bench.soak --minutes $(or $(MINUTES),30)

fuzz: setup  ## Property tests with the deep profile (many examples, takes long)
	HYPOTHESIS_PROFILE=deep $(BIN)/pytest -q -m hypothesis --timeout=0 tests

hostkeys: setup  ## Create the bastion's host key and CAs in hostkeys/ (mode 0600, never committed)
	$(BIN)/bastion init .

lock: setup  ## Write requirements.lock anew from pyproject.toml
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && "$(PYTHON)" -m venv "$$dir" && "$$dir/bin/pip" install --quiet uv && \
	"$$dir/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev --no-emit-index-url \
		--custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:  ## Remove .venv, caches and the demo's state; keys in hostkeys/ stay
	rm -rf $(VENV) build dist *.egg-info var/demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
