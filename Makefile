# make search ARGS="--seed 1"          more options for the search
# make test PYTHON=/path/to/python3.10  the Python to make .venv with, instead of looking for one
# make test ARGS="-k macro"            more options for pytest

.DEFAULT_GOAL := help
.PHONY: help venv search test test-slow test-cuda-libraries lint pins clean
export PYTHON

python := .venv/bin/python
pytest := $(python) -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile # a file's tests share what is slow to make

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 21

venv: ## Make .venv with the pinned packages, unless it is complete
	@tools/setup_venv.sh

search: venv ## Search for a network on the digits data, on the CPU, without a download
	$(python) macro_search.py --preset quick $(ARGS)

test: venv ## Run the tests
	$(pytest) $(ARGS)

test-slow: venv ## Run all tests, the slow ones too
	$(pytest) -m "" $(ARGS)

test-cuda-libraries: ## Fetch CUDA's packages (1.8 GB) into .venv-cuda and see that they load
	@test -x .venv-cuda/bin/python || $$(tools/find_python.sh) -m venv .venv-cuda
	.venv-cuda/bin/python -m pip install --quiet --disable-pip-version-check '.[cuda]'
	.venv-cuda/bin/python -m tests.cuda.libraries

lint: venv ## Check the style
	$(python) -m ruff check .

pins: venv ## Write the requirements files anew from their .in files
	tools/pin_requirements.sh $(ARGS)

clean: ## Remove .venv and caches; results of runs stay
	rm -rf .venv .venv-cuda .pytest_cache .ruff_cache .hypothesis *.egg-info build/lib build/bdist.*
	rmdir build 2>/dev/null || true
	find . -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
