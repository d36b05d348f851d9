# What a developer does in a day. Everything installs what it needs; `make setup` needs root for the host's packages.
SHELL := /bin/bash
PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
HOST_PACKAGES := $(shell grep -v '^\#' host-packages.txt)
TEST_PACKAGES := $(shell grep -v '^\#' test-packages.txt)

.PHONY: help setup host-packages test-packages image kernel check unit integration e2e test bench bench-nos bench-lessons soak lock clean

help: ## What can be done here
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: host-packages $(VENV)/.installed ## Install the host's packages and the virtual environment

host-packages test-packages:
	@missing=; for package in $(if $(filter test-packages,$@),$(TEST_PACKAGES),$(HOST_PACKAGES)); do \
	    [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	    echo "installing:$$missing"; \
	    $(SUDO) apt-get update -qq && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	fi

# The system's Python and its packages, since the guestfs binding comes from there and from nowhere else.
$(VENV)/.installed: requirements.lock pyproject.toml core/pyproject.toml $(wildcard plugins/*/pyproject.toml) | host-packages
	$(PYTHON) -m venv --system-site-packages $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    -e core -e plugins/debian -e plugins/centos -e plugins/linux -e plugins/nos \
	    -e plugins/napalm-frr -e plugins/configurators
	touch $@

image: setup ## Build the debian image, test it, and say how to log in to it
	$(BIN)/labwright build images/debian

kernel: setup ## Build the kernel alone
	$(BIN)/labwright kernel build debian

check: setup ## Lint, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup ## Fast tests
	$(BIN)/pytest -q tests/unit

integration: setup test-packages ## Tests against real tools
	$(SUDO) $(BIN)/pytest -q tests/integration

e2e: setup test-packages ## Build and boot what we make; the first run compiles a kernel
	$(SUDO) $(BIN)/pytest -v tests/e2e

test: check test-packages ## Everything that CI runs
	$(SUDO) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -v --durations=15 tests

bench: setup ## Compare with peers, print ratios; FIRECRACKER=its guest configuration for the kernel's part
	$(SUDO) $(BIN)/python -m bench.run $(if $(FIRECRACKER),--firecracker $(FIRECRACKER))

bench-nos: setup test-packages ## The same for network systems: consoles, NAPALM on FRR, a first boot
	$(SUDO) env PYTHONPATH=tests $(BIN)/python -m bench.console
	$(SUDO) env PYTHONPATH=tests $(BIN)/python -m bench.napalm_frr
	$(SUDO) $(BIN)/python -m bench.nos

bench-lessons: setup test-packages ## The same for lessons: rendering, a stage of a hundred endpoints, labs; needs out/frr.qcow2
	$(SUDO) $(BIN)/python -m bench.kit
	$(SUDO) $(BIN)/python -m bench.lessons_configure
	$(BIN)/python -m bench.lessons

soak: setup ## Kill builds and interrupt lessons at random moments, build through a mirror that fails; tables (an hour)
	$(SUDO) env PYTHONPATH=tests $(BIN)/python tests/soak/kill.py
	$(SUDO) env PYTHONPATH=tests $(BIN)/python tests/soak/interrupt.py
	$(SUDO) env PYTHONPATH=tests $(BIN)/python tests/soak/mirror.py

lock: setup ## Make the locks of Python libraries anew: ours, and the utility image's
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --quiet requirements.in --output-file requirements.lock
	$(VENV)-lock/bin/uv pip compile --python-platform linux --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --quiet images/utility/requirements.in \
	    --output-file images/utility/requirements.lock

clean: ## Give back what dead builds left, and remove the virtual environments
	-[ ! -x $(BIN)/labwright ] || $(BIN)/labwright clean
	rm -rf $(VENV) $(VENV)-lock
