# Everything a newcomer or a machine does with this project. Needs python3 (3.11 or newer) and make, and nothing else.

# Any Python from 3.11 on: make PYTHON=python3.12 run
PYTHON ?= python3
# More words for pytest: make test ARGS="-k hours"
ARGS ?=
# Processes that run the tests beside each other, each with servers of its own; a file's tests stay together. One more than a small
# machine has processors, for tests wait much.
JOBS ?= 3

# How much of its long trials a campaign makes (percent), and which part of them it is: parts are added up in the table.
SHARE ?= 100
PART ?= 0

# What make starts gets SIGTERM when make is killed, and so leaves nothing behind.
TETHERED := exec .venv/bin/python -I -S sandbox/servers/tether.py $$PPID 15 -

.DEFAULT_GOAL := help
.PHONY: help run test lint bench campaign docs audit sbom lock ready-run ready-dev

help: ## show these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

run: ready-run ## start the gateway, its worker, a database and the sandbox on http://127.0.0.1:8080 (PORT= changes it)
	@$(if $(PORT),TREGUA_PORT=$(PORT) )$(TETHERED) .venv/bin/tregua dev

test: ready-dev ## run every test against a real PostgreSQL and a real Valkey (ARGS= goes to pytest)
	@sh tools/machine.sh
	@$(TETHERED) .venv/bin/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: ready-dev ## check style and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/python -m mypy

bench: ready-dev ## measure the workloads; fails when a figure does not hold
	@$(TETHERED) .venv/bin/python -m bench $(ARGS)

campaign: ready-dev ## run the long trials (hours; SHARE=10 PART=1 a tenth) and write their table into docs/reliability.md
	@CAMPAIGN=long SHARE=$(SHARE) PART=$(PART) $(TETHERED) .venv/bin/python -m pytest -q -m campaign -o timeout=0 $(ARGS)

docs: ready-dev ## build the site into site/, strictly and without the network
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet

audit: ready-dev ## ask for known weaknesses of every pinned package; fails on one, and when nobody can be asked
	@exec .venv/bin/python tools/audit.py $(ARGS)

sbom: ready-dev ## write build/sbom.json: what production is made of, as CycloneDX
	@exec .venv/bin/python tools/sbom.py

lock: ready-dev ## pin the packages anew after a change of pyproject.toml
	@exec .venv/bin/python tools/lock.py

ready-run:
	@$(PYTHON) tools/bootstrap.py run

ready-dev:
	@$(PYTHON) tools/bootstrap.py dev
