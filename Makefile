# Two commands do everything: `make demo` and `make test`. Both first see to what they need beyond Rust.

# What a build needs (librdkafka is built from source, with the system's OpenSSL and zlib), and what the tests talk to
# besides, by the names of Debian's packages.
BUILD_PACKAGES := gcc g++ libc6-dev make pkg-config libssl-dev zlib1g-dev
TEST_PACKAGES := curl

DEMO ?=

.PHONY: demo test build needs-build needs-test

# Generates live streams, counts them with the shipped pipelines, and serves the metrics until it is stopped.
# `make demo DEMO='--duration 10s'` hands options on.
demo: build
	./target/release/streamgauge demo $(DEMO)

# Builds and runs every test. Those that need other people's programs (Prometheus …) say so where one is missing.
test: needs-test
	cargo test --locked

build: needs-build
	cargo build --locked --release

needs-build:
	@command -v cargo >/dev/null || { echo 'Rust is missing: install it as https://rustup.rs says.' >&2; exit 1; }
	@.ci/need cc c++ pkg-config lib:libssl lib:zlib -- $(BUILD_PACKAGES)

needs-test: needs-build
	@.ci/need curl -- $(TEST_PACKAGES)
