# Each target sets itself up: a virtual environment in .venv with pinned, hash-checked packages. All that a machine
# needs is make, git and Python 3.11, 3.12 or 3.13. `make demo` installs what runs; the other targets add the tools.

VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements.lock requirements-build.lock requirements-dev.lock
# Twice quiet: errors show, warnings about this machine's own pip settings do not.
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input

# The first Python that fits; `make PYTHON=/path/to/python3.12 demo` overrides it.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c '$(FITS)' >/dev/null 2>&1; then echo $$p; exit; fi; done; echo python3)

.PHONY: help demo test check bench torture lock clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo    install what runs, then show the whole walk on sample conversations"
	@echo "make test    run every test            (one file: make test ARGS=tests/unit/test_decide.py)"
	@echo "make check   lint, formatting, types, import contracts"
	@echo "make bench   run every benchmark; each prints JSON lines, see docs/benchmarks.md"
	@echo "make torture  kill it, cut its power, and account for everything; one JSON line a part (docs/torture.md)"
	@echo "make lock    pin the packages anew     (newest versions: make lock UPGRADE=1)"
	@echo "make clean   remove .venv and the tools' caches"

demo: $(VENV)/.ready-run
	@$(BIN)/sidecar demo $(ARGS)

# Most tests wait for sockets and timers: three at once keep two cores busy. A file of tests stays in one process, and files
# come in their order, since the long ones have few tests and would be left for the end.
test: $(VENV)/.ready-dev
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 3 --dist loadfile --no-loadscope-reorder)

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.ready-dev
	@set -e; for file in bench/[a-z]*.py; do $(BIN)/python -m "bench.$$(basename "$$file" .py)"; done

torture: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.torture $(ARGS)

# The oldest Python decides, because a newer one would leave out what only the older needs; the tests install on all.
# The index, local folders and other settings of this machine stay out of the files.
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --no-config --strip-extras \
	--generate-hashes --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	$(if $(UPGRADE),--upgrade)

lock: $(VENV)/.ready-dev
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "make lock needs Python 3.11: make clean, \
	then make PYTHON=python3.11 lock")'
	$(PIP_COMPILE) --output-file requirements.lock pyproject.toml
	$(PIP_COMPILE) --only-build-deps --build-deps-for wheel --output-file requirements-build.lock pyproject.toml
	$(PIP_COMPILE) --extra dev --build-deps-for wheel --constraint requirements.lock --constraint requirements-build.lock \
		--output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) dist build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.ready-venv:
	@$(PYTHON) -c '$(FITS)' 2>/dev/null || { \
		echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)" >&2; \
		echo "Name another with: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv or pip. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.ready-run: $(VENV)/.ready-venv pyproject.toml requirements.lock requirements-build.lock
	@echo "Installing what runs into $(VENV) ..." >&2
	@$(PIP_INSTALL) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-venv pyproject.toml $(LOCKS)
	@echo "Installing what runs, and the tools, into $(VENV) ..." >&2
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
