#!/usr/bin/env bash
# Installs napari-sa2va with its test tools into .venv, the Debian libraries that Qt needs and a
# virtual screen included, and runs the tests. Arguments go to pytest: `bash scripts/test.sh -k rle`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# napari's canvas needs OpenGL, which Qt's own "offscreen" platform does not have: the windows of
# the tests open on Xvfb's screen instead, drawn by Mesa in software.
QT_LIBRARIES="xvfb xauth libgl1 libgl1-mesa-dri libegl1 libopengl0 libdbus-1-3 libfontconfig1
  libglib2.0-0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
  libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xkb1 fonts-dejavu-core"
# What another program says of the movies that are written.
OTHER_PROGRAMS="ffmpeg"

if command -v dpkg-query >/dev/null; then
  # shellcheck disable=SC2086  # lists of words
  require_packages $QT_LIBRARIES $OTHER_PROGRAMS
elif [ "$(uname -s)" = Linux ] && ! command -v Xvfb >/dev/null; then
  fail "Xvfb was not found" "install it and Qt's xcb libraries; on Debian they are:" "$QT_LIBRARIES"
fi

prepare_environment dev
cd "$ROOT"
unset QT_QPA_PLATFORM
# Small tensors: several threads per process cost more than they bring, and two such processes on
# two cores slow each other down a hundredfold.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# By files, in their order: a file's tests share what is slow to make, and the long ones come early.
# A process that crashes ends the run: xdist 3.8 gives its files to another one, and then waits for ever
# for tests that had passed already.
exec python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
  --max-worker-restart 0 "$@"
