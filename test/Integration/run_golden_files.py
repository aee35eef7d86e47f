#!/usr/bin/env python3
"""The golden directories themselves: what the format says, a line each in their README, gaps no narrower than promised.

Needs no tool of the build. Ends with `N passed, N failed`.
"""
import json
import re
import statistics
import sys

from suite import GOLDENS, ROOT, Suite, check_golden

SMALLEST_GAP = 1e-5
LARGEST_FOLDER = 12 << 20  # bytes of all goldens together, so that a clone stays quick


def shapes_agree(directory):
    tensors = check_golden.read_safetensors(directory / "golden.safetensors")
    config = json.loads((directory / "config.json").read_text())
    count, first, vocab = tensors["tokens"][0][0], tensors["first"][1][0], config["vocab_size"]
    expected = {"tokens": [count], "positions": [count], "first": [1], "logits": [count - first, vocab],
                "mtp_logits": [count - 1, vocab], "min_gap": [count]}
    for name, (shape, _) in tensors.items():
        if shape != expected.get(name):
            return False, f"tensor '{name}' is {shape}, expected {expected.get(name)}"
    positions = list(tensors["positions"][1])
    good = 0 <= first < count and positions == sorted(set(positions)) and max(tensors["tokens"][1]) < vocab
    return good, f"first {first}, tokens up to {max(tensors['tokens'][1])}, positions {positions}"


def numbers_serve(directory):
    """Logits spread as the rules expect them, and no choice of an expert that float32 may rightly miss."""
    tensors = check_golden.read_safetensors(directory / "golden.safetensors")
    spread = statistics.pstdev(tensors["logits"][1])
    gap = min(tensors["min_gap"][1]) if "min_gap" in tensors else 1
    return 1.5 < spread < 2.5 and gap >= SMALLEST_GAP, f"standard deviation {spread}, smallest gap {gap}"


def readme_lists_all():
    lines = (ROOT / "test/Golden/README.md").read_text().splitlines()
    listed = sorted(found[1] for found in (re.match(r"\| `([\w-]+)` \| ", line) for line in lines) if found)
    names = sorted(path.name for path in GOLDENS)
    return listed == names, f"listed {listed}, expected {names}"


def folder_is_small():
    size = sum(path.stat().st_size for path in (ROOT / "test/Golden").rglob("*") if path.is_file())
    return size <= LARGEST_FOLDER, f"{size} bytes, expected at most {LARGEST_FOLDER}"


def main():
    suite = Suite(__doc__)
    for directory in GOLDENS:
        suite.test(f"{directory.name}: shapes", lambda d=directory: shapes_agree(d))
        suite.test(f"{directory.name}: numbers", lambda d=directory: numbers_serve(d))
    suite.test("the README lists every golden", readme_lists_all)
    suite.test("all goldens together are small", folder_is_small)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
