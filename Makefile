# Every command of the project. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One cluster, one .venv: with -j the steps would run into each other.
.NOTPARALLEL:
PYTEST := .venv/bin/pytest
# Two processes, each of which computes on one core.
PYTEST_IN_TWO := OMP_NUM_THREADS=1 $(PYTEST) --numprocesses 2 --dist worksteal
# Where this is set, Python compiles torch anew in each process: an import then takes 13 s of a core instead of 4.
export PYTHONDONTWRITEBYTECODE :=

##@ The two commands
.PHONY: demo test
demo: venv ## Set everything up on this machine and run a training end to end (SOURCE=folder takes your own pdfs/ and json/)
	hack/demo/demo.sh $(if $(SOURCE),--source "$(SOURCE)")

test: lint test-unit test-integration test-e2e ## All tests; sets up what they need

##@ Tests, by tier
.PHONY: lint verify test-unit test-integration test-e2e chaos chaos-simulated
lint: venv verify ## ruff, mypy --strict, import-linter, shellcheck, and verify
	.venv/bin/ruff check operator worker tests hack
	.venv/bin/ruff format --check operator worker tests hack
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/shellcheck --external-sources --source-path=SCRIPTDIR $$(git ls-files '*.sh' .ci/run)

verify: venv ## Lock files, the chart's CRD and the golden files are what their sources make them
	hack/setup/verify.sh

test-unit: venv ## No I/O: seconds
	$(PYTEST_IN_TWO) tests/unit

test-integration: venv cluster-up ## Against a real API server and a real S3 server
	$(PYTEST_IN_TWO) tests/integration --ignore tests/integration/cluster
	$(PYTEST) tests/integration/cluster

test-e2e: venv cluster-up images ## Real pods on the real cluster
	$(PYTEST) tests/e2e

chaos: chaos-simulated cluster-up images ## Kills and faults: chaos-simulated, then a real training pod killed twenty times (CHAOS_KILLS=3 is short)
	$(PYTEST) tests/chaos

chaos-simulated: venv ## Kills and faults by a seeded schedule against runs with simulated pods (SEED=1 MINUTES=60 RUNS=200)
	PYTHONPATH=.:operator .venv/bin/python -m tests.support.chaos \
	  --minutes $(or $(MINUTES),5) --runs $(or $(RUNS),200) $(if $(SEED),--seed $(SEED))

##@ The local cluster (CLUSTER=current uses your kubeconfig's own instead)
.PHONY: cluster-up cluster-down kubeconfig s3-env images
cluster-up: venv ## Start a real one-machine Kubernetes with S3, a registry and stand-in GPUs
	hack/cluster/up.sh

cluster-down: ## Stop it (PURGE=1 also deletes its state)
	hack/cluster/down.sh $(if $(filter 1,$(PURGE)),--purge)

kubeconfig: ## Print the path of its kubeconfig
	@hack/cluster/kubeconfig.sh

s3-env: ## Print the `export AWS_…` lines that reach its S3 server
	@hack/cluster/s3.sh env

images: cluster-up ## Build the worker and operator images and push them to the cluster's registry (SLIM=1: preprocess's own, too)
	hack/images/build.sh

##@ Benchmarks
.PHONY: bench bench-preprocess bench-train bench-upload bench-variants bench-dense-pages bench-learn bench-gateway bench-operator
bench: bench-preprocess bench-train bench-upload bench-variants bench-dense-pages bench-learn bench-gateway bench-operator ## All benchmarks (docs/benchmarks.md)

bench-operator: venv ## The operator against its goals with 1,000 runs, on an API server of its own: a quarter of an hour (BENCH='--runs 5000')
	PYTHONPATH=.:operator .venv/bin/python -m hack.bench.operator $(BENCH)

bench-preprocess: venv ## Preprocess against the bare renderer and a naive script (BENCH=--quick is short, BENCH=--help lists the options)
	PYTHONPATH=. .venv/bin/python -m hack.bench.preprocess $(BENCH)

bench-train: venv ## Training against mmdetection's own entry (BENCH='--repetitions 1 --epochs 2' is short)
	PYTHONPATH=.:worker .venv/bin/python -m hack.bench.train $(BENCH)

bench-upload: venv ## What the upload of a 500 MB checkpoint costs the training: minutes
	PYTHONPATH=.:worker .venv/bin/python -m hack.bench.upload $(BENCH)

bench-variants: venv ## What could make an iteration faster, and whether it does: minutes
	PYTHONPATH=.:worker .venv/bin/python -m hack.bench.variants $(BENCH)

bench-dense-pages: venv ## What the labels of a dense page take when they are assigned to anchors: a minute
	PYTHONPATH=.:worker .venv/bin/python -m hack.bench.dense_pages $(BENCH)

bench-learn: venv ## What the small config learns from few documents, three seeds of each variant: an hour and more
	PYTHONPATH=.:worker .venv/bin/python -m hack.bench.learn $(BENCH)

bench-gateway: venv ## What 2,000 connections without a token do to the gateway: half a minute
	ulimit -n 8192; PYTHONPATH=.:operator .venv/bin/python -m tests.support.operator.gateway_attack $(BENCH)

##@ Base weights
.PHONY: base-weights
base-weights: venv ## Make builtin://tables-tiny anew from drawn documents: an hour and a half (MODEL=model.pth takes a trained one)
	PYTHONPATH=.:worker .venv/bin/python -m hack.base_weights.make build/base-weights $(if $(MODEL),--model "$(MODEL)")

##@ Working on the project
.PHONY: venv lock format chart-crd api-reference golden schemas help
venv: ## Debian packages and .venv with every pinned dependency
	@hack/setup/apt.sh
	@hack/setup/venv.sh

lock: venv ## Renew requirements/*.txt from pyproject.toml
	PATH="$$PWD/.venv/bin:$$PATH" hack/setup/lock.sh

format: venv ## Format and fix what ruff can
	.venv/bin/ruff check --fix operator worker tests hack
	.venv/bin/ruff format operator worker tests hack

chart-crd: ## Copy the CRD into the chart
	cp crds/trainingruns.yaml charts/trainingrun-operator/files/trainingruns.yaml

api-reference: venv ## Write docs/api-reference.md anew from the CRD
	PYTHONPATH=. .venv/bin/python -m hack.api_reference

golden: venv ## Renew the golden Job manifests of the unit tests
	rm -f tests/unit/operator/core/jobs/golden/*.yaml
	RENEW_GOLDEN=1 $(PYTEST) tests/unit/operator/core/jobs/test_job.py

schemas: venv ## Renew the JSON Schemas of the annotation formats in docs/schemas/
	for format in badgerdoc platform; do \
	  PYTHONPATH=worker .venv/bin/python -m training.annotations schema $$format > docs/schemas/$$format.schema.json; \
	done

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
