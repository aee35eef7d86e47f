#!/usr/bin/env python3
"""Passes of the model stage on random modules: the result verifies and computes what the module before did.

test/lib/RandomModule.h makes the modules. `--seeds A-B` runs others than those of every run.
"""
import concurrent.futures
import itertools
import re

from suite import Suite

ABSORB = "--dsv2-absorb-mla-projections=mode="
FUSE = "--dsv2-fuse-experts=mode="
COMPUTE = "--dsv2-set-compute-type=compute="
# One list for each seed, in turn: every pass alone, then orders of all of them.
PIPELINES = [
    ["--canonicalize", "--cse"],
    [ABSORB + "reassociated"],
    [FUSE + "auto"],
    [FUSE + "merge"],
    [COMPUTE + "f32"],
    [COMPUTE + "bf16"],
    *[[*order, "--canonicalize", "--cse"] for order in
      itertools.permutations([ABSORB + "reassociated", FUSE + "auto", COMPUTE + "bf16"])],
    [COMPUTE + "f32", FUSE + "auto", ABSORB + "auto"],
]


def add_flags(parser):
    parser.add_argument("--seeds", default="1-52", help="A-B, both included")


def check(suite, seed):
    """(passed, text) of one random module under its list of passes."""
    module = suite.work / f"random-{seed}.mlir"
    passes = PIPELINES[seed % len(PIPELINES)]
    # The compute type is set where nothing is rounded yet.
    rounded = not any(flag.startswith(COMPUTE) for flag in passes)
    suite.tool("dsv2-opt-test", f"--test-make-random-module=seed={seed} rounded={str(rounded).lower()}", "-", "-o", module,
               stdin="module {}")
    done = suite.run("dsv2-opt-test", module, f"--dsv2-check-semantics=seed={seed} tokens=30", *passes, "-o", "/dev/null")
    lines = re.findall(r"^.*error: .*$", done.stderr, re.MULTILINE)
    text = f"seed {seed}, {' '.join(passes)}: status {done.returncode}, {lines[:3] or done.stderr[-500:]}"
    return done.returncode == 0 and not lines, text


def main():
    suite = Suite(__doc__, add_flags)
    first, last = map(int, suite.options.seeds.split("-"))
    seeds = range(first, last + 1)
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        futures = [(seed, pool.submit(check, suite, seed)) for seed in seeds]
        for seed, future in futures:
            suite.test(f"random module {seed}", future.result)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
