# `make run` for a library, `make test` for a developer; `make help` for the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup run test lint types unit services services-down cluster soak fuzz bench bench-releases relevance proto collection licences sbom advisories

PY := .venv/bin/python
SBOM ?= var/sbom.json
# The settings treat an empty variable as unset.
export PORT DATA WORKERS BENCH RELEASE KILLS SOAK_SEED FUZZ_SECONDS FUZZ_SEED
# Tests start hundreds of processes: without bytecode on disk each process would compile its imports.
unexport PYTHONDONTWRITEBYTECODE

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

setup:  ## install uv and the locked environment with the development tools
	@.ci/setup dev

run:  ## start the library on this machine: PORT=8080 DATA=var WORKERS=1
	@.ci/setup run
	@exec .ci/start

# The checks run while the servers start. More tests run at once than there are cores, because half of them wait. When a
# test process dies, the run ends, because a new process would get no tests.
# At most five failed tests get a second try.
test: export SERVERS_FOR = tests
test: setup  ## run everything: checks, types, and all tests on real servers
	@$(MAKE) --jobs=4 --output-sync services lint types
	@$(PY) -m tests.second_try -q -n 4 --dist loadfile --max-worker-restart 0 $(ARGS)

lint: setup  ## run ruff, import contracts, stubs, proto, OpenAPI, shell, Dockerfile, manifests, checkov
	@.ci/lint

types: setup  ## run mypy in strict mode
	@$(PY) -m mypy

unit: setup  ## run the tests that need no servers, in two processes
	@$(PY) -m pytest -q -n 2 --dist loadfile -m "not servers and not cluster and not browser" $(ARGS)

services: setup  ## start PostgreSQL, RabbitMQ and Elasticsearch for this checkout
	@$(PY) -m tests.servers up

services-down:  ## stop the servers of this checkout
	@python3 -m tests.servers down

cluster: services  ## start the cluster edition on those servers, with separate processes for each service
	@exec $(PY) -m tests.servers.cluster

soak: services  ## run every record of the sets at hand through the forms of cataloguers, 100,000 acts of lending, harvests of 20,000 records that change, then random kills on both editions: KILLS=200 SOAK_SEED= (a seed repeats its run)
	@$(PY) -m tests.services.catalog.cataloguing.forms
	@$(PY) -m tests.services.circulation 100000
	@$(PY) -m tests.gateway.partners.oai 20000
	@exec $(PY) -m tests.faults

fuzz: services  ## fuzz the MARC reader, the query parser and cursors for FUZZ_SECONDS=60 each, guided by coverage; then run the tests of properties with random examples: FUZZ_SEED= (a seed repeats its run)
	@.uv/bin/uv run --quiet --locked --group fuzz python -m tests.fuzz
	@seed="$${FUZZ_SEED:-$$RANDOM$$RANDOM}"; echo "FUZZ_SEED=$$seed"; exec $(PY) -m pytest -q -n 2 --dist loadfile -m hypothesis --hypothesis-profile random --hypothesis-seed "$$seed"

bench: setup  ## run the benchmarks, then relevance: BENCH=10k|100k|1m
	@$(PY) -m bench
	@$(MAKE) relevance

bench-releases: setup  ## compare the speed with a recorded release, in one run: BENCH=100k RELEASE=0.1.0
	@$(PY) -m bench.releases

relevance: services  ## measure the relevance of judged searches, on both engines
	@exec $(PY) -m bench.relevance

proto: setup  ## generate rangkiang/ from proto/
	@.ci/proto generate

collection: setup  ## write docs/rangkiang.postman.json from the OpenAPI document
	@.ci/collection docs/rangkiang.postman.json

licences: setup  ## write docs/licences.md from uv.lock and the installed packages
	@$(PY) -m tests.architecture.licences

sbom: setup  ## write the packages of the product as CycloneDX: SBOM=var/sbom.json
	@mkdir -p "$(dir $(SBOM))"
	@.uv/bin/uv export --quiet --locked --no-dev --format cyclonedx1.5 --preview-features sbom-export --output-file "$(SBOM)"
	@echo "$(SBOM)"

advisories: setup  ## check the locked packages for advisories on osv.dev; fails when osv.dev does not answer
	@.ci/advisories
