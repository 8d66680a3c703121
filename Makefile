# From a fresh clone, with Python 3.10 to 3.13 and make:
#   make demo     embedded lines -> runs -> every table and figure -> reports/demo/index.html; goes on where it was stopped.
#                 The method on all six lines, its variants on one: 14 runs. Seven to eleven minutes on two cores that multiply bfloat16 in hardware
#                 (AMX or AVX-512 BF16), about three times as long on others; CORES=8 uses eight.
#   make figures  the pictures in figures/, which the README shows, drawn anew from the demo's runs
#   make test     every check
#   make check    the quick ones: notebooks clean, package in sync, style
#   make faults   kills, full disks, signals and damaged files in their full form; make test has a short one
#   make site     the documentation as web pages, _docs/html/index.html, built from stored outputs (npm, the first time, for MathJax)
#   make slurm    a small batch on a real Slurm of one node (root, Debian's slurm-wlm and munge)
# The newest Python that is supported and can make environments, unless PYTHON names one.
PYTHON ?= $(shell for minor in 13 12 11 10; do python3.$$minor -c "import ensurepip, sys; print(sys.executable)" 2>/dev/null && exit; done; echo python3)
BIN := .venv/bin
CORES ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo figures test test-faults test-commands test-explorer check readme clean setup site slurm faults

setup: .venv/installed

.venv/installed: constraints.txt settings.ini setup.py
	$(PYTHON) -c "import sys; sys.exit('Python 3.10 or newer is needed, this is ' + sys.version.split()[0] + ': make PYTHON=python3.x' if sys.version_info < (3, 10) else 0)"
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: setup
	@test -f reports/demo/index.html || { rkd paper --preset quick --name demo --runs runs/demo --categories washer --only figure3 --cores $(CORES); \
	echo "The first line is in reports/demo/index.html; the others and the tables follow."; }
	rkd paper --preset quick --name demo --runs runs/demo --ablations washer --cores $(CORES)
	@echo "Open reports/demo/index.html"

figures: setup
	rkd paper --preset quick --name figures --runs runs/demo --only figure1,figure2,figure3,figure4,figure5 --figures figures --cores $(CORES)

check: setup
	python .ci/check.py

readme: setup
	python .ci/check.py --write-readme

test: check
	OMP_NUM_THREADS=1 nbdev_test --n_workers 2 --do_print --timing
	python .ci/test_batch.py
	$(MAKE) --no-print-directory -j2 test-faults test-commands test-explorer

# each of these keeps one core busy
test-faults: setup
	python .ci/faults.py

test-commands: setup
	OMP_NUM_THREADS=1 python .ci/test_commands.py

test-explorer: setup
	python .ci/test_explorer.py

faults: setup
	python .ci/faults.py --full --write nbs/tutorials/evidence/faults.json

site: setup
	pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	python .ci/site/build.py
	python .ci/test_site.py

slurm: setup
	pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cluster]"
	.ci/slurm --install

clean:
	rm -rf build dist *.egg-info .ruff_cache .hypothesis .snakemake data/lines runs/demo runs/lesson reports/demo reports/figures
