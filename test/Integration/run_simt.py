#!/usr/bin/env python3
"""GPU code run checked on the CPU: every golden on the simt variants of GPU targets, without a report.

In f32 by the f32 rule and in bf16 by the bf16 rule with the oracle's routing: in one prefill, in chunks or token by token
(in turn, on the first target and one other in turn; --all: each on all), 48 tokens at most. What x86 refuses is the same error for a GPU target. Then the trained model's greedy tokens, and
what dsv2-run says of variants that this machine cannot run.
"""
import re
import sys
import time

from suite import GOLDENS, TRAINED, Suite, check_golden, ids

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
    def __init__(self, suite, directory):
        self.suite, self.directory = suite, directory
        self.golden = check_golden.Golden(directory)
        self.length = min(len(self.golden.tokens), MOST_TOKENS)
        self.tokens = ["--tokens", ids(self.golden.tokens[:self.length]), "--positions",
                       suite.file("positions", self.golden.positions[:self.length])]
        self.logits = suite.work / "logits.safetensors"

    def routing(self):
        path = self.suite.work / "routing.safetensors"
        self.suite.tool("dsv2-interpret", self.suite.module(self.directory), "--weights", self.directory, *self.tokens,
                        "--record-routing", path, "--generate", 0)
        return path

    def run(self, target, compute, routing, *flags):
        artifact = self.suite.artifact(self.directory, f"targets={target} simt=on compute={compute}")
        replay = ["--replay-routing", routing] if routing else []
        self.suite.tool("dsv2-run", artifact, "--weights", self.directory, "--tier", f"{target}:simt", *self.tokens,
                        *replay, "--logits", self.logits, *flags)
        return check_golden.check(self.golden, self.logits, compute, "logits", self.length - self.golden.first)

    def refusal(self, target, compute):
        """The compiler's error for this target before it makes code; None where it has none."""
        done = self.suite.run("dsv2-opt", self.suite.module(self.directory),
                              f"--dsv2-compile=targets={target} compute={compute} stop-after=buffers")
        lines = [line for line in done.stderr.splitlines() if "error: " in line]
        return re.sub(r"^.*error: ", "error: ", lines[0]).replace(target, "TARGET") if lines else None


MODES = {"one prefill": [], "chunks of 7": ["--chunk", 7], "token by token": ["--chunk", 1]}


def modes_of(suite, turn):
    """All, or the one whose turn it is."""
    names = list(MODES)
    return names if suite.options.all else [names[turn % len(names)]]


def targets_of(suite, targets, turn):
    """All, or the first and the one whose turn it is."""
    others = targets[1:]
    return targets if suite.options.all or not others else [targets[0], others[turn // 2 % len(others)]]


def run_golden(suite, directory, targets, turn):
    if suite.only and not any(suite.only in f"{directory.name}: {compute} on {target}:simt: {mode}" for compute in (
            "f32", "bf16") for target in targets for mode in MODES):
        return
    runs = SimtRuns(suite, directory)
    if runs.length <= runs.golden.first:
        suite.skip(directory.name, f"its logits begin after {runs.golden.first} tokens, more than {MOST_TOKENS}")
        return
    for compute in ("f32", "bf16"):
        refusal = runs.refusal(CPU, compute)
        routing = runs.routing() if compute == "bf16" and not refusal else None
        for target in targets_of(suite, targets, turn):
            turn += 1
            name = f"{directory.name}: {compute} on {target}:simt"
            if refusal:
                suite.test(f"{name}: refused as on {CPU}", lambda t=target, c=compute, r=refusal: (
                    runs.refusal(t, c) == r, f"{runs.refusal(t, c)} instead of {r}"))
                continue
            for mode in modes_of(suite, turn):
                suite.test(f"{name}: {mode}",
                           lambda t=target, c=compute, f=MODES[mode]: runs.run(t, c, routing, *f))


def run_trained(suite, targets):
    """Greedy tokens are equal on the CPU and on every GPU target."""
    options = f"targets={','.join([CPU, *targets])} simt=on compute=f32"

    def tokens(tier):
        return suite.tool("dsv2-run", suite.artifact(TRAINED, options), "--weights", TRAINED, "--tier", tier,
                          "--prompt", "In the beginning", "--generate", 12, "--print-ids")

    for target in targets:
        def equal(tier=f"{target}:simt"):
            cpu, gpu = tokens(CPU), tokens(tier)
            return cpu == gpu, f"{gpu!r} instead of {cpu!r}"

        suite.test(f"trained: greedy tokens on {target}:simt", equal)


def run_choice(suite, targets):
    """Which variant runs, and what is said of one that cannot."""
    if not any(suite.only in f"choice: {target}" for target in ["", *targets]) and "choice" not in suite.only:
        return
    directory = next(path for path in GOLDENS if path.name == "lite")
    artifact = suite.artifact(directory, f"targets={','.join([*targets, CPU])} simt=on compute=f32")
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
    suite = Suite(__doc__, lambda parser: parser.add_argument("--all", action="store_true",
                                                              help="every golden in every mode"))
    targets = known_targets(suite)
    if targets:
        for turn, directory in enumerate(GOLDENS):
            run_golden(suite, directory, targets, turn)
        run_trained(suite, targets)
        run_choice(suite, targets)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
