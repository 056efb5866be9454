# `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PRISM_VERSION := v2.77.0

.PHONY: help score test test-engines test-cloud test-hadoop hadoop hadoop-stop lint format bench prism lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

score: $(VENV)/ready ## set up and score the example's real data, in all formats
	@$(BIN)/python examples/make_iris_data.py build/irises
	@for format in jsonl csv parquet; do \
	  echo; echo "--- $$format"; \
	  $(BIN)/python -m beam_jobs.score --model iris_model.iris_predict:IrisModel \
	    --input build/irises/$$format/ --output build/scored/$$format \
	    --overwrite --max_errors 5% || exit; \
	done
	@$(BIN)/python examples/show_output.py build/scored/jsonl build/scored/csv build/scored/parquet

test: $(VENV)/ready ## set up and run all tests
	@$(BIN)/python -m pytest -n 2

test-engines: $(VENV)/ready ## run the same jobs on every engine of this machine; break models on purpose
	@$(BIN)/python -m pytest -n 2 tests_engines

test-cloud: $(VENV)-cloud/ready ## run the tests on object stores, gs:// and s3://, on this machine
	@$(VENV)-cloud/bin/python -m pytest -n 2 tests_cloud

test-hadoop: $(VENV)/ready ## run the tests on a real Hadoop on this machine (needs java and mvn)
	@$(BIN)/python -m pytest tests_hadoop

hadoop: $(VENV)/ready ## start a real Hadoop on this machine (needs java and mvn)
	@$(BIN)/python examples/make_iris_data.py build/irises
	@$(BIN)/python tests_hadoop/cluster.py start > build/hadoop.env
	@cat build/hadoop.env
	@. build/hadoop.env && hadoop fs -put -f build/irises hdfs:///user/scorer/
	@echo "# With that environment, this scores the example on it:"
	@echo "$(BIN)/python -m mapreduce_jobs.score -r hadoop --model iris --max-errors 5% \\"
	@echo "    --python-bin $(CURDIR)/$(BIN)/python --output-dir hdfs:///user/scorer/scored \\"
	@echo "    hdfs:///user/scorer/irises/jsonl/"

hadoop-stop: ## stop it; its files are kept
	@$(PYTHON) tests_hadoop/cluster.py stop

lint: $(VENV)/ready ## check style and types
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(VENV)/ready ## format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

# PEERS=1: Spark and Ray too. BENCH_ARGS: flags of `python -m benchmarks --help`.
PEER_ENVIRONMENTS := $(if $(PEERS),$(patsubst %,build/bench/environments/%/ready,spark ray_data))

bench: $(VENV)/ready $(PEER_ENVIRONMENTS) ## measure what scoring costs, on a quiet machine; PEERS=1: and what others do
	@$(BIN)/python -m benchmarks $(if $(PEERS),--peers) $(BENCH_ARGS)

build/bench/environments/%/ready: benchmarks/peers/%.txt
	@echo "Setting up $(@D), once"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

prism: build/prism ## build Beam's Prism runner, for its tests (needs go)

build/prism:
	@mkdir -p build
	@GOBIN=$(CURDIR)/build go install github.com/apache/beam/sdks/v2/go/cmd/prism@$(PRISM_VERSION)

lock: $(VENV)/ready ## renew requirements.lock and requirements-cloud.lock
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile setup.py --extra dev --universal --python-version 3.11 \
	  --upgrade --no-header --no-annotate --quiet --output-file requirements.lock
	@$(BIN)/uv pip compile setup.py --extra gcp --extra aws --extra emr --extra test-cloud --universal \
	  --python-version 3.11 --constraint requirements.lock \
	  --upgrade --no-header --no-annotate --quiet --output-file requirements-cloud.lock

clean: ## remove what was made here
	@rm -rf build dist $(VENV) $(VENV)-cloud *.egg-info examples/*/*.egg-info

$(VENV)/ready: requirements.lock setup.py $(wildcard examples/*/setup.py)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV), once: some minutes"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
	  -e . -e examples/iris_model -e examples/flight_delay_model
	@$(BIN)/pip check --quiet --disable-pip-version-check
	@touch $@

# With uv, as pip takes over a minute for all that belongs to gcp.
$(VENV)-cloud/ready: requirements-cloud.lock setup.py
	@echo "Setting up $(VENV)-cloud, once: 1 GB"
	@$(PYTHON) -m venv --clear $(VENV)-cloud
	@$(VENV)-cloud/bin/pip install --quiet --disable-pip-version-check uv
	@$(VENV)-cloud/bin/uv pip install --quiet --python $(VENV)-cloud -r requirements-cloud.lock
	@$(VENV)-cloud/bin/uv pip install --quiet --python $(VENV)-cloud \
	  --no-build-isolation --no-deps -e .
	@$(VENV)-cloud/bin/pip check --quiet --disable-pip-version-check
	@touch $@
