"""Goldens on GPU targets, played by the CPU or run by a GPU: what both scripts do with one golden."""
import re

from suite import GOLDENS, check_golden, ids

CPU = "x86-64-v3"
TARGETS = ["sm_80", "sm_90a", "gfx942", "gfx1100"]
MOST_TOKENS = 48
MODES = {"one prefill": [], "chunks of 7": ["--chunk", 7], "token by token": ["--chunk", 1]}


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


class GpuRuns:
    """One golden in one compute type: one artifact with all tiers, and what is fed to it."""

    def __init__(self, suite, directory, compute, tiers):
        self.suite, self.directory, self.compute, self.tiers = suite, directory, compute, tiers
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

    def run(self, tier, *flags):
        artifact = self.suite.artifact(self.directory, f"targets={','.join(self.tiers)} compute={self.compute}")
        done = self.suite.run("dsv2-run", artifact, "--weights", self.directory, "--tier", tier,
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
