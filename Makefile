PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PROTOS := $(wildcard protos/salus/*/v1/*.proto)

.PHONY: help setup demo run test check format protos lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.ready  ## virtual environment from the hashed lock

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Salus needs Python 3.11 or later; set PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing dependencies into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup  ## the whole story once, on real measurements
	@$(BIN)/salus demo

run: setup  ## all services on loopback, data under var/
	@$(BIN)/salus network up --dir var

test: setup  ## all tests
	@$(BIN)/python -m pytest

check: setup  ## format, lint, types, protos
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy services chaincode models tests
	@$(MAKE) --no-print-directory protos
	@git diff --exit-code --stat -- protos || { echo "generated protos differ from what is committed" >&2; exit 1; }

format: setup  ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

protos: setup  ## regenerate the code beside the protos
	@$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=protos --pyi_out=protos --grpc_python_out=protos $(PROTOS)

lock: setup  ## resolve pyproject.toml into requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --prerelease=if-necessary-or-explicit \
	  --extra train --extra dev --no-header --quiet -o requirements.lock pyproject.toml

clean:  ## remove what setup, run and the tools made
	rm -rf $(VENV) var dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
