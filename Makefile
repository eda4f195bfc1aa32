# Two commands matter: `make demo` and `make test`. Both set themselves up: a virtual environment in .venv with
# every package, made once and again when pyproject.toml changes. Needs Python 3.11-3.13 and, the first time, a network.

.DEFAULT_GOAL := help
.PHONY: help demo test check serve clean

BIN := .venv/bin
READY := .venv/.ready

help: ## show this list
	@echo 'make TARGET [ARGS="…"]'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: $(READY) ## import, embed, train, evaluate and serve on port 8000; ARGS go to `towerbridge demo`
	@$(BIN)/towerbridge demo $(ARGS)

test: $(READY) ## the tests; ARGS go to pytest
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/test $(ARGS)

check: $(READY) ## format, lint, types and layering
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

serve: $(READY) ## serve the current model; ARGS go to `towerbridge serve`
	@$(BIN)/towerbridge serve $(ARGS)

clean: ## remove the environment, caches and build leftovers; data and models in .towerbridge/ stay
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml scripts/setup
	@scripts/setup .venv
