# Hallmark: what one can do here. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
# Each machine keeps a core busy and takes 512 MiB.
VM_JOBS ?= 2

.PHONY: help deps test-deps vm-deps build demo test test-vm bench lint fuzz audit schemas book clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what building and the demo need (TSS, swtpm); sudo when not root
	@scripts/deps.sh build

test-deps: ## install what the tests need besides (tpm2-tools, openssl)
	@scripts/deps.sh build test

vm-deps: ## install what the measured virtual machine needs (QEMU, OVMF, a kernel's package; Debian)
	@scripts/deps.sh build vm

build: deps ## build the hallmark command (target/release/hallmark)
	$(CARGO) build --release --workspace --bins --examples

demo: build ## the main job, from the factory to refused attacks, on a simulated TPM
	@tpm-sim-tests/demo.sh target/release

test: test-deps ## every test, those in the virtual machine too
	$(CARGO) build --workspace --bins --examples
	$(CARGO) test --workspace
	@$(MAKE) --no-print-directory test-vm

test-vm: vm-deps ## boots that are really measured, in a virtual machine (VM_JOBS at once)
	$(CARGO) build --workspace --bins --examples
	$(CARGO) test --package tpm-sim-tests --test vm -- --ignored --test-threads=$(VM_JOBS)

bench: test-deps ## benchmarks, as ratios to a floor that is measured in the same run
	$(CARGO) bench --package attest --package pki
	$(CARGO) build --release --workspace --bins
	$(CARGO) bench --package tpm-sim-tests

lint: deps ## formatting, clippy and rustdoc, warnings denied; each library builds without the others
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	for library in attest pki update-verify runtime; do $(CARGO) check --quiet --package $$library; done

SECONDS_EACH ?= 60
fuzz: ## every fuzz target for SECONDS_EACH (60) seconds, guided by coverage (needs cargo-fuzz)
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is not installed: cargo install --locked cargo-fuzz"; exit 1; }
	@fuzz/run.sh $(SECONDS_EACH)

audit: ## licences, bans, duplicates, advisories (needs cargo-deny and the network)
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is not installed: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny check

schemas: deps ## write docs/schemas anew from the code
	HALLMARK_UPDATE_SCHEMAS=1 $(CARGO) test -p cli --bin hallmark schemas

book: ## build the book (needs mdbook)
	@command -v mdbook >/dev/null || { echo "mdbook is not installed: cargo install --locked mdbook"; exit 1; }
	mdbook build docs

clean: ## remove what was built
	$(CARGO) clean
