# The only door to every task. `make` alone prints what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
EXTRA := $(if $(GPU),gpu,cpu)
BIN := .venv/bin
PROTOS := $(shell find protos -name '*.proto')

.venv/.ready-$(EXTRA): pyproject.toml clients/python/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	mkdir -p gen/lookalike
	$(BIN)/python -m pip install --quiet -c constraints.txt -e clients/python -e '.[$(EXTRA),dev]'
	rm -f .venv/.ready-*
	touch $@

gen/.ready: .venv/.ready-$(EXTRA) $(PROTOS)
	rm -rf gen && mkdir -p gen
	$(BIN)/python -m grpc_tools.protoc -I protos \
	  -I $$($(BIN)/python -c 'import google.rpc, pathlib; print(pathlib.Path(list(google.rpc.__path__)[0]).parent.parent)') \
	  --python_out=gen --grpc_python_out=gen \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --mypy_out=quiet:gen \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=quiet:gen \
	  $(PROTOS)
	touch $@

.PHONY: protos
protos: gen/.ready ## Generate the Python stubs into gen/
