# make demo         a real daemon on sample data: log in, download, verify and load a masked package
# make test         the whole suite against real PostgreSQL, MariaDB and Redis servers on free ports
# make test-mysql   what has to hold on a real MySQL too (fetches one from the distribution's newest suite)
# make test-million a million values through each mask that promises to keep them distinct (some minutes)
# make chaos        three instances behind nginx are killed in turn, and Redis for 30 s, under 200 clients
# make soak         mixed requests for three minutes (SOAK="--seconds 3600"); prints the slope of the memory
# make lint         ruff and mypy --strict
# make bench        what this costs beside pg_dump, mariadb-dump, nginx and curl: benchmarks/results.md
# make bench-quick  the same on small data, in under five minutes
# make constraints  pins in deploy/constraints.txt what is installed here: what images and releases hold
# make sbom         what a release holds, as CycloneDX: build/sbom.cdx.json
# make audit        looks those versions up among published weaknesses
# make dist         wheel, sdist, SBOM and checksums of a release in dist/
# make screenshots  the pictures of the console in docs/images, from the demo's data
# make docs         the generated parts of docs/, and all of it as a site in site/

PYTHON ?= python3
VENV := .venv
DOCS_VENV := build/docs-venv
RELEASE_VENV := build/release-venv
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help screenshots demo test test-mysql test-million chaos soak lint bench bench-quick constraints sbom audit dist docs clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/bin/python:
	@sh tests/support/prepare.sh venv $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/server-installed: setup.cfg setup.py | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -e '.[server]'
	@touch $@

$(VENV)/test-installed: setup.cfg setup.py | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -e '.[test]'
	@touch $@

demo: $(VENV)/server-installed
	@$(VENV)/bin/hfitd demo

test: $(VENV)/test-installed
	@sh tests/support/prepare.sh servers
	@sh tests/support/fetch_helm.sh $(VENV)/helm
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

test-mysql: $(VENV)/test-installed
	@sh tests/support/prepare.sh servers
	@sh tests/support/fetch_mysql.sh $(VENV)/mysql
	HFIT_TEST_MYSQL9="$(CURDIR)/$(VENV)/mysql" $(VENV)/bin/python -m pytest -m mysql9

test-million: $(VENV)/test-installed
	$(VENV)/bin/python -m pytest -m million tests/hfitd/masks

chaos: $(VENV)/test-installed
	@sh tests/support/prepare.sh servers
	$(VENV)/bin/python -m tests.faults.chaos $(CHAOS)

soak: $(VENV)/test-installed
	$(VENV)/bin/python -m tests.faults.soak $(SOAK)

lint: $(VENV)/test-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench bench-quick: $(VENV)/test-installed
	@sh tests/support/prepare.sh peers
	$(VENV)/bin/python -m benchmarks $(if $(filter bench-quick,$@),--quick) $(BENCH)

constraints: $(VENV)/test-installed
	$(VENV)/bin/python -m tests.support.constraints

# The tools of a release beside, not within, the environment that the SBOM describes.
$(RELEASE_VENV)/installed: setup.cfg setup.py deploy/constraints.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(RELEASE_VENV)/tools
	$(RELEASE_VENV)/tools/bin/python -m pip install -q 'build>=1.3' 'cyclonedx-bom>=7,<8' 'pip-audit>=2.9,<3'
	$(PYTHON) -m venv --without-pip $(RELEASE_VENV)/product
	$(RELEASE_VENV)/tools/bin/python -m pip --python $(RELEASE_VENV)/product/bin/python install -q \
		--constraint deploy/constraints.txt '.[server,s3,otel]'
	@touch $@

sbom: $(RELEASE_VENV)/installed
	$(RELEASE_VENV)/tools/bin/cyclonedx-py environment --output-reproducible --of JSON -o build/sbom.cdx.json \
		$(RELEASE_VENV)/product/bin/python

audit: $(RELEASE_VENV)/installed
	@sh deploy/release/audit.sh $(RELEASE_VENV)/tools/bin/python

dist: sbom
	rm -rf dist
	$(RELEASE_VENV)/tools/bin/python -m build --outdir dist .
	cp build/sbom.cdx.json dist/
	cd dist && sha256sum ./* >SHA256SUMS

$(DOCS_VENV)/installed: setup.cfg setup.py | $(VENV)/bin/python
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install -q -e '.[docs]'
	@touch $@

screenshots: $(VENV)/test-installed
	@sh tests/support/prepare.sh servers
	$(VENV)/bin/python -m pytest tests/acceptance/test_console_browser.py --screenshots

docs: $(VENV)/test-installed $(DOCS_VENV)/installed
	$(VENV)/bin/python -m tests.support.reference
	$(VENV)/bin/python -m tests.support.site build/pages
	$(DOCS_VENV)/bin/mkdocs build --quiet --strict

clean:
	rm -rf $(VENV) build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
