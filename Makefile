# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Two targets matter: `make check` does the main job on this machine, `make test` runs every test. Both set up what they need.

# A real interpreter ahead of a version manager's shim, which may refuse to run; tried by running it.
PYTHON := $(shell for python in /usr/bin/python3 /usr/local/bin/python3 python3 /usr/bin/python3.1[1-9] \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python3 python3.13 python3.12 python3.11; do \
	"$$python" -I -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && break; done)
STAGES = PYTHONPATH=tools PYTHONDONTWRITEBYTECODE=1 "$(PYTHON)" -m stages

.PHONY: help check test test-all unit lint sanity artefact molecule bench hardware check_gpu.pyz release lock clean python
.DEFAULT_GOAL := help

help:
	@echo 'make check                   see the GPUs of this machine and what keeps them from AI work'
	@echo 'make check PROFILE=list      names of simulated machines; PROFILE=name looks at one of them'
	@echo 'make test                    all tests; parts: make unit, lint, sanity, artefact, molecule [SCENARIO=name]'
	@echo 'make test-all                the same with every build of a driver (20 minutes more)'
	@echo 'make bench                   measure speed'
	@echo 'make hardware                compare with the vendor tools, on a machine with a real GPU'
	@echo 'make check_gpu.pyz           build/check_gpu.pyz, the one file that needs nothing but Python'
	@echo 'make release                 build/release: the collection as a tar.gz, and check_gpu.pyz'
	@echo 'make lock                    lock requirements/*.in anew (needs uv)'
	@echo 'make clean                   remove all that the other targets made'

python:
	@test -n "$(PYTHON)" || { echo 'needs Python 3.11 or newer that can make virtual environments (Debian, Ubuntu: apt install python3 python3-venv)' >&2; exit 1; }

check: python
	@$(STAGES) check $(PROFILE)

test: python
	@$(STAGES) test

test-all: python
	@$(STAGES) test --everything

unit lint sanity artefact: python
	@$(STAGES) test $@

molecule: python
	@$(STAGES) test $(if $(SCENARIO),molecule/$(SCENARIO),molecule)

bench: python
	@$(STAGES) bench

hardware: python
	@$(STAGES) python controller-newest -m pytest -q tests/hardware

check_gpu.pyz: python
	@mkdir -p build && "$(PYTHON)" tools/check_gpu/build.py build/check_gpu.pyz

release: check_gpu.pyz
	@$(STAGES) release && cp build/check_gpu.pyz build/release/ && ls -l build/release

lock:
	cd requirements && for name in node:3.9 controller-oldest:3.11 controller-newest:3.11 lint:3.11 galaxy:3.11 molecule:3.11; do \
		in=$${name%:*}; { sed -n 1,2p $$in.in; echo "# Locked from $$in.in by \`make lock\`; for Python $${name#*:} and later."; \
		uv pip compile --quiet --universal --upgrade --python-version $${name#*:} --no-annotate --no-header $$in.in; } > $$in.txt.new \
		&& mv $$in.txt.new $$in.txt || exit 1; done

clean:
	rm -rf build .venv .nox .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
