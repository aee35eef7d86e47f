#!/usr/bin/env python3
"""Checks that every constraint of a dialect stands in three places under one number.

The specification writes `**[linear.1]** text`, a verifier's message ends with `[linear.1]`, and a negative test
expects it. A number that one of them lacks, or that the specification gives twice, is an error. Ends with
`N passed, N failed`.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULE = r"[a-z][a-z0-9_]*\.[0-9]+"
# Each dialect: its pages, the code that says what is wrong, its negative tests.
DIALECTS = {
    "dsv2": ("docs/spec/*.md", "dialects/DSV2/IR", "test/Dialect/DSV2"),
    "dsv2_exec": ("docs/spec/exec/*.md", "dialects/Exec/IR", "test/Dialect/Exec"),
}


def texts(root, folder, patterns):
    for pattern in patterns:
        for path in sorted((root / folder).glob(pattern)):
            yield path.read_text(encoding="utf-8")


def defined(root, pages):
    """The numbers of the specification, with how often each is given."""
    counts = {}
    for path in sorted(root.glob(pages)):
        for rule in re.findall(r"^\s*- \*\*\[(" + RULE + r")\]\*\*", path.read_text(encoding="utf-8"), re.MULTILINE):
            counts[rule] = counts.get(rule, 0) + 1
    return counts


def cited(root, folder):
    """The numbers that messages cite: in brackets inside a string, or alone as an argument of a check."""
    found = set()
    for text in texts(root, folder, ["*.cpp", "*.td"]):
        found.update(re.findall(r'"[^"\n]*\[(' + RULE + r')\][^"\n]*"', text))
        found.update(re.findall(r'"(' + RULE + r')"', text))
    return found


def tested(root, folder):
    """The numbers that negative tests expect."""
    found = set()
    for text in texts(root, folder, ["*-invalid.mlir"]):
        for expected in re.findall(r"expected-error.*?\{\{(.*)\}\}", text):
            found.update(re.findall(r"\[(" + RULE + r")\]", expected))
    return found


def problems(root):
    for dialect, (pages, code, tests) in DIALECTS.items():
        counts = defined(root, pages)
        sets = {"the specification": set(counts), f"messages in {code}": cited(root, code),
                f"negative tests in {tests}": tested(root, tests)}
        if not counts:
            yield f"{dialect}: {pages} has no constraint"
        for rule in sorted(set().union(*sets.values()), key=lambda r: (r.split(".")[0], int(r.split(".")[1]))):
            missing = [place for place, rules in sets.items() if rule not in rules]
            if missing:
                yield f"{dialect}: [{rule}] is missing in {' and in '.join(missing)}"
            if counts.get(rule, 0) > 1:
                yield f"{dialect}: [{rule}] is given {counts[rule]} times in {pages}, expected once"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the tree to check (default: this one)")
    root = parser.parse_args().root
    errors = list(problems(root))
    for error in errors:
        print(f"error: {error}")
    rules = sum(len(defined(root, pages)) for pages, _, _ in DIALECTS.values())
    print(f"{rules - len(errors) if len(errors) < rules else 0} passed, {len(errors)} failed")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
