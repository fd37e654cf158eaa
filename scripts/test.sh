#!/usr/bin/env bash
# Everything that must pass, the quickest first; stops at the first failure. The contract suite, which takes longest and
# one core, runs beside the others from the beginning. Arguments pick steps:
#   scripts/test.sh            all of them
#   scripts/test.sh unit docs  these two
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=(contracts lint unit docs gas invariants integration e2e)
steps=("${@:-${all[@]}}")
python=.venv/bin/python
started=$SECONDS

stop() { echo "test: $*" >&2; exit 1; }

find_chromium() {
  for candidate in "${INTERPOINTS_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then command -v "$candidate"; return; fi
  done
  # A browser that playwright has downloaded before.
  "$python" -c 'from playwright.sync_api import sync_playwright as p
with p() as each: print(each.chromium.executable_path)' 2>/dev/null | while read -r path; do
    if [ -x "$path" ]; then echo "$path"; fi
  done
}

need_chromium() {
  INTERPOINTS_CHROMIUM="$(find_chromium)"
  if [ -z "$INTERPOINTS_CHROMIUM" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "test: installing chromium" >&2
    install=(apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 install chromium)
    export DEBIAN_FRONTEND=noninteractive
    { "${install[@]}" || { apt-get update -qq -o Acquire::Retries=5 && "${install[@]}"; }; } </dev/null >/dev/null 2>&1 || true
    INTERPOINTS_CHROMIUM="$(find_chromium)"
  fi
  if [ -z "$INTERPOINTS_CHROMIUM" ]; then
    "$python" -m playwright install chromium >/dev/null 2>&1 || true
    INTERPOINTS_CHROMIUM="$(find_chromium)"
  fi
  [ -n "$INTERPOINTS_CHROMIUM" ] ||
    stop "The browser tests need Chromium: install it (apt-get install chromium), or name it with INTERPOINTS_CHROMIUM."
  export INTERPOINTS_CHROMIUM
}

# Bash does not stop at a failing command in a function whose outcome is asked for, hence the chain.
step_lint() {
  "$python" -m ruff check . &&
    "$python" -m ruff format --check . &&
    "$python" -m mypy &&
    scripts/lint_contracts.sh
}
step_unit() { "$python" -m pytest tests/unit; }
step_docs() { "$python" -m pytest tests/docs; }
step_gas() { "$python" -m pytest tests/gas; }
# Which examples forge draws from its seed depends on how many threads it has: the same on every machine.
step_invariants() { scripts/forge test --threads 2; }
step_contracts() { scripts/test_contracts.sh; }
# Two at a time: these tests wait for chains and databases more than they compute.
step_integration() { "$python" -m pytest tests/integration -n 2 --dist worksteal; }
step_e2e() { need_chromium; "$python" -m pytest tests/e2e; }

echo "=== setup"
uv="$(scripts/setup.sh)"
# Scripts that call uv find the one that set-up found or installed.
PATH="$(dirname "$uv"):$PWD/node_modules/.bin:$PATH"
export PATH
# As in set-up: what the contract suite and slither need is downloaded later.
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-120}" UV_HTTP_RETRIES="${UV_HTTP_RETRIES:-5}"
has() { [[ " ${steps[*]} " = *" $1 "* ]]; }
for name in "${steps[@]}"; do
  declare -F "step_$name" >/dev/null || stop "There is no step $name; there are ${all[*]}."
done

beside=""
beside_pid=""
end_all() {
  # The whole group: the suite's own chain as well. When it has ended by itself there is none.
  if [ -n "$beside_pid" ]; then kill -- "-$beside_pid" 2>/dev/null || true; fi
  rm -f "$beside"
}
if has contracts && has integration; then
  beside="$(mktemp)"
  trap end_all EXIT
fi
start_beside() {
  set -m
  step_contracts >"$beside" 2>&1 &
  beside_pid=$!
  set +m
}
end_beside() {
  local outcome=0
  wait "$beside_pid" || outcome=$?
  cat "$beside"
  [ "$outcome" = 0 ] || stop "contracts failed."
}

for name in "${steps[@]}"; do
  echo "=== $name"
  before=$SECONDS
  if [ -n "$beside" ] && [ "$name" = contracts ]; then
    start_beside
    echo "=== contracts runs beside the others; its output follows integration's"
    continue
  fi
  outcome=0
  "step_$name" || outcome=$?
  # Even when the tests failed: nothing is left running.
  if [ -n "$beside" ] && [ "$name" = integration ]; then end_beside; fi
  [ "$outcome" = 0 ] || stop "$name failed after $((SECONDS - before)) s."
  # The last step's own closing line stays the last of the output.
  [ "$name" = "${steps[-1]}" ] || echo "=== $name passed in $((SECONDS - before)) s, $((SECONDS - started)) s in all"
done
