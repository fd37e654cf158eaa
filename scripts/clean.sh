#!/usr/bin/env bash
# Ends what a killed run left behind, then removes .interpoints/ and built files. Environments (.venv, node_modules) stay.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -d .interpoints ] && [ -x .venv/bin/python ]; then
  .venv/bin/python -m scripts.clean
fi
rm -rf .interpoints .build build dist reports .pytest_cache .mypy_cache .ruff_cache .hypothesis backend/chain/artifacts/*.json
