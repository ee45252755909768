# What the tests need is installed below .tools and found there first.
export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/.tools/venv/bin:$(PATH)
export LIGAND_TEST_NODE := $(CURDIR)/.tools/bin/node

# What was counted fits the compiler that it was counted with.
profile = target/trained/$(shell rustc -V | cut -d' ' -f2).profdata
host = $(shell rustc -vV | sed -n 's/^host: //p')
# One build for both: names hold what the dependencies of tests switch on, and what was counted is found by name.
trained = RUSTFLAGS="-Cprofile-use=$(CURDIR)/$(profile)" \
	cargo bench --locked --target $(host) --target-dir target/trained --bench compare

.PHONY: test lint prove release sbom bench parts

# Everything: nothing is skipped for a missing part, and outside judges look at the running server.
test: parts
	LIGAND_TEST_REQUIRE_PARTS=1 cargo test --locked
	cargo build --locked
	tests/parts/clients/run

# The long proofs at full size, or one of them: `make prove NAME`. One line each; fails on a loss.
prove: parts
	LIGAND_TEST_REQUIRE_PARTS=1 LIGAND_PROOF=full LIGAND_PROOF_SEED=$(or $(SEED),1) \
		cargo test --locked --release --test integration proofs::$(proof) -- --test-threads=1

# What follows `prove` is the proof's name and no target of its own.
ifeq (prove,$(firstword $(MAKECMDGOALS)))
proof := $(word 2,$(MAKECMDGOALS))
$(if $(proof),$(eval $(proof):;@:))
endif

lint: parts
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps
	cargo deny --locked check bans licenses sources
	tests/parts/advisories

# The fastest build: the compiler has seen what a busy server does, and lays out for that.
release: $(profile)
	$(trained) --no-run
	install target/trained/$(host)/release/ligand target/trained/ligand
	$(MAKE) sbom

# What the program is made of, as CycloneDX, beside it.
sbom: .tools/bin/cargo-cyclonedx
	cargo cyclonedx --quiet --format json --spec-version 1.5 --target $(host) --override-filename ligand.cdx
	mkdir -p target/trained
	sed 's|$(CURDIR)|/ligand|g' ligand.cdx.json > target/trained/ligand.cdx.json
	rm ligand.cdx.json

.tools/bin/cargo-cyclonedx:
	cargo install --quiet --locked --root .tools cargo-cyclonedx@0.5.9

# A table, not a test: each row of that build against its own baseline in the same run.
bench: release
	$(trained) 2> target/trained/bench.log || { tail -20 target/trained/bench.log; exit 1; }

$(profile): Cargo.toml Cargo.lock $(shell find src benches elements migrations -type f)
	tests/parts/install bench
	benches/train $@

# What `make test` needs beside Rust, a C compiler, make, perl and Python 3.
parts:
	tests/parts/install
