# esmviz: `make help` lists the commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run install test test-slow fuzz check audit lock bench bench-heads bench-engine bench-costs bench-memory bench-load train-mini clean chromium postgres

PORT ?= 8501
HOST ?= 127.0.0.1
# A Python 3.11, 3.12 or 3.13 to build .venv with; found when empty.
PYTHON ?=
# Package index to take torch from, when its ordinary wheel (on Linux with gigabytes of CUDA) is too much.
TORCH_INDEX ?=
# How many processes share the tests. Two fit two cores and 8 GB.
WORKERS ?= 2
# Of bench-load.
VISITORS ?= 100
DURATION ?= 300
# How long make fuzz takes.
SECONDS := 600
# Folder with train.fasta.gz, families.fasta.gz and valid.fasta.gz.
DATA ?= ../shared/data/train

PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# Only files whose SHA-256 is in the lock.
LOCKED := $(PIP) install --quiet --require-hashes
# torch is apart, with what only its CUDA wheel needs: the wheels for a processor alone have other hashes.
TORCH := $(shell grep '^torch==' requirements.txt)
QUIET := STREAMLIT_BROWSER_GATHER_USAGE_STATS=false DISABLE_SAFETENSORS_CONVERSION=1
OFFLINE := $(QUIET) HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
# Threads that wait leave the core to others. Tests of one file stay together: what they share is made once. All processes
# must find tests of the same names: bytes that a name is made of may not hold the time (gzip: mtime=0).
PYTEST := OMP_WAIT_POLICY=passive $(OFFLINE) $(PY) -m pytest -q
SHARED := --numprocesses $(WORKERS) --dist loadfile

# A stamp is named after the contents that were installed, and after the folder, since .venv does not survive a move.
digest = $(shell (echo $(CURDIR); cat $(1)) | sha256sum | cut -c1-16)
RUN_FILES := requirements.txt requirements.lock constraints.txt pyproject.toml
RUN_STAMP := .venv/.run-$(call digest,$(RUN_FILES))
ESM_STAMP := .venv/.esm-$(call digest,$(RUN_FILES) requirements-esm.lock)
DEV_STAMP := .venv/.dev-$(call digest,$(RUN_FILES) requirements-dev.lock)

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 20
	@echo
	@echo 'Variables: PORT=8501 HOST=127.0.0.1 PYTHON=python3.12 TORCH_INDEX=... NO_BROWSER=1 (tests) DATA=... (training)'

run: $(RUN_STAMP)  ## set up .venv once, then start the app on http://localhost:8501
	@echo "esmviz starts on http://$(HOST):$(PORT)"
	@exec env $(QUIET) $(PY) -m streamlit run app.py --server.port $(PORT) --server.address $(HOST) \
	  --server.headless true --browser.gatherUsageStats false

install: $(RUN_STAMP) $(ESM_STAMP)  ## set up .venv only, the esm package included

test: $(RUN_STAMP) $(DEV_STAMP) $(ESM_STAMP) chromium postgres  ## unit, page and browser tests, without network
	$(PYTEST) $(SHARED) -m 'not slow and not weights and not browser'
ifeq ($(NO_BROWSER),)
	$(PYTEST) -m 'browser and not slow and not weights' tests/browser
else
	@echo 'NO_BROWSER is set: the browser tests were left out.'
endif

# Browser tests go alone, as above: Playwright's event loop stays, and asyncio.run refuses to start another. One at a
# time, too: Chromium and the server keep two cores busy.
test-slow: $(RUN_STAMP) $(DEV_STAMP) $(ESM_STAMP) chromium postgres  ## load, kill, long browser walks, foreign environments
	$(PYTEST) $(SHARED) -m 'slow and not browser' tests
ifeq ($(NO_BROWSER),)
	$(PYTEST) -m 'browser and slow' tests/browser
endif

fuzz: $(RUN_STAMP) $(DEV_STAMP)  ## throw mutated files and replies at every reader for SECONDS (600 in all)
	OMP_NUM_THREADS=1 $(OFFLINE) $(PY) -m tests.hostile.fuzz $(SECONDS)

check: $(RUN_STAMP) $(DEV_STAMP)  ## format, lint, types, unsafe calls, and who may import whom
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m bandit --quiet --recursive --configfile pyproject.toml app.py pages esmviz training
	$(PY) -m pytest -q tests/test_architecture.py

audit: $(RUN_STAMP) $(DEV_STAMP)  ## known vulnerabilities of what is locked (asks the package index)
	@for lock in requirements.lock requirements-dev.lock requirements-esm.lock; do \
	  echo "$$lock"; \
	  $(PY) -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off --timeout 30 --requirement $$lock || { \
	    echo 'make audit: either it lists vulnerabilities above, or the package index cannot be asked from here.' >&2; \
	    exit 1; \
	  }; \
	done

