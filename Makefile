# The two commands of the README, and the steps that they are made of. Each does its own set-up on a fresh
# machine: a toolchain for guests (see `guest-toolchain`), then what cargo builds.

CNSP = target/release/cnsp
GUESTS = target/plugins
# Guests that only the tests use.
FIXTURES = tests/fixtures/greedy tests/fixtures/caller
# Where tests/it/osb_peer.rs finds its broker.
OSB_PEER = target/peers/osb

.PHONY: demo test matrix check fixtures guests guest-toolchain test-tools bench fuzz fmt

# The host with the sandbox provider and demo data, ready to `curl`. ARGS goes to `cnsp demo`.
demo: guest-toolchain
	cargo build --release -p cnsp
	$(CNSP) plugin build --out $(GUESTS)
	@$(CNSP) demo --plugins $(GUESTS) $(ARGS)

# Everything: formatting, lints, guests, all tests, the documentation, the dependencies' licences.
test: guest-toolchain check test-tools
	cargo build -p cnsp
	target/debug/cnsp plugin build --out $(GUESTS)
	target/debug/cnsp plugin build --out $(GUESTS)/fixtures $(FIXTURES)
	cargo test --workspace --doc -q
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps -q
	cargo deny --log-level error check bans licenses sources
	cargo machete
	cargo nextest run --workspace

# What goes wrong between an adapter and its provider, cell by cell, and how many cells there are.
matrix: guest-toolchain
	cargo build -p cnsp
	target/debug/cnsp plugin build --out $(GUESTS)
	cargo nextest run -p cnsp-tests -E 'test(/^matrix::/)'

fixtures: guest-toolchain
	cargo build -p cnsp
	target/debug/cnsp plugin build --out $(GUESTS)/fixtures $(FIXTURES)

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

guests: guest-toolchain
	cargo build --release -p cnsp
	$(CNSP) plugin build --out $(GUESTS)

# What can build WebAssembly: rustup's target, or Debian's Rust with its standard library's source where the
# package registry is all that can be reached.
guest-toolchain:
	@if rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown; then :; \
	elif dpkg -s rustc-web cargo-web rust-web-src >/dev/null 2>&1; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	  { apt-get -qq update; apt-get install -y -qq --no-install-recommends rustc-web cargo-web rust-web-src; } \
	  >/dev/null 2>&1; then :; \
	else rustup target add wasm32-unknown-unknown; fi

test-tools: $(OSB_PEER)/installed
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny --version '^0.20'
	@command -v cargo-machete >/dev/null || cargo install --locked cargo-machete --version '^0.9'

# A service broker that is not ours, for tests/it/osb_peer.rs. It is Python: Debian's where there is none.
$(OSB_PEER)/installed: tests/peers/osb/requirements.txt
	@python3 -c 'import ensurepip, venv' 2>/dev/null || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get -qq update && \
	    apt-get install -y -qq --no-install-recommends python3 python3-venv; } >/dev/null || \
	  { echo "python3 with its venv module is missing: install python3 and python3-venv" >&2; exit 1; }
	@rm -rf $(OSB_PEER)
	@python3 -m venv $(OSB_PEER)
	@$(OSB_PEER)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r $<
	@cp $< $@

# Ratios, measured in one run; see tests/bench.
bench: guests
	cargo run --release -p cnsp-tests --bin bench

# Lets each fuzz target run for so long. Not in `test`: with its counters, everything takes a core some 17 minutes to
# build for the first time. `test` runs the same targets on their seeds, and on a few thousand inputs made of them.
SECONDS = 60
fuzz:
	@tests/fuzz/run $(SECONDS)

fmt:
	cargo fmt --all
