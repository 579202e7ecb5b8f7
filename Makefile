# Each target does all the set-up that it needs, in a virtual environment of the project's own.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# `make test MARK=slow` runs only the long tests, `make test MARK="slow or not slow"` all of them.
MARK ?= not slow

.PHONY: demo test lint bench docs clean

demo: $(VENV)/.rl
	$(BIN)/python -m baselines train --task parity --cell leaky --curriculum multi-head --n-max 12 --seed 0
	@run=$$(ls -td runs/parity_leaky_multi-head_n12_seed0* | head -n 1); printf '%s\n' "" \
	"The run is in $$run. Activate the virtual environment:" "" \
	"  . $(BIN)/activate" "" \
	"Then try" "" \
	"  python -m baselines evaluate $$run --lags                    # what does it remember?" \
	"  python -m baselines analyze $$run --what ablation            # which units does it need?" \
	"  python -m baselines benchmark --agent examples.08_a_finite_state_machine:make_agent --tasks parity" "" \
	"docs/start.md goes on from here."

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

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -d build/doctrees docs build/docs
	@echo "Open build/docs/index.html"

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.rl $(VENV)/.dev $(VENV)/.docs: $(VENV)/.%: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing PyTorch, Gymnasium and others into $(VENV): about 1 GB (PyTorch's GPU build: several), a minute or two."
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[$*]"
	touch $@
