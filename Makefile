# Everything that people and CI do with this repository. `make` alone lists the targets.
#
# What has to be on the machine: Rust, Go, a C compiler and make. Everything else is built on
# demand and kept outside the checkout, in the cache directory below, so that a fresh clone is warm.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.SHELLFLAGS := -euc
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Where built tools live: HEADROOM_CACHE, else XDG_CACHE_HOME/headroom, else ~/.cache/headroom.
CACHE := $(or $(HEADROOM_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/headroom)

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY_ROOT := $(CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny

CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ_ROOT := $(CACHE)/tools/cargo-fuzz-$(CARGO_FUZZ_VERSION)
CARGO_FUZZ := $(CARGO_FUZZ_ROOT)/bin/cargo-fuzz
# What is fuzzed, and how long each.
FUZZ_TARGETS ?= check configuration consumer_weights job migrate shared_control shared_messages sizes solve
FUZZ_SECONDS ?= 60

CARGO_MUTANTS_VERSION := 27.1.0
CARGO_MUTANTS_ROOT := $(CACHE)/tools/cargo-mutants-$(CARGO_MUTANTS_VERSION)
CARGO_MUTANTS := $(CARGO_MUTANTS_ROOT)/bin/cargo-mutants

# One line that says which step runs, and how many seconds went by before it.
START := $(shell date +%s)
step = @printf '\n==> %s (after %d s)\n' '$(1)' "$$(($$(date +%s) - $(START)))"

# The steps of `make test` stand in an order: the quick ones first. Cargo is parallel enough.
.NOTPARALLEL:

##@ Start here

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make TARGET" } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: prerequisites ## A first look: a real control plane, the controller, two pools (ONCE=1 takes all down again)
	$(call step,building the harness)
	@$(CARGO) build --package e2e --bins --locked
	@$(CARGO) run --quiet --package e2e --bin demo --locked -- $(if $(ONCE),--once)

.PHONY: bench
bench: ## The figures, each beside its bar and the floor (a quarter of an hour; ARGUMENTS=--help lists the options)
	$(call step,building the benchmark)
	@$(CARGO) build --release --package e2e --bin bench --bin floor --locked
	@$(CARGO) run --quiet --release --package e2e --bin bench --locked -- $(ARGUMENTS)

.PHONY: test
test: prerequisites fmt core layers lint unit conformance doc deny generated e2e ## Everything that must hold (what CI runs)
	@printf '\nmake test: everything holds, after %d s\n' "$$(($$(date +%s) - $(START)))"

##@ Parts of make test

.PHONY: fmt
fmt: ## Check the formatting (cargo fmt --all corrects it)
	$(call step,formatting)
	@$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Clippy on every target of every package, warnings denied
	$(call step,clippy)
	@$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: core
core: ## The pure core compiles alone: no Kubernetes client, no clock, no files
	$(call step,the pure core alone)
	@$(CARGO) check --lib --no-default-features --locked

.PHONY: layers
layers: ## Each layer above it compiles with its own feature alone
	$(call step,each layer alone)
	@for feature in configuration api cli operator; do \
	  $(CARGO) check --package headroom --lib --bins --no-default-features --features $$feature --locked; \
	done

.PHONY: unit
unit: ## Tests that need nothing but this checkout: unit, property, golden, recorded Flink answers
	$(call step,tests that need no cluster)
	@$(CARGO) test --package headroom --locked

.PHONY: conformance
conformance: ## The table of the pools' conformance list is what their tests show
	$(call step,conformance of the segment pools)
	@$(CARGO) run --quiet --package e2e --bin pool-conformance --locked -- --check

.PHONY: doc
doc: ## Build the API documentation, warnings denied
	$(call step,documentation)
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

.PHONY: deny
deny: $(CARGO_DENY) ## Check dependencies: bans, licences, sources
	$(call step,dependencies)
	@$(CARGO_DENY) --workspace --locked check --hide-inclusion-graph bans licenses sources

.PHONY: e2e
e2e: ## Tests against a real Kubernetes control plane
	$(call step,tests on a real Kubernetes control plane)
	@$(CARGO) test --package e2e --locked

##@ Beside make test

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## Fuzz the parsers, the solver and what shared pools read, FUZZ_SECONDS each (needs a nightly compiler and c++)
	$(call step,fuzzing)
	@for target in $(FUZZ_TARGETS); do \
	  found='$(CACHE)/corpus/'$$target; mkdir -p "$$found"; \
	  PATH='$(CARGO_FUZZ_ROOT)/bin':"$$PATH" $(CARGO) +nightly fuzz run $$target --target-dir '$(CACHE)/target-fuzz' \
	    "$$found" fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -len_control=0 -max_len=4096; \
	done

# What the tests of the core let through: those that build without its surroundings, with fewer random cases each. The
# exit code 2 says that something was let through; what it was stands in the directory that is named.
.PHONY: mutants
mutants: $(CARGO_MUTANTS) ## Wrong changes to the core that no test notices (SHARD=0/48 tries each 48th; all take hours)
	$(call step,changing the core and testing it)
	@out='$(CACHE)/mutants'; mkdir -p "$$out"; printf 'results in %s\n' "$$out/mutants.out"; \
	PROPTEST_CASES=64 PROPTEST_MAX_SHRINK_ITERS=0 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 \
	CARGO_TARGET_DIR='$(CACHE)/target-mutants' CARGO_PROFILE_DEV_DEBUG=0 PATH='$(CARGO_MUTANTS_ROOT)/bin':"$$PATH" \
	  $(CARGO) mutants --package headroom --no-default-features --output "$$out" \
	    $(if $(SHARD),--sharding round-robin --shard $(SHARD)) $(ARGUMENTS) -- --lib --test it

.PHONY: loom
loom: ## Models of the segment pools' threads and processes, in every order (LOOM_MAX_PREEMPTIONS=4)
	$(call step,every order in which threads may meet in a pool)
	@export RUSTFLAGS='--cfg loom' CARGO_TARGET_DIR='$(CACHE)/target-loom' CARGO_PROFILE_RELEASE_LTO=off; \
	test='$(CARGO) test --release --package headroom --no-default-features --locked'; \
	$$test --test loom && $$test --lib -- pool::shared::models

# The toolchain's standard library is built without sanitizers. AddressSanitizer does not mind; ThreadSanitizer sees only
# the tests whose threads meet by other means, unless the sources are there to build the library anew.
NIGHTLY_LIBRARY = $(shell rustc +nightly --print sysroot)/lib/rustlib/src/rust/library
NIGHTLY_HOST = $(shell rustc +nightly --print host-tuple)

.PHONY: sanitize
sanitize: ## The pools' tests under ThreadSanitizer, AddressSanitizer and, where it is installed, Miri (needs a nightly compiler)
	$(call step,ThreadSanitizer)
	@if [ -d '$(NIGHTLY_LIBRARY)' ]; then library=-Zbuild-std; tests=; else library=; tests=plenty; fi; \
	RUSTFLAGS='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer' CARGO_TARGET_DIR='$(CACHE)/target-thread-sanitizer' \
	TSAN_OPTIONS='suppressions=$(CURDIR)/tests/pool/thread-sanitizer.suppressions' \
	  $(CARGO) +nightly test --package headroom --no-default-features --target '$(NIGHTLY_HOST)' $$library --locked --test pool -- $$tests
	$(call step,AddressSanitizer)
	@RUSTFLAGS='-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer' CARGO_TARGET_DIR='$(CACHE)/target-address-sanitizer' \
	ASAN_OPTIONS=allocator_may_return_null=1 \
	  $(CARGO) +nightly test --package headroom --no-default-features --target '$(NIGHTLY_HOST)' --locked --test pool
	$(call step,Miri)
	@if $(CARGO) +nightly miri --version >/dev/null 2>&1; then \
	  MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR='$(CACHE)/target-miri' \
	    $(CARGO) +nightly miri test --package headroom --no-default-features --locked --test pool -- buffer:: local_pool plenty::; \
	else \
	  printf 'skipped: Miri is not installed (rustup +nightly component add miri rust-src)\n'; \
	fi

.PHONY: kill
kill: ## Clients of a shared pool killed at every step and any instruction (ROUNDS=10000, ten minutes; Linux)
	$(call step,killing clients of a shared pool)
	@HEADROOM_KILL_ROUNDS='$(or $(ROUNDS),10000)' \
	  $(CARGO) test --release --package headroom --no-default-features --locked --test pool -- n4_ --nocapture

.PHONY: flink-diff
flink-diff: ## Released Flink and the solver, the same random questions (N=100000 VERSIONS=all SEED=; needs a JDK 17 and Maven)
	$(call step,comparing with released Flink)
	@$(CARGO) build --release --package e2e --bin flink-diff --locked
	@$(CARGO) run --quiet --release --package e2e --bin flink-diff --locked -- \
	  --versions '$(or $(VERSIONS),all)' --questions '$(or $(N),100000)' $(if $(SEED),--seed '$(SEED)')

.PHONY: pool-diff
pool-diff: ## Released Flink's memory pools and ours, the same random steps (N=100000 VERSIONS=2.3.0 SEED=; needs a JDK 17 and Maven)
	$(call step,comparing the pools with released Flink)
	@$(CARGO) build --release --package e2e --bin pool-diff --locked
	@$(CARGO) run --quiet --release --package e2e --bin pool-diff --locked -- \
	  --versions '$(or $(VERSIONS),2.3.0)' --steps '$(or $(N),100000)' $(if $(SEED),--seed '$(SEED)')

##@ Generated files

.PHONY: generate
generate: ## Write the generated files anew (the definition in crds/, the chart, golden files)
	@UPDATE=1 INSTA_UPDATE=always $(CARGO) test --package headroom --locked
	@$(CARGO) run --quiet --package e2e --bin pool-conformance --locked

# The golden tests of `unit` compare every generated file with what the code says; this asks git
# too, so that a file which a test wrote by mistake does not go unseen in CI.
.PHONY: generated
generated: ## No generated file differs from what is committed
	$(call step,generated files)
	@if [ -n "$${CI:-}" ] && git rev-parse --git-dir >/dev/null 2>&1; then \
	  changed=$$(git status --porcelain); \
	  if [ -n "$$changed" ]; then \
	    printf 'the tests left the checkout changed:\n%s\nrun make generate and commit\n' "$$changed" >&2; exit 1; \
	  fi; \
	  printf 'the checkout is as committed\n'; \
	else \
	  printf 'skipped: only asked when CI is set, because a working copy may hold changes\n'; \
	fi

##@ Housekeeping

.PHONY: prerequisites
prerequisites: ## Name what is missing on this machine
	@missing=; \
	need() { command -v "$$1" >/dev/null 2>&1 || { printf 'missing: %s (%s)\n' "$$1" "$$2" >&2; missing=1; }; }; \
	need cargo 'Rust, https://rustup.rs'; \
	need rustfmt 'rustup component add rustfmt'; \
	need cargo-clippy 'rustup component add clippy'; \
	need go 'Go, https://go.dev/dl'; \
	need cc 'a C compiler, such as gcc or clang'; \
	if [ -n "$$missing" ]; then exit 1; fi

$(CARGO_DENY):
	@printf '==> building cargo-deny %s into %s (once; some minutes)\n' '$(CARGO_DENY_VERSION)' '$(CARGO_DENY_ROOT)'
	@CARGO_TARGET_DIR='$(CACHE)/target-cargo-deny' $(CARGO) install --locked --version $(CARGO_DENY_VERSION) --root '$(CARGO_DENY_ROOT)' cargo-deny
	@rm -rf '$(CACHE)/target-cargo-deny'

$(CARGO_FUZZ):
	@printf '==> building cargo-fuzz %s into %s (once)\n' '$(CARGO_FUZZ_VERSION)' '$(CARGO_FUZZ_ROOT)'
	@CARGO_TARGET_DIR='$(CACHE)/target-cargo-fuzz' $(CARGO) install --locked --version $(CARGO_FUZZ_VERSION) --root '$(CARGO_FUZZ_ROOT)' cargo-fuzz
	@rm -rf '$(CACHE)/target-cargo-fuzz'

$(CARGO_MUTANTS):
	@printf '==> building cargo-mutants %s into %s (once)\n' '$(CARGO_MUTANTS_VERSION)' '$(CARGO_MUTANTS_ROOT)'
	@CARGO_TARGET_DIR='$(CACHE)/target-cargo-mutants' $(CARGO) install --locked --version $(CARGO_MUTANTS_VERSION) --root '$(CARGO_MUTANTS_ROOT)' cargo-mutants
	@rm -rf '$(CACHE)/target-cargo-mutants'

.PHONY: clean-cache
clean-cache: ## Delete everything that was built outside the checkout
	rm -rf '$(CACHE)'
