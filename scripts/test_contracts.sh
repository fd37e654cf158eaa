#!/usr/bin/env bash
# Runs the Brownie suite of the contracts on a local anvil. Arguments go to pytest, for example
#   scripts/test_contracts.sh tests/contracts/PointsToken/test_issue.py -k stranger
# LARGE=1 runs the stateful machine and the fuzz tests with many more examples.
# Everything Brownie, py-solc-x and uv write stays below .build/ and tests/contracts/.venv.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

command -v node >/dev/null || { echo "Node 20 or later is needed: install it, then run this again." >&2; exit 1; }
command -v uv >/dev/null || { echo "uv is needed: pip install uv, then run this again." >&2; exit 1; }
[ -x node_modules/.bin/anvil ] && [ -d node_modules/solc ] || npm ci --no-audit --no-fund
uv sync --quiet --locked --project tests/contracts

build="$root/.build"
mkdir -p "$build/solcx" "$build/brownie-home"
# Brownie takes the compiler from py-solc-x's folder, so that is where the wrapper of the npm compiler goes. It asks for
# the version twenty times a run, which is answered from a file rather than by loading the compiler each time.
scripts/solc --version > "$build/solcx/version.$$" && mv "$build/solcx/version.$$" "$build/solcx/version"
rm -f "$build/solcx/solc-v0.8.37"
cat > "$build/solcx/solc.$$" <<EOF
#!/bin/sh
if [ "\$1" = --version ]; then exec cat "$build/solcx/version"; fi
exec "$root/scripts/solc" "\$@"
EOF
chmod +x "$build/solcx/solc.$$" && mv "$build/solcx/solc.$$" "$build/solcx/solc-v0.8.37"

# The real node, because a version manager's stand-in may need the real home folder.
node_folder="$(dirname "$(node -p process.execPath)")"
# Brownie keeps its settings in the home folder: give it one of its own, and leave the real one alone.
export HOME="$build/brownie-home" SOLCX_BINARY_PATH="$build/solcx"
export PATH="$root/node_modules/.bin:$node_folder:$PATH"
unset VIRTUAL_ENV PYTHONPATH
# A path that does not exist yet (a file name, an option's value) is pytest's to complain about.
for argument in "$@"; do
  case "$argument" in tests/*) exec tests/contracts/.venv/bin/python -m pytest -c tests/contracts/pytest.ini "$@" ;; esac
done
exec tests/contracts/.venv/bin/python -m pytest -c tests/contracts/pytest.ini "$@" tests/contracts
