#!/usr/bin/env bash
# Runs streamgauge beside other programs that count the same: `benches/compare.sh --help`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --quiet
exec python3 benches/compare.py "$@"
