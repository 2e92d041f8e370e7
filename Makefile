# What a person can do here; `make help` lists it. Everything is said while it happens, with its time.
PYTHON ?= python3
VENV := .venv/bin/python
# Which of the cluster tests `make test` runs; all of them unless said otherwise.
CLUSTER_TESTS ?= tests/cluster

.DEFAULT_GOAL := help
.PHONY: help venv tools check test cluster-up cluster-down cluster-status images demo demo-down

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## the development environment .venv, from the hashed lock
	@$(PYTHON) hack/environment.py

tools: ## helm and kubectl, built once into ~/.cache/bucle/bin
	@$(PYTHON) hack/cluster tools

check: venv ## static checks and fast tests (unit, contract, golden, sim, wire); no cluster
	@$(PYTHON) hack/cluster helm
	@$(VENV) hack/check.py

test: venv ## everything: check, then the tests on a real cluster, which is started when none runs
	@$(PYTHON) hack/cluster helm
	@$(VENV) hack/check.py --cluster $(CLUSTER_TESTS)

cluster-up: ## a one-node Kubernetes on this machine (CLUSTER=existing KUBECONFIG=... REGISTRY=...: use that one)
	@$(PYTHON) hack/cluster up

cluster-down: ## end that cluster and remove everything it made outside ~/.cache/bucle
	@$(PYTHON) hack/cluster down

cluster-status: ## what of the cluster runs
	@$(PYTHON) hack/cluster status

images: ## build the images that changed, and load them into the cluster
	@$(PYTHON) hack/images build
	@$(PYTHON) hack/images load

demo: venv ## the whole story on real flights: cluster, images, install, train, serve, drift, retrain, roll out
	@$(VENV) hack/demo up

demo-down: venv ## remove the demo; the cluster stays
	@$(VENV) hack/demo down
