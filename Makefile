# Each target does all the set-up that it needs, in a virtual environment of the project's own.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# `make test MARK=slow` runs only the long tests, `make test MARK="slow or not slow"` all of them.
MARK ?= not slow

.PHONY: demo test lint bench clean

demo: $(VENV)/.baselines
	$(BIN)/python -m baselines train --task parity --cell leaky --curriculum multi-head --n-max 12 --seed 0

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m "$(MARK)"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

bench: $(VENV)/.dev
	$(BIN)/python -m speed.environments --quick
	$(BIN)/python -m speed.training --quick

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.baselines $(VENV)/.dev: $(VENV)/.%: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	touch $@
