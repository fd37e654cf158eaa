#!/usr/bin/env bash
# Makes a fresh clone ready: Python environment (uv), npm packages, compiled contracts. Quick when nothing changed.
# Prints the path of uv on its last line of standard output; everything else goes to standard error.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
say() { echo "setup: $*" >&2; }
stop() { echo "setup: $*" >&2; exit 1; }

python="$(command -v python3 || true)"
tools="$root/.interpoints/tools"

find_uv() {
  for candidate in "$(command -v uv || true)" "$tools/bin/uv"; do
    if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
}
install_uv() {
  [ -n "$python" ] || stop "Python 3.11 or later is needed: install python3, then run this again."
  say "uv is missing: installing it into .interpoints/tools"
  # An environment of its own where the system can make one; otherwise a plain folder, which every pip can fill.
  # Neither touches the system's packages, so it works on machines that forbid that (PEP 668) and without root.
  mkdir -p "$root/.interpoints"
  if "$python" -m venv "$tools" >/dev/null 2>&1 && "$tools/bin/python" -m pip install --quiet uv >&2; then return; fi
  rm -rf "$tools"
  "$python" -m pip install --quiet --target "$tools" uv >&2 ||
    stop "uv could not be installed: install it (https://docs.astral.sh/uv/) or python3-pip, then run this again."
}

uv="$(find_uv)"
if [ -z "$uv" ]; then
  install_uv
  uv="$(find_uv)"
  [ -n "$uv" ] || stop "uv could not be installed: install it (https://docs.astral.sh/uv/), then run this again."
fi

command -v node >/dev/null || stop "Node 20 or later is missing: install it (for example apt-get install nodejs npm), then run this again."
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] ||
  stop "Node 20 or later is needed, this is $(node --version): install a newer one, then run this again."
command -v npm >/dev/null || stop "npm is missing: install it (for example apt-get install npm), then run this again."

unset VIRTUAL_ENV
# Downloads are tried again: a registry that does not answer for a moment is no reason to stop.
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-120}" UV_HTTP_RETRIES="${UV_HTTP_RETRIES:-5}"
"$uv" sync --quiet --locked || stop "the Python environment could not be installed; the lines above say why."

npm_ci() {
  npm ci --loglevel=error --no-audit --no-fund --fetch-retries=5 >&2 ||
    stop "npm packages could not be installed; the lines above say why."
}
# To npm the programs are optional: what it cannot fetch it leaves out, and calls that a success.
has_programs() {
  compgen -G 'node_modules/@foundry-rs/anvil-*/bin/anvil*' >/dev/null &&
    compgen -G 'node_modules/@foundry-rs/forge-*/bin/forge*' >/dev/null
}
# npm writes node_modules/.package-lock.json last, so an interrupted installation is done again.
if ! [ node_modules/.package-lock.json -nt package-lock.json ] || ! has_programs; then
  say "installing npm packages"
  npm_ci
  has_programs || npm_ci
  has_programs || stop "npm could not fetch anvil and forge (@foundry-rs/...): run this again."
fi

.venv/bin/python scripts/compile_contracts.py >&2 || stop "the contracts could not be compiled; the lines above say why."
echo "$uv"
