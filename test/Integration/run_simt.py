#!/usr/bin/env python3
"""GPU code run checked on the CPU: every golden on the simt variant of every GPU target, without a report.

In f32 by the f32 rule and in bf16 by the bf16 rule with the oracle's routing: in one prefill, in chunks, and token by
token. What x86 refuses is the same error for a GPU target. Then the trained model's greedy tokens, of one artifact for
every kind of machine, and what dsv2-run says of variants that this machine cannot run.
"""
import re
import sys
import time

from suite import GOLDENS, TRAINED, Suite, check_golden, ids, missing_flags

CPU = "x86-64-v3"
TARGETS = ["sm_80", "sm_90a", "gfx942", "gfx1100"]
MOST_TOKENS = 48


def known_targets(suite):
    """The GPU targets of this build; each of the others is skipped with the compiler's words."""
    module = suite.module(next(path for path in GOLDENS if path.name == "lite"))
    known = []
    for target in TARGETS:
        done = suite.run("dsv2-opt", module, f"--dsv2-compile=targets={target} stop-after=dispatches")
        if "unknown target" in done.stderr:
            suite.skip(target, next(line for line in done.stderr.splitlines() if "unknown target" in line))
        else:
            known.append(target)
    return known


class SimtRuns:
    """One golden in one compute type: one artifact with all targets, and what is fed to it."""

    def __init__(self, suite, directory, compute, targets):
        self.suite, self.directory, self.compute, self.targets = suite, directory, compute, targets
        self.golden = check_golden.Golden(directory)
        self.length = min(len(self.golden.tokens), MOST_TOKENS)
        self.tokens = ["--tokens", ids(self.golden.tokens[:self.length]), "--positions",
                       suite.file("positions", self.golden.positions[:self.length])]
        self.logits = suite.work / "logits.safetensors"
        self.routing = None

    def replay(self):
        """The oracle's choices of experts, recorded once."""
        if self.compute == "f32":
            return []
        if not self.routing:
            self.routing = self.suite.work / "routing.safetensors"
            self.suite.tool("dsv2-interpret", self.suite.module(self.directory), "--weights", self.directory,
                            *self.tokens, "--record-routing", self.routing, "--generate", 0)
        return ["--replay-routing", self.routing]

    def run(self, target, *flags):
        listed = ",".join(f"{each}:simt" for each in self.targets)
        artifact = self.suite.artifact(self.directory, f"targets={listed} compute={self.compute}")
        done = self.suite.run("dsv2-run", artifact, "--weights", self.directory, "--tier", f"{target}:simt",
                              *self.tokens, *self.replay(), "--logits", self.logits, "--quiet", *flags)
        if done.returncode != 0 or "error" in done.stderr:
            return False, f"ended with {done.returncode}: {done.stderr}"
        return check_golden.check(self.golden, self.logits, self.compute, "logits", self.length - self.golden.first)

    def refusal(self, target):
        """The compiler's error for this target before it makes code; None where it has none."""
        done = self.suite.run("dsv2-opt", self.suite.module(self.directory),
                              f"--dsv2-compile=targets={target} compute={self.compute} stop-after=buffers")
        lines = [line for line in done.stderr.splitlines() if "error: " in line]
        return re.sub(r"^.*error: ", "error: ", lines[0]).replace(target, "TARGET") if lines else None


MODES = {"one prefill": [], "chunks of 7": ["--chunk", 7], "token by token": ["--chunk", 1]}


def run_golden(suite, directory, compute, targets):
    prefix = f"{directory.name}: {compute} on "
    names = [f"{prefix}{target}:simt: {mode}" for target in targets for mode in MODES]
    if not any(suite.only in name for name in [prefix, *names]):
        return
    runs = SimtRuns(suite, directory, compute, targets)
    refusal = runs.refusal(CPU)
    if refusal:
        for target in targets:
            suite.test(f"{prefix}{target}:simt: refused as on {CPU}", lambda t=target: (
                runs.refusal(t) == refusal, f"{runs.refusal(t)} instead of {refusal}"))
        return
    for target in targets:
        for mode, flags in MODES.items():
            suite.test(f"{prefix}{target}:simt: {mode}", lambda t=target, f=flags: runs.run(t, *f))


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
