# make demo    train PPO briefly, compare it with solvers and baselines, show the report
# make test    the whole test suite
# make check   formatting, lint, types and the test suite
# make docs    the documentation as a web site, in site/
# make test-frameworks   ten RL libraries with their recipes, each in an environment of its own
# make test-processors   the suite as other processors would compute (an hour)
# Each creates .venv and installs what it needs; nothing else is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GYMNASIUM_VERSIONS := 1.1.1 1.2.2 1.3.0 newest

# Two test processes with one thread each, instead of threads that wait for another.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test lint format check docs test-gymnasium test-frameworks test-processors clean

demo: $(VENV)/train.stamp
	OMP_NUM_THREADS=2 $(BIN)/python train.py --agent ppo --timesteps 200_000
	$(BIN)/python evaluate.py --instances 50 --jobs 2 --agents \
		runs/ppo/latest ppo:pretrained apg:pretrained dashf dual gucro gucaa rucaa random

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test

# The theme's announcement of its successor is in docs/decisions/0009; no need to repeat it.
docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test-gymnasium: $(GYMNASIUM_VERSIONS:%=test-gymnasium-%)

test-gymnasium-%:
	$(PYTHON) tests/with_gymnasium.py $*

test-frameworks:
	$(PYTHON) tests/with_frameworks.py

test-processors: $(VENV)/test.stamp
	$(BIN)/python tests/as_other_processors.py -- -n 2 --dist worksteal

# An extra of setup.cfg, installed into the environment.
$(VENV)/%.stamp: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
