"""What `bert` loses in 8-bit integers: size of the text model, and NDCG@20 among cold items with a paired interval.

usage: int8.py FILE [FILE ...] [--seed 1] [--prepare a=b ...] [--out FOLDER]

FILEs and flags go to `reccli prepare --split cold-item`. `bert` is trained twice on the same split, in float32 and with
`encoder.int8=true`; `evaluate --compare` bootstraps the difference over users.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from movielens_als import reccli

from reccli.nn.int8 import in_int8, size_of
from reccli.nn.text_folder import offline_model
from reccli.nn.text_source import TextSource


def main() -> None:
    """Train both, and print sizes and the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--prepare", nargs="*", default=[], help="further flags of prepare, without their dashes: a=b")
    parser.add_argument("--out", type=Path, default=Path("int8"))
    given = parser.parse_args()
    flags = [part for text in given.prepare for part in (f"--{text.split('=')[0]}", text.split("=", 1)[1])]
    reccli(given.out, "prepare", *given.files, "--split", "cold-item", "--seed", given.seed, *flags)
    model = TextSource(offline_model()).tower.model
    whole, small = size_of(model), size_of(in_int8(model, max_length=64))
    print(f"text model: {whole / 1e6:.1f} MB, in int8 {small / 1e6:.1f} MB ({small / whole:.1%})", flush=True)
    for name, more in (("float32", []), ("int8", ["--set", "encoder.int8=true"])):
        reccli(given.out, "finetune", "--encoder", "bert", "--set", "pretrained=none", *more, "--name", name)
    options = ["--candidates", "cold", "--metric", "ndcg", "-k", "20"]
    print(reccli(given.out, "evaluate", "--compare", "int8", "float32", *options))


if __name__ == "__main__":
    main()
