# What a person types. Each target says what it does in `make help`.
.PHONY: help test test-full soak faults bench lint

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

test: ## every test that fits 20 minutes on two cores; installs by apt what is missing when it may
	@scripts/test

test-full: ## the same, and the long ones
	@scripts/test --full

soak: ## the simulated network with a new seed each round, until interrupted
	@scripts/soak

faults: ## one deliberate fault at a time, put into a copy, each to be caught by the suite
	@scripts/faults

bench: ## the benches, with criterion
	cargo bench

lint: ## formatting, clippy, and the lean library
	@scripts/lint
