#!/usr/bin/env bash
# Everything that is checked without running the program: style, types, layers, the manifest, and
# the numbers and formats that the documentation states. Runs all of them, then says which failed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment dev
cd "$ROOT"

failed=""
check() {
  say "== $*"
  "$@" || failed="$failed
  $*"
}

check ruff check .
check ruff format --check .
check mypy
check lint-imports
check npe2 validate napari_sa2va
check python scripts/results.py check
check python scripts/formats.py check

[ -z "$failed" ] || fail "these checks failed:$failed"
