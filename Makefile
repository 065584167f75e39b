# Everything is installed into .venv, once; `make help` lists the targets.

PYTHON    ?= python3
# Not ?=: conda and some shells export a HOST that is no address. make HOST=0.0.0.0 works all the same.
HOST      := $(or $(DIGITVOTE_HOST),127.0.0.1)
PORT      ?= $(or $(DIGITVOTE_PORT),8000)
ARTIFACTS ?= $(or $(DIGITVOTE_ARTIFACTS),artifacts)
ENGINE    ?= $(or $(DIGITVOTE_ENGINE),torch)
RECIPE    ?= quick
DATA      ?=
ARGS      ?=

BIN := .venv/bin
COMMA := ,
SPACE := $() $()
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install serve train test lint audit bench bench-peers bench-training soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: .venv/serve.installed .venv/train.installed .venv/tune.installed ## install the service and the trainer into .venv

EXTRA = $(if $(filter onnx,$(ENGINE)),onnx,$(if $(filter torch,$(ENGINE)),serve,$(error ENGINE is '$(ENGINE)': take torch or onnx)))
serve: .venv/$(EXTRA).installed ## serve ARTIFACTS on HOST:PORT by ENGINE (torch or onnx)
	@DIGITVOTE_ENGINE='$(ENGINE)' DIGITVOTE_HOST='$(HOST)' DIGITVOTE_PORT='$(PORT)' DIGITVOTE_ARTIFACTS='$(ARTIFACTS)' exec $(BIN)/python -m service

train: .venv/train.installed .venv/tune.installed ## train all models by RECIPE (quick or release) and publish them in ARTIFACTS
	@$(BIN)/python -m trainer train --recipe '$(RECIPE)' --artifacts '$(ARTIFACTS)' $(if $(DATA),--data '$(DATA)') $(ARGS)

# A file of tests runs in one of up to four processes, so that what its tests share is made once; ARGS='-n 0' is one for all.
# More threads in each would only wait for each other; where a process dies, the test that killed it is told and the run ends.
PARALLEL = --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
test: .venv/serve.installed .venv/train.installed .venv/tune.installed .venv/lint.installed .venv/test.installed .venv/browser.installed .venv/nginx.installed .venv/postgres.installed .venv/postgresql.installed ## run all tests
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: .venv/serve.installed .venv/train.installed .venv/tune.installed .venv/postgres.installed .venv/lint.installed .venv/test.installed ## check style and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

audit: .venv/audit.installed ## look for known vulnerabilities of what requirements.lock pins
	@PYTHON=$(BIN)/python .ci/audit

bench: .venv/serve.installed .venv/train.installed .venv/test.installed ## measure the service beside a no-op upload and a tutorial's service
	@$(BIN)/python -m benchmarks.serving $(ARGS)

bench-peers: .venv/serve.installed .venv/train.installed .venv/test.installed ## the same beside LitServe, BentoML, Ray Serve and MLServer, in .venv-peers
	@$(BIN)/python -m benchmarks.peers.install
	@$(BIN)/python -m benchmarks.serving --peers --workers 1 $(ARGS)

bench-training: .venv/serve.installed .venv/train.installed .venv/test.installed ## measure training to 99 % beside pytorch/examples' loop, and where its time goes
	@$(BIN)/python -m benchmarks.training $(ARGS)

soak: .venv/serve.installed .venv/train.installed .venv/test.installed ## 30 minutes of good, bad, slow and vanishing clients, rollouts and killed workers
	@$(BIN)/python -m benchmarks.soak $(ARGS)

clean: ## remove .venv, .venv-peers and caches
	rm -rf .venv .venv-peers .pytest_cache .mypy_cache .ruff_cache *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "digitvote needs Python 3.11 or newer; set PYTHON=python3.12, say" >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) -m venv .venv failed, as said above (on Debian: apt install python3-venv)" >&2; exit 1; }

# A browser for the tests of the pages: one that is there, else Debian's, else playwright's own; without any they skip.
.venv/browser.installed: .venv/test.installed
	@command -v chromium || command -v google-chrome || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; } || \
	  PLAYWRIGHT_BROWSERS_PATH=.venv/browsers $(BIN)/python -m playwright install chromium-headless-shell || \
	  echo "no browser can be had here: the tests of the pages skip" >&2
	@touch $@

# For the test of a rolling restart, which skips without it.
.venv/nginx.installed: | .venv/bin/python
	@command -v nginx || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nginx-light; } || \
	  echo "no nginx can be had here: the test of a rolling restart skips" >&2
	@touch $@

# For the tests of a study that several machines work on, which skip without it.
.venv/postgresql.installed: | .venv/bin/python
	@ls /usr/lib/postgresql/*/bin/initdb || command -v initdb || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql; } || \
	  echo "no PostgreSQL can be had here: the tests of a shared study skip" >&2
	@touch $@

# What a target needs is installed at once, by one run of pip: each would look through all that is there again.
install lint test: TOGETHER = serve train tune
lint test: TOGETHER += postgres lint test
.venv/%.installed: pyproject.toml requirements.lock | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --constraint requirements.lock --editable '.[$(subst $(SPACE),$(COMMA),$(or $(TOGETHER),$*))]'
	@touch $(patsubst %,.venv/%.installed,$(or $(TOGETHER),$*))
