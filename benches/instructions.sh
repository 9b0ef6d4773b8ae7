#!/usr/bin/env bash
# Compares how many instructions an event costs with benches/instructions.txt: `benches/instructions.sh --help`.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo 'valgrind is missing: apt-get install valgrind' >&2; exit 1; }
cargo build --locked --release --quiet
exec python3 benches/instructions.py "$@"
