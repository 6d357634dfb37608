# Sourced, not run: the virtual environment .venv of this folder, made and filled with uv.
#
#   prepare_environment run     what a person needs to segment a clip
#   prepare_environment dev     that, and what the tests and the checks need
#
# A second call costs nothing: a stamp inside .venv names what it was made from. When
# pyproject.toml, the Python version or this folder's place has changed, .venv is made anew,
# because packages left over from an older list would hide a missing dependency.
#
# Settings, all optional:
#   NAPARI_SA2VA_PYTHON   the Python to use, a version ("3.12") or a path
#   NAPARI_SA2VA_TORCH    a PyTorch build for uv's --torch-backend ("cpu", "cu128", "auto");
#                         unset means what PyPI has

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV="$ROOT/.venv"
TOOLS="$ROOT/.venv-tools"
MIN_PYTHON=3.11

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $1"
  shift
  for line in "$@"; do say "  $line"; done
  exit 2
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# Prints those of the given Debian packages that are not installed. Since Debian 13 some carry the
# suffix t64, and apt-get takes the old name for them.
missing_packages() {
  local package
  for package in "$@"; do
    case "$(dpkg-query --show --showformat=' ${db:Status-Status} ' "$package" "${package}t64" 2>/dev/null || true)" in
      *" installed "*) ;;
      *) printf '%s\n' "$package" ;;
    esac
  done
}

# Installs the given Debian packages if any is missing; without root, prints the line and stops.
require_packages() {
  local missing
  missing=$(missing_packages "$@" | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  local install="apt-get install -y --no-install-recommends $missing"
  if ! is_root; then
    fail "Debian packages are missing: $missing" "run:  sudo apt-get update && sudo $install"
  fi
  say "Installing Debian packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  # Package lists may be old or absent on a fresh machine, and then nothing would be found.
  if ! { apt-get update -qq && $install -qq >/dev/null </dev/null; }; then
    fail "the Debian packages could not be installed" "run:  apt-get update && $install"
  fi
}

# A `uv` on PATH may be a shim that finds nothing to run, so it is asked and not only found.
works() { "$@" --version >/dev/null 2>&1 </dev/null; }

# Finds uv, or gets it from PyPI into .venv-tools; sets UV.
get_uv() {
  if works uv; then UV=uv; return; fi
  UV="$TOOLS/bin/uv"
  if works "$UV"; then return; fi
  local python
  python=$(any_python)
  if [ -z "$python" ] && command -v dpkg-query >/dev/null && is_root; then
    require_packages python3 python3-venv ca-certificates
    python=$(any_python)
  fi
  [ -n "$python" ] || fail "no Python was found, and none could be installed" \
    "on Debian:  sudo apt-get update && sudo apt-get install -y python3 python3-venv"
  say "Getting uv from PyPI"
  rm -rf "$TOOLS"
  # Each of pip and venv may be absent on Debian, where they are packages of their own. `--target`
  # touches neither the system's Python nor the user's packages.
  if "$python" -m pip --version >/dev/null 2>&1; then
    PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check \
      --target "$TOOLS" uv >&2 </dev/null || rm -rf "$TOOLS"
  fi
  if ! works "$UV"; then
    if ! "$python" -m venv "$TOOLS" >/dev/null 2>&1 && command -v dpkg-query >/dev/null && is_root; then
      require_packages python3-venv ca-certificates
    fi
    rm -rf "$TOOLS"
    if "$python" -m venv "$TOOLS" >/dev/null 2>&1; then
      "$TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check uv >&2 </dev/null || true
    fi
  fi
  works "$UV" || fail "uv could not be installed with $python" \
    "on Debian:  sudo apt-get update && sudo apt-get install -y python3-venv" \
    "or install uv in another way: https://docs.astral.sh/uv/getting-started/installation/"
}

# Prints a Python that can install a package, of any version: it only has to bring uv.
any_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
}

# Prints the path of the Python to build on. uv looks at its own, at PATH and at what is installed.
choose_python() {
  local found request
  if [ -n "${NAPARI_SA2VA_PYTHON:-}" ]; then
    found=$("$UV" python find --no-project --system "$NAPARI_SA2VA_PYTHON" 2>/dev/null || true)
    [ -n "$found" ] || fail "NAPARI_SA2VA_PYTHON=$NAPARI_SA2VA_PYTHON is not a Python that uv can find"
  else
    # First those that the tests run on, then whatever is newer: a very new Python may be one that
    # PyTorch has no build for yet.
    for request in ">=$MIN_PYTHON,<3.14" ">=$MIN_PYTHON"; do
      found=$("$UV" python find --no-project --system "$request" 2>/dev/null || true)
      [ -z "$found" ] || break
    done
  fi
  if [ -z "$found" ]; then
    say "No Python >= $MIN_PYTHON on this machine; letting uv fetch one"
    "$UV" python install 3.12 >&2 || fail "there is no Python >= $MIN_PYTHON here, and uv could not fetch one" \
      "install one (for example Debian 12's python3), or name one: NAPARI_SA2VA_PYTHON=/path/to/python3.12"
    found=$("$UV" python find --no-project --system 3.12)
  fi
  "$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$found is older than Python $MIN_PYTHON" "name a newer one: NAPARI_SA2VA_PYTHON=3.12"
  printf '%s\n' "$found"
}

# Prints one line that changes whenever .venv has to be made anew.
environment_stamp() {
  local python=$1
  {
    "$python" -c 'import sys; print(sys.version, sys.base_prefix)'
    printf '%s\n' "$ROOT" "${NAPARI_SA2VA_TORCH:-}"
    cat "$ROOT/pyproject.toml"
  } | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

prepare_environment() {
  local kind=$1 python stamp
  # uv trusts its own list of certificate authorities; a machine behind an institute's proxy needs
  # the machine's list. A bare machine has none, and then uv's own is right.
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}; fi
  # sam2 would compile a CUDA extension that only hole filling uses, which this package does not.
  export SAM2_BUILD_CUDA=0
  # An activated environment or a project setting elsewhere must not redirect the install.
  unset VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONPATH PYTHONHOME
  get_uv
  python=$(choose_python)
  stamp=$(environment_stamp "$python")
  if [ "$(cat "$VENV/.made-from" 2>/dev/null || true)" != "$stamp" ]; then
    say "Making .venv with $("$python" --version) ($python)"
    rm -rf "$VENV"
    "$UV" venv --quiet --no-project --python "$python" "$VENV"
  fi
  if [ ! -e "$VENV/.has-$kind" ] && { [ "$kind" != run ] || [ ! -e "$VENV/.has-dev" ]; }; then
    local what=(--editable "$ROOT")
    if [ "$kind" = dev ]; then what+=(--group "$ROOT/pyproject.toml:dev"); fi
    if [ -n "${NAPARI_SA2VA_TORCH:-}" ]; then what+=(--torch-backend "$NAPARI_SA2VA_TORCH"); fi
    say "Installing into .venv from PyPI (PyTorch's usual build for Linux brings several GB)"
    "$UV" pip install --quiet --python "$VENV/bin/python" "${what[@]}"
    # Only now: an install that was cut short must be done again.
    : >"$VENV/.has-$kind"
    printf '%s\n' "$stamp" >"$VENV/.made-from"
  fi
  export PATH="$VENV/bin:$PATH"
}
