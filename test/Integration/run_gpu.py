#!/usr/bin/env python3
"""The goldens on the GPUs of this machine, by the same rules as on the CPU.

Every golden in f32 and bf16, in one prefill, in chunks and token by token, on each target that a GPU here runs; a
target without its GPU is skipped with the words of dsv2-run.
"""
import sys

from gpu_goldens import CPU, MODES, GpuRuns, known_targets
from suite import GOLDENS, Suite


def found_targets(suite, targets):
    """Those that run here: asked by a few tokens of the smallest golden."""
    lite = next(path for path in GOLDENS if path.name == "lite")
    artifact = suite.artifact(lite, f"targets={','.join([*targets, CPU])} compute=f32 binaries=off")
    found = []
    for target in targets:
        done = suite.run("dsv2-run", artifact, "--weights", lite, "--tier", target, "--tokens", "1,2,3", "--generate", 1)
        if f"variant '{target}' needs " in done.stderr:
            suite.skip(target, next(line for line in done.stderr.splitlines() if " needs " in line))
        else:
            found.append(target)  # any other failure is one of the tests below
    return found


def run_golden(suite, directory, compute, target):
    runs = GpuRuns(suite, directory, compute, [target])
    if runs.refusal(CPU):
        return  # run_simt.py compares the refusals
    for mode, flags in MODES.items():
        suite.test(f"{directory.name}: {compute} on {target}: {mode}", lambda f=flags: runs.run(target, *f))


def main():
    suite = Suite(__doc__)
    for target in found_targets(suite, known_targets(suite)):
        for directory in GOLDENS:
            for compute in ("f32", "bf16"):
                run_golden(suite, directory, compute, target)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