APART := pip torch $(shell sed -nE 's/^((nvidia|cuda|triton)[^=]*)==.*/\1/p' constraints.txt)
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-strip-markers \
  $(addprefix --no-emit-package ,$(APART)) --custom-compile-command 'make lock'

lock:  ## write the locks with their hashes anew (needs uv, and asks the package index)
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	$(LOCK) --constraint constraints.txt requirements.txt --output-file requirements.lock
	$(LOCK) --constraint constraints.txt requirements-dev.txt --output-file requirements-dev.lock
	$(LOCK) --no-deps requirements-esm.txt --output-file requirements-esm.lock

bench: $(RUN_STAMP) $(DEV_STAMP) chromium  ## time the app on this machine
	$(OFFLINE) $(PY) -m benchmarks.app

bench-heads: $(RUN_STAMP) $(DEV_STAMP)  ## time and memory of attention outputs, beside transformers in eager mode (6 GB)
	$(OFFLINE) $(PY) -m benchmarks.attention

bench-engine: $(RUN_STAMP) $(DEV_STAMP)  ## embedding speed beside transformers, at four sizes (an hour)
	$(OFFLINE) $(PY) -m benchmarks.engine

bench-costs: $(RUN_STAMP) $(DEV_STAMP)  ## time and memory against length and number of proteins
	$(OFFLINE) $(PY) -m benchmarks.costs

bench-memory: $(RUN_STAMP) $(DEV_STAMP)  ## peak memory of esmviz embed against the number of proteins
	$(OFFLINE) $(PY) -m benchmarks.memory

bench-load: $(RUN_STAMP) $(DEV_STAMP)  ## VISITORS walk the pages for DURATION seconds, with small caches: answers, memory, errors
	$(OFFLINE) $(PY) -m benchmarks.load --visitors $(VISITORS) --seconds $(DURATION)

train-mini: $(RUN_STAMP)  ## train the embedded model anew from the proteins in DATA, and measure it
	$(PY) -m training.prepare $(DATA) --example esmviz/assets/example/example.fasta
	$(PY) -m training.train --export esmviz/assets/mini
	$(PY) -m training.evaluate $(DATA)/..

clean:  ## remove .venv and everything that was built
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment -------------------------------------------------------------------------------------

define find_python
suits() { "$$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }; \
if [ -n '$(PYTHON)' ]; then candidates='$(PYTHON)'; else candidates='python3 python3.13 python3.12 python3.11'; fi; \
for python in $$candidates; do if suits "$$python"; then break; fi; python=; done; \
if [ -z "$$python" ]; then \
  echo "esmviz needs Python 3.11, 3.12 or 3.13 with pip and venv; none of [ $$candidates ] is one." >&2; \
  echo "On Debian or Ubuntu: apt install python3-venv; or name another: make run PYTHON=/path/to/python3.12" >&2; \
  exit 1; \
fi
endef

$(RUN_STAMP):
	@if ! $(PY) -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	  $(find_python); \
	  echo "Creating .venv with $$($$python --version)"; \
	  "$$python" -m venv --clear .venv; \
	fi
ifneq ($(TORCH_INDEX),)
	$(PIP) install --quiet --no-deps --index-url $(TORCH_INDEX) $(TORCH)
endif
	@echo 'Installing what esmviz needs (once; a few minutes)'
	@$(LOCKED) --only-binary :all: -r requirements.lock
	@$(PIP) install --quiet $(TORCH) -c constraints.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(PY) -c 'from esmviz.models import half_attention; half_attention.warm_up()'
	@$(PY) -c 'from esmviz import maps; maps.warm_up()'
	@rm -f .venv/.run-* && touch $@

# esm pins an old transformers, which the resolver would refuse: hence --no-deps, after everything else.
$(ESM_STAMP): $(RUN_STAMP)
	@$(LOCKED) --no-deps -r requirements-esm.lock
	@rm -f .venv/.esm-* && touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@$(LOCKED) --only-binary :all: -r requirements-dev.lock
	@rm -f .venv/.dev-* && touch $@

chromium:
ifeq ($(NO_BROWSER),)
	@for name in "$${CHROMIUM:-}" chromium chromium-browser google-chrome; do \
	  if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else \
	  echo 'The browser tests need Chromium: sudo apt install chromium fonts-dejavu-core' >&2; \
	  echo '(or CHROMIUM=/path/to/chrome; or NO_BROWSER=1 to leave these tests out).' >&2; \
	  exit 1; \
	fi
endif

# Without it the tests over PostgreSQL are skipped; those over SQLite ask the same.
postgres:
	@if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	  else \
	    echo 'The tests over PostgreSQL are skipped without it: sudo apt install postgresql' >&2; \
	  fi; \
	fi
