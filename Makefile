# What a person can do here; `make help` lists it. Everything is said while it happens, with its time.
PYTHON ?= python3
VENV := .venv/bin/python
export PYTHONPATH := operator
# Which of the cluster tests `make test` runs; all of them unless said otherwise.
CLUSTER_TESTS ?= tests/cluster

.DEFAULT_GOAL := help
.PHONY: help venv tools generate bench check test cluster-up cluster-down cluster-status images demo demo-down judgement

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## the development environment .venv, from the hashed lock
	@$(PYTHON) -m hack environment

tools: ## helm, kubectl, prometheus and promtool, built once into ~/.cache/bucle/bin
	@$(PYTHON) -m hack cluster tools
	@$(PYTHON) -m hack cluster prometheus

generate: venv ## every generated file anew: CRDs, their chart templates and tables, contracts, reasons, plain install
	@$(PYTHON) -m hack cluster helm
	@$(VENV) -m hack generate

check: venv ## static checks and fast tests (unit, contract, golden, stories, wire); no thorough ones, no cluster
	@$(PYTHON) -m hack cluster helm
	@$(VENV) -m hack check

test: venv ## everything: check, the thorough tests, then those on a real cluster, which is started when none runs
	@$(PYTHON) -m hack cluster helm
	@$(PYTHON) -m hack cluster prometheus
	@$(VENV) -m hack check --cluster $(CLUSTER_TESTS)

bench: venv ## how fast drift is seen, and in how much memory, beside Evidently's preset; into docs/performance.md
	@$(VENV) -m hack bench

cluster-up: ## a one-node Kubernetes on this machine (CLUSTER=existing KUBECONFIG=... REGISTRY=...: use that one)
	@$(PYTHON) -m hack cluster up

cluster-down: ## end that cluster and remove everything it made outside ~/.cache/bucle
	@$(PYTHON) -m hack cluster down

cluster-status: ## what of the cluster runs
	@$(PYTHON) -m hack cluster status

images: ## build the images that changed, and load them into the cluster
	@$(PYTHON) -m hack images build
	@$(PYTHON) -m hack images load

demo: venv ## the whole story on real flights: cluster, images, install, train, serve, drift, retrain, roll out
	@$(VENV) -m hack demo up

demo-down: venv ## remove the demo; the cluster stays
	@$(VENV) -m hack demo down

judgement: venv ## measure the rules of judging anew where results are missing, and write their tables (an hour of one core)
	@$(VENV) -m hack judgement run
	@$(VENV) -m hack judgement flights
