#!/usr/bin/env python3
"""GPU code run checked on the CPU: every golden on the simt variant of every GPU target, without a report.

In f32 by the f32 rule and in bf16 by the bf16 rule with the oracle's routing: in one prefill, in chunks, and token by
token. What x86 refuses is the same error for a GPU target. Then the trained model's greedy tokens, of one artifact for
every kind of machine, and what dsv2-run says of variants that this machine cannot run.
"""
import sys
import time

from gpu_goldens import CPU, MODES, GpuRuns, known_targets
from suite import GOLDENS, TRAINED, Suite, missing_flags


def run_golden(suite, directory, compute, targets):
    prefix = f"{directory.name}: {compute} on "
    names = [f"{prefix}{target}:simt: {mode}" for target in targets for mode in MODES]
    if not any(suite.only in name for name in [prefix, *names]):
        return
    runs = GpuRuns(suite, directory, compute, [f"{target}:simt" for target in targets])
    refusal = runs.refusal(CPU)
    if refusal:
        for target in targets:
            suite.test(f"{prefix}{target}:simt: refused as on {CPU}", lambda t=target: (
                runs.refusal(t) == refusal, f"{runs.refusal(t)} instead of {refusal}"))
        return
    for target in targets:
        for mode, flags in MODES.items():
            suite.test(f"{prefix}{target}:simt: {mode}", lambda t=f"{target}:simt", f=flags: runs.run(t, *f))


def run_trained(suite, targets):
    """Greedy tokens are equal on the CPU and on every GPU target, of one artifact with all of them."""
    tiers = [CPU, "x86-64-v4-bf16", *targets]
    options = f"targets={','.join(tiers)} simt=on compute=f32 binaries=off"

    def artifact():
        return suite.artifact(TRAINED, options)

    def tokens(tier):
        return suite.tool("dsv2-run", artifact(), "--weights", TRAINED, "--tier", tier, "--prompt", "In the beginning",
                          "--generate", 12, "--print-ids")

    def holds():
        variants = [line.split()[1].rstrip(":") for line in suite.tool(
            "dsv2-translate", "--describe", artifact()).splitlines() if line.startswith("variant ")]
        expected = [*tiers, *(f"{target}:simt" for target in targets)]
        return variants == expected, f"{variants} instead of {expected}"

    suite.test("trained: one artifact holds every variant", holds)
    for tier in ["x86-64-v4-bf16", *(f"{target}:simt" for target in targets)]:
        def equal(tier=tier):
            cpu, other = tokens(CPU), tokens(tier)
            return cpu == other and len(cpu.split()) == 12, f"{other!r} instead of {cpu!r}"

        name = f"trained: greedy tokens on {tier}"
        if missing_flags(tier):
            suite.skip(name, f"the processor lacks {', '.join(missing_flags(tier))}")
        else:
            suite.test(name, equal)


def run_choice(suite, targets):
    """Which variant runs, and what is said of one that cannot."""
    if not any(suite.only in f"choice: {target}" for target in ["", *targets]) and "choice" not in suite.only:
        return
    directory = next(path for path in GOLDENS if path.name == "lite")
    artifact = suite.artifact(directory, f"targets={','.join([*targets, CPU])} simt=on compute=f32 binaries=off")
    flags = ["--weights", directory, "--tokens", "1,2,3", "--generate", 1, "--ignore-eos", "--print-ids"]

    def missing(target):
        begin = time.monotonic()
        done = suite.run("dsv2-run", artifact, *flags, "--tier", target)
        took = time.monotonic() - begin
        if done.returncode == 0:
            return True, ""  # there is such a GPU
        text = f"{took:.1f} s, {done.stderr}"
        return took < 2 and f"variant '{target}' needs " in done.stderr and "found" in done.stderr, text

    for target in targets:
        suite.test(f"choice: {target} without a GPU", lambda t=target: missing(t))

    def best():
        done = suite.run("dsv2-run", artifact, *flags)
        return done.returncode == 0 and "running variant " in done.stderr and ":simt" not in done.stderr, done.stderr

    suite.test("choice: the best variant, and its name", best)

    def none():
        """An artifact without code for a CPU: every variant, and what was found instead."""
        listed = [targets[0], targets[-1]]
        only = suite.artifact(directory, f"targets={','.join(listed)} compute=f32 binaries=off")
        begin = time.monotonic()
        done = suite.run("dsv2-run", only, *flags)
        took = time.monotonic() - begin
        wanted = ["the artifact has no variant for this machine", "; found cpu: ", "cuda: ", "hip: ", *listed]
        return done.returncode == 0 or (took < 2 and all(text in done.stderr for text in wanted)), done.stderr

    suite.test("choice: an artifact with code for GPUs alone", none)

    def unchecked(target):
        values = [suite.tool("dsv2-run", artifact, *flags, "--tier", f"{target}:simt", "--check", check)
                  for check in ("on", "off")]
        return values[0] == values[1], str(values)

    for target in targets:
        suite.test(f"choice: {target}:simt without checks", lambda t=target: unchecked(t))
    suite.test("choice: the null driver", lambda: (
        suite.run("dsv2-run", artifact, *flags, "--driver", "null").returncode == 0, ""))
    suite.test("choice: an unknown driver", suite.refuses(
        "this build has no driver 'x'", "dsv2-run", artifact, *flags, "--driver", "x"))


def main():
    suite = Suite(__doc__, lambda parser: parser.add_argument(
        "--part", default="1/1", help="2/3: the second of three shares of the goldens"))
    part, parts = map(int, suite.options.part.split("/"))
    targets = known_targets(suite)
    if targets:
        for directory in GOLDENS[part - 1::parts]:
            for compute in ("f32", "bf16"):
                run_golden(suite, directory, compute, targets)
        if part == parts:
            run_trained(suite, targets)
            run_choice(suite, targets)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
