# Every target sets up what it needs, so that each works on a fresh clone (Python 3.11, make).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test test-min lint bench clean

run: $(VENV)/.run
	$(BIN)/reverie train

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# The core of the tests with the oldest versions that pyproject.toml allows, in an environment of its own.
test-min: $(VENV)-min/.dev
	PYTHONPATH=src $(VENV)-min/bin/python -m pytest -n 2 --dist loadgroup tests/run tests/cli tests/envs tests/training

$(VENV)-min/.dev: pyproject.toml constraints-min.txt
	$(PYTHON) -m venv $(VENV)-min
	$(VENV)-min/bin/pip install --quiet --disable-pip-version-check -c constraints-min.txt -e '.[cluster]' \
		pytest pytest-xdist hypothesis
	touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

bench: $(VENV)/.bench
	$(BIN)/reverie bench env
	$(BIN)/reverie bench rollout
	$(BIN)/reverie bench scaling
	$(BIN)/reverie bench vision
	$(BIN)/reverie bench memory
	$(BIN)/reverie bench dream

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[dev,cluster]'
	touch $(VENV)/.run $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[bench]'
	touch $(VENV)/.run $@

clean:
	rm -rf $(VENV) $(VENV)-min .pytest_cache .ruff_cache
