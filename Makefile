# Each target that needs an environment makes one when there is none, and installs again only
# when pyproject.toml, constraints.txt or the place of the checkout has changed.
#     make test VENV=elsewhere PYTHON=python3.12 ARGS="-k seeding"
# VENV is the environment, PYTHON the interpreter that makes a new one, ARGS are handed on.

VENV ?= .venv
PYTHON ?=
ARGS ?=

CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.13 python3)
SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
BIN := $(VENV)/bin

# A stamp is named after what it was installed from, so that it never goes stale unnoticed.
FINGERPRINT := $(shell { echo '$(CURDIR)'; cat pyproject.toml constraints.txt; } | cksum | cut -d ' ' -f 1)
QUICKSTART := $(VENV)/.bnkeras-quickstart-$(FINGERPRINT)
DEV := $(VENV)/.bnkeras-dev-$(FINGERPRINT)

.PHONY: help quickstart test test-slow test-exhaustive lint format docs wheel clean
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

quickstart: $(QUICKSTART) ## train, export and reload a small network on handwritten digits
	@$(BIN)/bnkeras quickstart $(ARGS)

test: $(DEV) ## run the tests, the slow and exhaustive ones left out
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(DEV) ## run the slow tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow and not exhaustive" $(ARGS)

test-exhaustive: $(DEV) ## run more cases of what the others test
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m exhaustive $(ARGS)

lint: $(DEV) ## check style and formatting
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check

format: $(DEV) ## format the code and mend what ruff can mend
	@$(BIN)/python -m ruff check --fix
	@$(BIN)/python -m ruff format

docs: $(DEV) ## build the documentation in build/docs, warnings as errors
	@$(BIN)/properdocs build --strict $(ARGS)

wheel: $(DEV) ## build a wheel in dist/
	@rm -rf build/lib
	@$(BIN)/python -m build --wheel --no-isolation

clean: ## remove what builds and tests leave behind; the environment stays
	@rm -rf build dist bnkeras.egg-info .pytest_cache .ruff_cache
	@find bnkeras pipelines recipes tests -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call install,EXTRA,STAMPS)
define install
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	    python=; \
	    for candidate in $(CANDIDATES); do \
	        if $$candidate -c '$(SUITABLE)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	    done; \
	    if [ -z "$$python" ]; then \
	        echo "bnkeras needs Python 3.11, 3.12 or 3.13 with its venv module." >&2; \
	        echo "Tried: $(CANDIDATES). None of them is one." >&2; \
	        echo "Install one (on Debian: python3.11-venv), or name it: make PYTHON=..." >&2; \
	        exit 1; \
	    fi; \
	    echo "Making the environment $(VENV) with $$($$python --version)."; \
	    $$python -m venv $(VENV) && $(BIN)/python -m pip --version >/dev/null || { \
	        echo "$(VENV) could not be made; if a broken one stands there, remove it." >&2; \
	        exit 1; \
	    }; \
	}
	@rm -f $(VENV)/.bnkeras-*
	@echo "Installing bnkeras[$(1)] into $(VENV); the first time takes minutes."
	@$(BIN)/python -m pip install -qq -c constraints.txt -e '.[$(1)]' || { \
	    echo "The installation failed. The same with every detail:" >&2; \
	    echo "    $(BIN)/python -m pip install -c constraints.txt -e '.[$(1)]'" >&2; \
	    exit 1; \
	}
	@touch $(2)
endef

$(QUICKSTART):
	$(call install,quickstart,$(QUICKSTART))

# What `dev` brings includes what `quickstart` brings.
$(DEV):
	$(call install,dev,$(DEV) $(QUICKSTART))
