#!/usr/bin/env bash
# Installs napari-sa2va into .venv and segments a real clip with the model that ships with it:
# the 30-frame cardiac ultrasound that comes with pydicom. Needs no display and no GPU.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

SENTENCE=${1:-"the wall at the top"}
OUT="$ROOT/out/demo"

prepare_environment run
cd "$ROOT"
mkdir -p "$OUT"
clip=$(python -c "from pydicom.examples import get_path; print(get_path('ybr_color'))")

rm -f "$OUT"/overlay.png "$OUT"/labels.ome.tif "$OUT"/labels.json

say "Segmenting \"$SENTENCE\" in $clip"
# 1 means: it ran to the end, and no frame shows such an object. There is still something to see.
code=0
napari-sa2va segment "$clip" "$SENTENCE" --model nano --device cpu \
  -o "$OUT/labels.ome.tif" --overlay "$OUT/overlay.png" || code=$?
[ "$code" -le 1 ] || exit "$code"

for made in overlay.png labels.ome.tif labels.json; do
  [ -s "$OUT/$made" ] || fail "out/demo/$made was not written"
done
say "
Look at
  out/demo/overlay.png      the masks, drawn over frames of the clip
  out/demo/labels.ome.tif   the labels of every frame; napari and Fiji open it
  out/demo/labels.json      settings, versions, the model's answer, times
Another sentence:  bash scripts/demo.sh \"the object at the bottom\""
exit "$code"
