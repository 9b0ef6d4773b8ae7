#!/usr/bin/env bash
# Measures what more rules, metrics, series, bytes and workers cost: `benches/growth.sh --help`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --quiet
exec python3 benches/growth.py "$@"
