# From a fresh clone, with Python 3.10 or newer and make:
#   make demo    embedded lines -> runs -> every table and figure -> reports/demo/index.html; goes on where it was stopped
#   make test    every check
#   make check   the quick ones: notebooks clean, package in sync, style
#   make slurm   the same batch on a real Slurm of one node (root, Debian's slurm-wlm and munge)
PYTHON ?= python3
BIN := .venv/bin
CORES ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test check readme clean setup slurm

setup: .venv/installed

.venv/installed: constraints.txt settings.ini setup.py
	$(PYTHON) -c "import sys; sys.exit('Python 3.10 or newer is needed, this is ' + sys.version.split()[0] + ': make PYTHON=python3.x' if sys.version_info < (3, 10) else 0)"
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: setup
	rkd paper --preset quick --name demo --runs runs/demo --categories washer --cores $(CORES)
	@echo "Open reports/demo/index.html"

check: setup
	python .ci/check.py

readme: setup
	python .ci/check.py --write-readme

test: check
	OMP_NUM_THREADS=1 nbdev_test --n_workers 2 --do_print
	python .ci/test_batch.py
	@if [ -x /usr/bin/chromium ]; then python .ci/test_explorer.py; \
	else echo "The explorer was not tested in a browser: there is no /usr/bin/chromium (.ci/browser installs it on Debian)."; fi

slurm: setup
	pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cluster]"
	.ci/slurm --install

clean:
	rm -rf build dist *.egg-info .ruff_cache .hypothesis data/lines runs/demo reports/demo
