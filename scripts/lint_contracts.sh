#!/bin/sh
# Static analysis of the contracts: slither (every finding is fixed or justified at its line) and its ERC-20 check.
# Exit status 0 only when nothing is left. Needs uv, and `npm ci` done; slither itself is fetched by uv on first use.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
# A build folder of its own, so that a running forge is not disturbed.
FOUNDRY_OUT=.build/slither/out
FOUNDRY_CACHE_PATH=.build/slither/cache
export FOUNDRY_OUT FOUNDRY_CACHE_PATH
UV_CONSTRAINT=scripts/slither-constraints.txt
export UV_CONSTRAINT

uvx --quiet --from slither-analyzer slither . --config-file slither.config.json
checked=$(uvx --quiet --from slither-analyzer slither-check-erc . PointsToken --erc ERC20 --ignore-compile \
    --compile-force-framework foundry --foundry-out-directory "$FOUNDRY_OUT" 2>&1) \
    || { printf '%s\n' "$checked"; exit 1; }
# The approval race is ERC-20's own; like OpenZeppelin we keep `approve` plain, and permit carries a nonce.
if printf '%s\n' "$checked" | grep -v "approval race condition" | grep -q '\[ \]'; then
    printf '%s\n' "$checked"
    exit 1
fi
echo "slither: no findings; PointsToken follows ERC-20."
