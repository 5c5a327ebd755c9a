# Everything a developer types. Nothing has to be installed first but Python 3.11 or newer and make.

PYTHON ?= python3
PORT ?= 2024
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install dev test test-all check format bench bench-reading bench-calls docs wheel lock clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo "make dev       serve the agent on port $(PORT) (PORT=… for another)"
	@echo "make test      run the tests"
	@echo "make test-all  run the tests, the long ones too"
	@echo "make check     format, lint, types, import contracts, migrations against models"
	@echo "make bench     measure the transcript tree against the plain saver"
	@echo "make bench-reading  measure reading and searching a million messages"
	@echo "make bench-calls  measure a tool call beside what MCP adapters do by default"
	@echo "make docs      write docs/tools.md from what the task server says of itself"
	@echo "make wheel     build the checkpointer by itself, for other LangGraph apps, into dist/"
	@echo "make install   make $(VENV) and install what is pinned in requirements.lock"
	@echo "make format    format the code"
	@echo "make lock      pin the dependencies anew (needs uv)"

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 15) else f"Python 3.11 to 3.14 is needed, but {sys.executable} is {v[0]}.{v[1]}: run make PYTHON=python3.12, or the like")'
	@test -x $(BIN)/python || { echo "Making $(VENV) and installing what is pinned: a minute or two, once."; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

dev: $(INSTALLED)
	@$(BIN)/task-agent dev --port $(PORT)

test: $(INSTALLED)
	@$(BIN)/python -m pytest -n auto

test-all: $(INSTALLED)
	@TASK_AGENT_LONG_TESTS=1 $(BIN)/python -m pytest -n auto --timeout 1800

check: $(INSTALLED)
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > $(VENV)/.imports 2>&1 || { cat $(VENV)/.imports; exit 1; }
	@$(BIN)/python -m migrations.check

format: $(INSTALLED)
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

bench: $(INSTALLED)
	@$(BIN)/python -m bench

docs: $(INSTALLED)
	@$(BIN)/python -m server.reference

wheel: $(INSTALLED)
	@cd wheels/langgraph-transcript && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(CURDIR)/dist

bench-reading: $(INSTALLED)
	@$(BIN)/python -m bench.reading

bench-calls: $(INSTALLED)
	@$(BIN)/python -m bench.calls

# No index is named, and hashes stand in for it: whoever installs takes the files from their own.
lock:
	@uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock

clean:
	@rm -rf $(VENV) .langgraph_api .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
