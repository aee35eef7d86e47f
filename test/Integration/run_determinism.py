#!/usr/bin/env python3
"""The same question, the same bits: logits whatever the batch, threads and chunks; artifacts whatever the route.

Logits of the trained model (and of the golden with odd widths) are compared byte for byte.
"""
import hashlib
import os
import struct
import json
import sys

from suite import GOLDENS, ROOT, TRAINED, Suite, copy_directory, has_kernels, ids, missing_flags, same_bytes

GOLDEN = ROOT / "test/Golden"
STAGES = ["model", "dispatches", "buffers", "codegen"]


def tensor_bytes(path):
    """{name: raw bytes} of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: data[8 + length:][slice(*info["data_offsets"])] for name, info in header.items()}


class Logits:
    """Logits of four sequences of unlike length, by one artifact."""

    def __init__(self, suite, directory, compute, tier, tokens):
        self.suite, self.directory, self.compute, self.tier = suite, directory, compute, tier
        self.sequences = tokens

    def run(self, chosen, *flags):
        """Bytes of the logits of each chosen sequence."""
        path = self.suite.work / "logits.safetensors"
        tokens = [flag for i in chosen for flag in ("--tokens", ids(self.sequences[i]))]
        artifact = self.suite.artifact(self.directory, f"targets={self.tier} compute={self.compute}")
        self.suite.tool("dsv2-run", artifact, "--weights", self.directory, *tokens, "--logits", path, *flags)
        tensors = tensor_bytes(path)
        return [tensors["logits" if i == 0 else f"logits.{i}"] for i in range(len(chosen))]

    def alone(self, *flags):
        return [self.run([i], *flags)[0] for i in range(len(self.sequences))]

    def compare(self, chosen, *flags):
        """The chosen sequences as one batch against each alone on one thread."""
        if not hasattr(self, "reference"):
            self.reference = self.alone("--threads", 1)
        for i, actual in zip(chosen, self.run(chosen, *flags)):
            if actual != self.reference[i]:
                return False, f"sequence {i} of the batch {chosen} differs from the same alone"
        return True, ""


def logits_tests(suite, logits, name):
    for batch in ([0], [1, 0], [2, 0, 1], [3, 1, 0, 2]):
        for threads in (1, 2, 3):
            suite.test(f"{name}: batch of {len(batch)}, {threads} threads",
                       lambda b=batch, t=threads: logits.compare(b, "--threads", t))
    for chunk in (1, 7, 64):
        suite.test(f"{name}: chunks of {chunk}", lambda c=chunk: logits.compare([2, 1, 3, 0], "--chunk", c))
    suite.test(f"{name}: shuffled pages", lambda: logits.compare([0, 1, 2, 3], "--shuffle-pages", 11, "--chunk", 50))
    suite.test(f"{name}: prepared in memory", lambda: logits.compare([1], "--cache-dir", "none", "--trust-code"))


def tiers_agree(suite, compute, tokens):
    """Every tier, run or emulated, sums in the same order: one set of bits."""
    tiers = ["x86-64-v3", "x86-64-v4-bf16", "x86-64-v4-bf16:emulated"]
    artifact = suite.artifact(TRAINED, f"targets={','.join(tiers)} compute={compute}")
    path, found = suite.work / "logits.safetensors", {}
    for tier in tiers:
        if not missing_flags(tier):
            suite.tool("dsv2-run", artifact, "--weights", TRAINED, "--tier", tier, "--tokens", ids(tokens), "--logits",
                       path, "--chunk", 200)
            found.setdefault(path.read_bytes(), []).append(tier)
    return len(found) == 1, f"groups that agree: {list(found.values())}"


def fresh_artifact(suite, directory, name, options, *opt_flags, environment=None, cwd=None):
    """Compiles anew, each command with these circumstances."""
    path = suite.work / f"{name}.dsv2"
    more = {"environment": environment, "cwd": cwd, "text": False}
    module = suite.tool("dsv2-translate", "--import-hf", directory, **more)
    code = suite.tool("dsv2-opt", f"--dsv2-compile={options}", *opt_flags, stdin=module, **more)
    suite.tool("dsv2-translate", "--to-artifact", "-o", path, stdin=code, **more)
    return path


def artifact_tests(suite):
    golden = GOLDEN / "v2-groups"
    options = "targets=x86-64-v3,x86-64-v4-bf16 compute=bf16 max-context=256"
    first = suite.artifact(golden, options)

    def again():
        return same_bytes(first, fresh_artifact(suite, golden, "again", options))

    def elsewhere():
        # Another directory, working directory, locale, and one thread in the compiler.
        copy = copy_directory(golden, suite.work / "copied" / golden.name)
        environment = dict(suite.environment, LC_ALL="C", LANG="tr_TR.UTF-8", TZ="Asia/Tokyo", HOME=str(suite.work))
        return same_bytes(first, fresh_artifact(suite, copy.name, "elsewhere", options, "--mlir-disable-threading",
                                                environment=environment, cwd=copy.parent))

    def stage_by_stage():
        text = suite.tool("dsv2-translate", "--import-hf", golden)
        for stage in STAGES:
            text = suite.tool("dsv2-opt", f"--dsv2-compile={options} stop-after={stage}", stdin=text)
        path = suite.work / "stages.dsv2"
        suite.tool("dsv2-translate", "--to-artifact", "-o", path, stdin=text)
        return same_bytes(first, path)

    def resumed(stage):
        text = suite.tool("dsv2-opt", suite.module(golden), f"--dsv2-compile={options} stop-after={stage}")
        # Options of stages behind are ignored; those of programs come in after the model's stage.
        rest = options if stage == "model" else "max-context=64 max-batch=3"
        text = suite.tool("dsv2-opt", f"--dsv2-compile={rest}", stdin=text)
        path = suite.work / "resumed.dsv2"
        suite.tool("dsv2-translate", "--to-artifact", "-o", path, stdin=text)
        return same_bytes(first, path)

    def canonicalized():
        # Printing, parsing, cleaning the text of the last stage changes nothing.
        text = suite.tool("dsv2-opt", suite.module(golden), f"--dsv2-compile={options}")
        text = suite.tool("dsv2-opt", "--canonicalize", "--cse", stdin=text)
        path = suite.work / "canonical.dsv2"
        suite.tool("dsv2-translate", "--to-artifact", "-o", path, stdin=text)
        return same_bytes(first, path)

    def round_trip(artifact):
        text = suite.tool("dsv2-translate", "--from-artifact", artifact)
        path = suite.work / "round-trip.dsv2"
        cache = suite.work / "other-cache"
        suite.tool("dsv2-translate", "--to-artifact", "-o", path, "--cache-dir", cache, stdin=text)
        if os.path.exists(cache / "trusted"):
            return False, "code from an artifact was recorded as trusted"
        return same_bytes(artifact, path)

    suite.test("compiling twice gives the same bytes", again)
    suite.test("so does compiling elsewhere, under another locale, on one thread", elsewhere)
    suite.test("stage by stage", stage_by_stage)
    for stage in STAGES:
        suite.test(f"stopped after {stage}, resumed", lambda s=stage: resumed(s))
    suite.test("the last stage's text cleaned", canonicalized)
    for directory in filter(has_kernels, GOLDENS):
        for compute in ("f32", "bf16"):
            suite.test(f"from and to artifact: {directory.name} in {compute}", lambda d=directory, c=compute: round_trip(
                suite.artifact(d, f"targets=x86-64-v3 compute={c}")))
    suite.test("from and to artifact, two variants", lambda: round_trip(first))
    suite.test("other options give other bytes", lambda: (
        hashlib.sha256(first.read_bytes()).digest() != hashlib.sha256(
            suite.artifact(golden, options.replace("256", "320")).read_bytes()).digest(), "the same bytes"))


def main():
    suite = Suite(__doc__)
    heldout = (TRAINED / "heldout_tokens.txt").read_text().split()
    trained = [heldout[:70], heldout[100:101], heldout[200:390], heldout[400:433]]
    small = [list(range(5, 5 + n)) for n in (40, 1, 57, 20)]
    tiers = [tier for tier in ("x86-64-v3", "x86-64-v4-bf16") if not missing_flags(tier)]
    for tier in tiers:
        for compute in ("f32", "bf16"):
            name = f"trained in {compute} on {tier}"
            logits_tests(suite, Logits(suite, TRAINED, compute, tier, trained), name)
            # A step of 512 rows and 512 steps of one row.
            long = Logits(suite, TRAINED, compute, tier, [heldout[1000:1600]])
            suite.test(f"{name}: 600 tokens whole and one by one", lambda x=long: x.compare([0], "--chunk", 1))
    for compute in ("f32", "bf16"):
        logits_tests(suite, Logits(suite, GOLDEN / "odd", compute, tiers[-1], small), f"odd in {compute} on {tiers[-1]}")
        suite.test(f"tiers agree in {compute}", lambda c=compute: tiers_agree(suite, c, heldout[2000:2300]))
    artifact_tests(suite)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
