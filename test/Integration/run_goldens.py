#!/usr/bin/env python3
"""Compiled code against every golden, on every tier: whole, in chunks, token by token, and as a ragged batch.

In f32 by the f32 rule; in bf16 by the bf16 rule with the oracle's routing. Tiers that this processor lacks are
skipped; the emulated form of the richest runs everywhere. Pages of the batch lie in shuffled order, NaN where nothing is cached.
What cannot be compiled must be refused by the op's name: attention of grouped queries, and the block of multi-token
prediction where it is asked for.
"""
import itertools
import sys

from suite import GOLDENS, Suite, check_golden, has_kernels, ids, missing_flags

TIERS = ["x86-64-v3", "x86-64-v4", "x86-64-v4-bf16", "x86-64-v4-bf16:emulated"]
# In every mode on the poorest and the richest tier. The others give the same bits (run_determinism.py), so that one cut
# of the prompt and the batch show that they run.
WHOLE = {"x86-64-v3", "x86-64-v4-bf16" if not missing_flags("x86-64-v4-bf16") else "x86-64-v4-bf16:emulated"}


def lengths(golden):
    """Of the three sequences: prefixes of the golden's own tokens, so that their rows are known too."""
    return [len(golden.tokens) // 3, len(golden.tokens), len(golden.tokens) // 2]


def batch_flags(suite, golden):
    flags = []
    for i, length in enumerate(lengths(golden)):
        flags += ["--tokens", ids(golden.tokens[:length]), "--positions",
                  suite.file(f"positions{i}", golden.positions[:length])]
    return flags


class GoldenRuns:
    def __init__(self, suite, directory):
        self.suite, self.directory = suite, directory
        self.golden = check_golden.Golden(directory)
        self.whole = ["--tokens", ids(self.golden.tokens), "--positions",
                      suite.file("positions", self.golden.positions)]
        self.batch = batch_flags(suite, self.golden)
        self.logits = suite.work / "logits.safetensors"

    def routing(self):
        """What the oracle chose: for the sequence alone, and for the batch."""
        paths = []
        for name, flags in (("routing", self.whole), ("routing-batch", self.batch)):
            paths.append(self.suite.work / f"{name}.safetensors")
            self.suite.tool("dsv2-interpret", self.suite.module(self.directory), "--weights", self.directory, *flags,
                            "--record-routing", paths[-1], "--generate", 0)
        return paths

    def run(self, artifact, tier, rule, routing, *flags):
        replay = ["--replay-routing", routing[0]] if routing else []
        self.suite.tool("dsv2-run", artifact, "--weights", self.directory, "--tier", tier, *self.whole, *replay,
                        "--logits", self.logits, *flags)
        return check_golden.check(self.golden, self.logits, rule)

    def run_batch(self, artifact, tier, rule, routing):
        replay = ["--replay-routing", routing[1]] if routing else []
        self.suite.tool("dsv2-run", artifact, "--weights", self.directory, "--tier", tier, *self.batch, *replay,
                        "--logits", self.logits, "--chunk", 9, "--shuffle-pages", 7)
        for i, length in enumerate(lengths(self.golden)):
            good, text = check_golden.check(self.golden, self.logits, rule, "logits" if i == 0 else f"logits.{i}",
                                            length - self.golden.first)
            if not good:
                return False, f"sequence {i}: {text}"
        return True, ""


def refuse_golden(suite, directory):
    suite.test(f"{directory.name}: attention of grouped queries is refused by the op's name", lambda: suite.refuses(
        "'dsv2.cache_read' op has no kernel yet: grouped-query attention cannot be compiled", "dsv2-opt",
        suite.module(directory), "--dsv2-compile=targets=x86-64-v3")())


def run_prediction(suite, directory):
    """A model with the block of multi-token prediction compiles without it, and no flag brings it back in silence."""
    def left_out():
        done = suite.run("dsv2-opt", suite.module(directory), "--dsv2-compile=targets=x86-64-v3 stop-after=dispatches")
        good = done.returncode == 0 and "remark: the block of multi-token prediction, @mtp, is left out" in done.stderr
        return good, f"status {done.returncode}, {done.stderr[-600:]}"

    suite.test(f"{directory.name}: the block of multi-token prediction is left out with a remark", left_out)
    suite.test(f"{directory.name}: verify=1 is refused", lambda: suite.refuses(
        ["'verify' is '1'", "@mtp"], "dsv2-opt", suite.module(directory), "--dsv2-compile=targets=x86-64-v3 verify=1")())
    for flags in (["--mtp", "--logits", suite.work / "none"], ["--speculate", 1]):
        suite.test(f"{directory.name}: dsv2-run {flags[0]} is refused", lambda f=flags: suite.refuses(
            [f[0], "@mtp"], "dsv2-run", suite.artifact(directory, compile_options("f32")), "--weights", directory,
            "--tokens", "1", *f)())


def compile_options(compute):
    return f"targets={','.join(TIERS)} compute={compute}"


def run_golden(suite, directory):
    runs = GoldenRuns(suite, directory)
    for compute in ("f32", "bf16"):
        routing = []
        if compute == "bf16":
            suite.test(f"{directory.name}: the oracle records routing", lambda: (routing.extend(runs.routing()) or True, ""))
        for tier in TIERS:
            name = f"{directory.name}: {compute} on {tier}"
            if missing_flags(tier):
                suite.skip(name, f"this processor lacks {', '.join(missing_flags(tier))}")
                continue
            modes = {"chunks of 7": ["--chunk", 7]}
            if tier in WHOLE:
                modes.update({"one prefill": [], "token by token": ["--chunk", 1]})
            for mode, flags in modes.items():
                suite.test(f"{name}: {mode}", lambda t=tier, f=flags, c=compute: runs.run(
                    suite.artifact(directory, compile_options(c)), t, c, routing, *f))
            suite.test(f"{name}: three ragged sequences", lambda t=tier, c=compute: runs.run_batch(
                suite.artifact(directory, compile_options(c)), t, c, routing))


def run_options(suite, directory):
    """Forms that are not the default, and limits that cut the prompt into steps."""
    runs = GoldenRuns(suite, directory)
    for options in ("fuse-experts=off", "absorb=reassociated fuse-experts=on", "max-step-tokens=3 max-batch=1",
                    "max-step-tokens=1 max-batch=1", "max-context=64", "kv-cache=f32"):
        suite.test(f"{directory.name}: {options}", lambda o=options: runs.run(
            suite.artifact(directory, f"targets=x86-64-v3 compute=f32 {o}"), "x86-64-v3", "f32", [], "--chunk", 5))


def run_wrong(suite, directory):
    """A wrong model must be noticed by the same comparison, or it says nothing."""
    runs = GoldenRuns(suite, directory)
    for name, compute in itertools.product(("test-drop-mscale-square", "test-swap-two-experts", "test-forget-shared-expert"),
                                           ("f32", "bf16")):
        def notices(name=name, compute=compute):
            artifact = suite.artifact(directory, f"targets=x86-64-v3 compute={compute}", "dsv2-opt-test", [f"--{name}"])
            routing = runs.routing() if compute == "bf16" else []
            good, text = runs.run(artifact, "x86-64-v3", compute, routing)
            return not good, f"was not noticed: {text}"

        suite.test(f"{directory.name}: {name} in {compute} is noticed", notices)


def main():
    suite = Suite(__doc__)
    for directory in GOLDENS:
        if not has_kernels(directory):
            refuse_golden(suite, directory)
            continue
        run_golden(suite, directory)
        if "mtp_logits" in check_golden.read_safetensors(directory / "golden.safetensors"):
            run_prediction(suite, directory)
    groups = next(path for path in GOLDENS if path.name == "v2-groups")
    run_options(suite, groups)
    run_wrong(suite, groups)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
