#!/usr/bin/env python3
"""Imports every broken model directory and checks that its one error says what is wrong.

    python3 test/Import/broken/run.py build/bin/dsv2-translate [NAME ...]

For each: a non-zero exit that is no crash, within 20 seconds, nothing on stdout, and exactly one
line with `error: `, which holds all the strings of expected.json. The directories that the
broken ones are copies of must import first. Prints each failure, then `N passed, N failed`.
"""

import os
import subprocess
import sys
import tempfile

import make_broken


def import_directory(translate, directory):
    return subprocess.run(
        [translate, "--import-hf", directory], capture_output=True, timeout=20, check=False
    )


def problem(translate, directory, expected):
    """What is wrong with the answer to a broken directory, or None."""
    try:
        result = import_directory(translate, directory)
    except subprocess.TimeoutExpired:
        return "took more than 20 seconds"
    stderr = result.stderr.decode(errors="replace")
    lines = [line for line in stderr.splitlines() if "error: " in line]
    if result.returncode == 0:
        return "was imported"
    if result.returncode < 0 or result.returncode >= 128:
        return f"crashed with {result.returncode}: {stderr[-300:]}"
    if result.stdout.strip():
        return "left something on stdout"
    if len(lines) != 1:
        return f"gave {len(lines)} error lines, expected 1: {stderr[:600]}"
    missing = [text for text in expected if text not in lines[0]]
    return f"expected {missing} in: {lines[0][:600]}" if missing else None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    translate, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as out:
        expected = make_broken.make_all(out)
        whole = os.path.join(out, "whole")
        for base in make_broken.make_bases(whole):
            result = import_directory(translate, os.path.join(whole, base))
            if result.returncode != 0:
                failed += 1
                print(f"FAIL {base} (not broken): {result.stderr.decode(errors='replace')[:600]}")
        for name, strings in expected.items():
            if wanted and name not in wanted:
                continue
            trouble = problem(translate, os.path.join(out, name), strings)
            if trouble:
                failed += 1
                print(f"FAIL {name}: {trouble}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
