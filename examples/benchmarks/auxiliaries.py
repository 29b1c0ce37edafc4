"""What contrast beside the loss is worth: NDCG@10 on validation at several weights, then on test at the best weight.

usage: auxiliaries.py FILE --aux NAME:WEIGHT [NAME:WEIGHT ...] [--split random] [--seed 1] [--encoder lightgcn]
                      [--finetune a=b ...] [--prepare a=b ...] [--no-test] [--out FOLDER]

FILE goes to `reccli prepare`. Every row is the same training, with one auxiliary task beside the loss or none; steps
and CPU seconds are those of the whole command. Of each task the weight that is best on validation is then compared with
the plain run on test (`evaluate --compare`, paired bootstrap over users).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from measured import measured_reccli


def flags_of(texts: list[str]) -> list[str]:
    """Return `--a b` for `a=b`."""
    return [part for text in texts for part in (f"--{text.split('=')[0]}", text.split("=", 1)[1])]


def main() -> None:
    """Train all, print a line each, and compare the best with the plain run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--aux", nargs="+", default=[])
    parser.add_argument("--split", default="random")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--encoder", default="lightgcn")
    parser.add_argument("--finetune", nargs="*", default=[], help="further flags of finetune, without their dashes")
    parser.add_argument("--prepare", nargs="*", default=[], help="further flags of prepare, without their dashes: a=b")
    parser.add_argument("--no-test", action="store_true", help="leave test alone")
    parser.add_argument("--out", type=Path, default=Path("auxiliaries"))
    given = parser.parse_args()
    more = flags_of(given.prepare)
    measured_reccli(
        given.out, "prepare", str(given.file.resolve()), "--split", given.split, "--seed", given.seed, *more
    )
    prefix = "-".join([given.encoder, *(text.split("=", 1)[1] for text in given.finetune)])
    print(f"{'aux':<16} | best epoch | valid ndcg@10 | steps | CPU seconds", flush=True)
    found: dict[str, tuple[float, str]] = {}
    for aux in ("none", *given.aux):
        name = f"{prefix}-{aux.replace(':', '-')}"
        flags = ["--encoder", given.encoder, "--threads", "1", *flags_of(given.finetune), "--name", name, "--json"]
        run = measured_reccli(given.out, "finetune", *flags, *([] if aux == "none" else ["--aux", aux]))
        facts = json.loads(run.stdout)["data"]
        cells = [f"{aux:<16}", f"{facts['best_epoch']:>10}", f"{facts['best_value']:>13.4f}", f"{facts['steps']:>5}"]
        print(" | ".join([*cells, f"{run.cpu_seconds:.1f}"]), flush=True)
        kind = aux.partition(":")[0]
        found[kind] = max(found.get(kind, (0.0, "")), (facts["best_value"], name))
    for kind, (_, name) in found.items() if not given.no_test else ():
        if kind != "none":
            options = ["--compare", name, found["none"][1], "--metric", "ndcg", "-k", "10"]
            print(measured_reccli(given.out, "evaluate", *options).stdout, flush=True)


if __name__ == "__main__":
    main()
