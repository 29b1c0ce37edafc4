"""Encoding texts: reccli's text tower against sentence-transformers, same weights, same machine, one after the other.

usage: encoding.py ITEMS --column title [--rival-python PYTHON] [--repeats 3]

ITEMS is Parquet or CSV. Distinct texts are encoded without any cache; prints texts a second (best of the repeats), the
ratio, and the largest difference between the vectors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RIVAL = """
import json, sys, time
import numpy as np
from sentence_transformers import SentenceTransformer
texts = json.load(open(sys.argv[1]))
model = SentenceTransformer(sys.argv[2], device="cpu")
model.max_seq_length = 64
model.encode(texts[:64], normalize_embeddings=True)
best = 1e9
for _ in range(int(sys.argv[4])):
    begun = time.perf_counter()
    vectors = model.encode(texts, batch_size=128, normalize_embeddings=True, show_progress_bar=False)
    best = min(best, time.perf_counter() - begun)
np.save(sys.argv[3], vectors)
print(json.dumps({"seconds": best}))
"""


def main() -> None:
    """Run both; print rates and the ratio."""
    import polars as pl

    from reccli.nn.text_folder import offline_model
    from reccli.nn.text_source import TextSource

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", type=Path)
    parser.add_argument("--column", default="title")
    parser.add_argument("--rival-python")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    read = pl.read_parquet if given.items.suffix == ".parquet" else pl.read_csv
    texts = read(given.items)[given.column].drop_nulls().unique(maintain_order=True).to_list()
    source = TextSource(offline_model(), max_length=64)
    source.vectors(texts[:64], cached=False)
    best = np.inf
    for _ in range(given.repeats):
        begun = time.perf_counter()
        vectors = source.vectors(texts, cached=False)
        best = min(best, time.perf_counter() - begun)
    print(f"{len(texts):,} texts: reccli {best:.2f} s, {len(texts) / best:.0f} texts/s", flush=True)
    if given.rival_python is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        arguments = [str(place / "texts.json"), str(offline_model()), str(place / "out.npy"), str(given.repeats)]
        done = subprocess.run(
            [given.rival_python, "-c", RIVAL, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
        apart = float(np.abs(np.load(place / "out.npy") - vectors).max())
    print(f"sentence-transformers {seconds:.2f} s; ratio {seconds / best:.2f}; largest difference {apart:.1e}")


if __name__ == "__main__":
    main()
