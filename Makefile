# From a fresh clone, with Python 3.10 or newer and make:
#   make demo    embedded lines -> runs -> reports/demo/index.html
#   make test    every check
#   make check   the quick ones: notebooks clean, package in sync, style
PYTHON ?= python3
BIN := .venv/bin
LINES := brick gravel washer
VARIANTS := full rd4ad
RUNS := $(foreach line,$(LINES),$(foreach variant,$(VARIANTS),demo-$(line)-$(variant)))
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test check readme clean setup $(RUNS)

setup: .venv/installed

.venv/installed: constraints.txt settings.ini setup.py
	$(PYTHON) -c "import sys; sys.exit('Python 3.10 or newer is needed, this is ' + sys.version.split()[0] + ': make PYTHON=python3.x' if sys.version_info < (3, 10) else 0)"
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(RUNS)
	mkdir -p reports/demo
	papermill --no-progress-bar --log-level ERROR -k python3 --cwd . nbs/paper/report.ipynb reports/demo/report.ipynb -p runs runs/demo
	jupyter nbconvert --log-level ERROR --to html --no-input --output-dir reports/demo --output index.html reports/demo/report.ipynb
	@echo "Open reports/demo/index.html"

data/lines: | setup
	rkd lines --out data/lines

.NOTPARALLEL:
$(RUNS): data/lines
	rkd run --preset quick --data-root data/lines --out runs/demo --category $(word 2,$(subst -, ,$@)) --variant $(word 3,$(subst -, ,$@))

check: setup
	python .ci/check.py

readme: setup
	python .ci/check.py --write-readme

test: check
	OMP_NUM_THREADS=1 nbdev_test --n_workers 2 --do_print
	@if [ -x /usr/bin/chromium ]; then python .ci/test_explorer.py; \
	else echo "The explorer was not tested in a browser: there is no /usr/bin/chromium (.ci/browser installs it on Debian)."; fi

clean:
	rm -rf build dist *.egg-info .ruff_cache .hypothesis data/lines runs/demo reports/demo
