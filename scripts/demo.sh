#!/usr/bin/env bash
# Installs napari-sa2va into .venv and segments a real clip with the model that ships with it:
# the 30-frame cardiac ultrasound that comes with pydicom. Needs no display and no GPU.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

SENTENCE=${1:-"the dark chamber in the centre"}
OUT="$ROOT/out/demo"

prepare_environment run
cd "$ROOT"
mkdir -p "$OUT"
clip=$(python -c "from pydicom.examples import get_path; print(get_path('ybr_color'))")

say "Segmenting \"$SENTENCE\" in $clip"
found=0
napari-sa2va segment "$clip" "$SENTENCE" \
  --model nano --device cpu -o "$OUT/labels.ome.tif" --overlay "$OUT/overlay.png" || found=$?
# 1 means: it ran to the end, and no frame shows such an object. There is still something to see.
[ "$found" -le 1 ] || exit "$found"

say ""
say "Look at"
for made in overlay.png labels.ome.tif labels.ome.json; do
  [ -s "$OUT/$made" ] || fail "out/demo/$made was not written"
  say "  out/demo/$made"
done
say "Another sentence:  bash scripts/demo.sh \"the bright wall on the left\""
