#!/usr/bin/env bash
# Set everything up in ./.venv, plugins included, and run the tests; arguments go to pytest.
#
# Variables: PYTHON (interpreter that makes the environment), RECCLI_VENV (where).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${RECCLI_VENV:-.venv}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
"$venv/bin/python" -c 'import torch' 2>/dev/null || pip install 'torch==2.13.0'
pip install --editable '.[dev,demo-encoder,peft,tune]'
for plugin in plugins/*/; do
    pip install --no-deps --editable "$plugin"
done
exec "$venv/bin/python" -m pytest "$@"
