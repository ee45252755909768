# What the tests need is installed below .tools and found there first.
export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/.tools/venv/bin:$(PATH)
export LIGAND_TEST_NODE := $(CURDIR)/.tools/bin/node

.PHONY: test lint bench parts

# Everything: nothing is skipped for a missing part, and outside judges look at the running server.
test: parts
	LIGAND_TEST_REQUIRE_PARTS=1 cargo test --locked
	cargo build --locked
	tests/parts/clients/run

lint: parts
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps
	cargo deny --locked check bans licenses sources

# A table, not a test: each row against its own baseline in the same run.
bench:
	tests/parts/install bench
	cargo bench --locked --bench compare

# What `make test` needs beside Rust, a C compiler, make, perl and Python 3.
parts:
	tests/parts/install
