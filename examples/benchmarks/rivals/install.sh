#!/usr/bin/env bash
# Installs what the benchmarks compare with, each in an environment of its own: FOLDER/<name>/bin/python.
#
# usage: install.sh FOLDER [recbole implicit surprise lenskit sentence-transformers ...]
#
# Without names all of them. What is there is left as it is. Needs Python 3.11 as python3.11 (or PYTHON), since the rivals lag behind;
# scikit-surprise is built from source, and needs a C compiler.
set -euo pipefail
folder=${1:?usage: install.sh FOLDER [NAME ...]}
shift
python=${PYTHON:-python3.11}

packages() {
    case $1 in
        recbole) echo "recbole==1.2.1 torch numpy<2 pandas<2.3 scipy<1.14 setuptools<80" ;;
        implicit) echo "implicit==0.7.3 polars" ;;
        surprise) echo "scikit-surprise==1.1.4 numpy<2 polars" ;;
        lenskit) echo "lenskit polars" ;;
        sentence-transformers) echo "sentence-transformers accelerate datasets polars" ;;
        *) echo "install.sh: no rival called '$1'; there are recbole, implicit, surprise, lenskit, sentence-transformers" >&2; return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- recbole implicit surprise lenskit sentence-transformers
for name in "$@"; do packages "$name" > /dev/null; done
for name in "$@"; do
    if [ -e "$folder/$name/installed" ]; then
        echo "$name: there already"
        continue
    fi
    "$python" -m venv "$folder/$name"
    read -ra wanted <<< "$(packages "$name")"
    "$folder/$name/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}"
    "$folder/$name/bin/pip" freeze > "$folder/$name/installed"
    echo "$name: $folder/$name/bin/python"
done
