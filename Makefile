# What a person types. Each target says what it does in `make help`.
.PHONY: help test test-full soak replay replay-kernel fuzz faults packetdrill acceptance bench bench-readme bench-instructions bench-budget bench-peers lint

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile

test: ## every test that fits 20 minutes on two cores; installs by apt what is missing when it may
	@scripts/test

test-full: ## the same, and the long ones, real drivers in QEMU among them
	@scripts/test --full

soak: ## the simulated network from a new seed each round, until interrupted or for SECONDS
	@scripts/soak $(SECONDS)

replay: ## one SEED of the simulated network again (or FIRST..END), told in full, with a pcapng of it
	@scripts/soak --replay "$(SEED)"

replay-kernel: ## one SEED of our TCP against the kernel's again (or another TEST of tests/kernel_tcp), with a pcapng of it
	@scripts/replay-kernel "$(SEED)" $(TEST)

fuzz: ## the fuzz targets by cargo-fuzz, SECONDS each (60), from the corpora in the tree
	@scripts/fuzz $(SECONDS)

faults: ## one deliberate fault at a time, put into a copy, each to be caught by the suite
	@scripts/faults

packetdrill: ## a SUITE of packetdrill's scripts (ours if none is named) against our TCP, by the PACKETDRILL that you built
	@scripts/packetdrill "$(PACKETDRILL)" $(if $(SUITE),"$(SUITE)") $(ARGS)

acceptance: ## the FIX acceptance DEFINITIONS in a folder (*.def) against `fixwire accept`, over our TCP, held to the program's own dictionaries or to the DICTIONARIES in another
	@scripts/acceptance "$(DEFINITIONS)" $(if $(DICTIONARIES),"$(DICTIONARIES)")

bench: ## the benches, rivals beside us, and one table of them; ten minutes, after the rivals are built
	@scripts/bench run

bench-readme: ## what `make bench` measured last, put into the README and docs/benches.md
	@scripts/bench readme

bench-instructions: ## instructions of our benches under callgrind, compared with benches/budget.toml
	@scripts/bench instructions

bench-budget: ## counts them and writes benches/budget.toml
	@scripts/bench budget

bench-peers: ## QuickFIX at the messages of fix_decode beside our decoder, with and without a dictionary; skipped by name without libquickfix-dev
	@scripts/bench peers

lint: ## formatting, clippy, and the lean library
	@scripts/lint
