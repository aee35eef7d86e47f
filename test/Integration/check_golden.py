#!/usr/bin/env python3
"""Compares a file of logits with a golden, by the rules of the interfaces page. Standard library only.

  check_golden.py GOLDEN_DIR LOGITS.safetensors [--rule f32|bf16] [--name logits.1|mtp_logits] [--rows N]

f32:  max|y-x| / max|x| at most 1e-4, or 1e-4 * P/2048 where the longest position P is past 2,048; the largest
      logit is the same in every row whose margin in the golden exceeds twice that bound times max|x|.
bf16: rms(y-x) / rms(x) at most 0.12 (with the oracle's expert choices replayed).
"""
import argparse
import array
import copy
import json
import math
import pathlib
import struct
import sys

CODES = {"F32": "f", "I64": "q", "I32": "i"}


def read_safetensors(path):
    """{name: (shape, values)} of a file with F32, I32 and I64 tensors; values as an array."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        values = array.array(CODES[info["dtype"]])
        values.frombytes(data[8 + length + begin:8 + length + end])
        tensors[name] = (info["shape"], values)
    return tensors


class Golden:
    """golden.safetensors of a model directory: row t of `rows` follows token first + t.

    `mtp`: the same for the block of multi-token prediction, row t after token t given token t + 1; None without.
    """

    def __init__(self, directory):
        tensors = read_safetensors(pathlib.Path(directory) / "golden.safetensors")
        self.tokens = list(tensors["tokens"][1])
        self.positions = list(tensors["positions"][1])
        self.first = tensors["first"][1][0]
        shape, values = tensors["logits"]
        self.vocab = shape[1]
        self.rows = [values[i * self.vocab:(i + 1) * self.vocab] for i in range(shape[0])]
        self.mtp = None
        if "mtp_logits" in tensors:
            shape, values = tensors["mtp_logits"]
            self.mtp = copy.copy(self)
            self.mtp.first = 0
            self.mtp.rows = [values[i * self.vocab:(i + 1) * self.vocab] for i in range(shape[0])]

    def bound(self):
        return 1e-4 * max(1.0, max(self.positions) / 2048)


def wanted_rows(golden, shape, values, count):
    """The rows of a file of logits that stand beside golden.rows[:count]."""
    if len(shape) != 2 or shape[1] != golden.vocab:
        raise ValueError(f"logits of shape {shape}, expected [rows, {golden.vocab}]")
    skip = golden.first if shape[0] == golden.first + count else 0
    if shape[0] != skip + count:
        raise ValueError(f"{shape[0]} rows of logits, expected {count} or {golden.first + count}")
    return [values[i * golden.vocab:(i + 1) * golden.vocab] for i in range(skip, skip + count)]


def check_f32(golden, rows):
    """(passed, text)."""
    expected = golden.rows[:len(rows)]
    largest = max(abs(v) for row in expected for v in row)
    worst, at = 0.0, None
    for t, (x, y) in enumerate(zip(expected, rows)):
        for i, (a, b) in enumerate(zip(x, y)):
            distance = abs(b - a)
            if not distance <= worst:  # a NaN counts as the worst
                worst, at = (math.inf if math.isnan(distance) else distance), (t, i)
    bound = golden.bound()
    text = f"max|y-x|/max|x| = {worst / largest:.3g} at {at}, bound {bound:.3g}"
    if not worst / largest <= bound:
        return False, text
    for t, (x, y) in enumerate(zip(expected, rows)):
        order = sorted(x)
        if order[-1] - order[-2] > 2 * bound * largest and max(range(len(x)), key=x.__getitem__) != max(
                range(len(y)), key=y.__getitem__):
            return False, text + f"; row {t} has another largest logit"
    return True, text


def check_bf16(golden, rows):
    """(passed, text)."""
    distance = size = 0.0
    for x, y in zip(golden.rows[:len(rows)], rows):
        distance += sum((b - a) ** 2 for a, b in zip(x, y))
        size += sum(a * a for a in x)
    ratio = math.sqrt(distance / size)
    return ratio <= 0.12, f"rms(y-x)/rms(x) = {ratio:.3g}, bound 0.12"


def check(golden, logits_path, rule="f32", name="logits", count=None):
    """Compares one tensor of a file with the first `count` rows of the golden (all by default)."""
    if name.startswith("mtp_logits"):
        golden = golden.mtp
    tensors = read_safetensors(logits_path)
    if name not in tensors:
        return False, f"no tensor '{name}' in {logits_path}"
    count = len(golden.rows) if count is None else count
    try:
        rows = wanted_rows(golden, *tensors[name], count)
    except ValueError as error:
        return False, str(error)
    return (check_f32 if rule == "f32" else check_bf16)(golden, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("golden")
    parser.add_argument("logits")
    parser.add_argument("--rule", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--name", default="logits")
    parser.add_argument("--rows", type=int)
    options = parser.parse_args()
    good, text = check(Golden(options.golden), options.logits, options.rule, options.name, options.rows)
    print(("passed: " if good else "FAILED: ") + text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
