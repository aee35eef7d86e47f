#!/usr/bin/env python3
"""The oracle against every golden: one prefill, chunks, token by token, and as one of three ragged sequences.

The block of multi-token prediction runs along where a golden holds its logits. Also the oracle's flags: routing
recorded and replayed, roundings, perplexity, greedy ids, rows from K on; and what transformers says about the trained
model. Ends with `N passed, N failed`.
"""
import argparse
import array
import concurrent.futures
import json
import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_golden

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Runner:
    def __init__(self, build, work):
        self.bin = (ROOT / build / "bin").resolve()
        self.work = pathlib.Path(work)
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def tool(self, *command):
        done = subprocess.run([str(self.bin / command[0]), *map(str, command[1:])], capture_output=True, text=True,
                              timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def test(self, name, function):
        try:
            good, text = function()
        except (RuntimeError, subprocess.TimeoutExpired, OSError, KeyError, ValueError) as error:
            good, text = False, str(error)
        with self.lock:
            self.passed += bool(good)
            self.failed += not good
            if not good:
                print(f"FAILED: {name}: {text}", flush=True)


def numbers(path, values):
    path.write_text(",".join(map(str, values)))
    return f"@{path}"


def run_golden(runner, directory):
    golden = check_golden.Golden(directory)
    count = len(golden.tokens)
    work = runner.work / directory.name
    work.mkdir()
    module, logits = work / "module.mlir", work / "logits.safetensors"
    module.write_text(runner.tool("dsv2-translate", "--import-hf", directory))
    common = ["dsv2-interpret", module, "--weights", directory]
    mtp = ["--mtp"] if golden.mtp else []

    def prefix(length):
        """The flags that feed the golden's first tokens."""
        return ["--tokens", numbers(work / f"tokens{length}", golden.tokens[:length]),
                "--positions", numbers(work / f"positions{length}", golden.positions[:length])]

    whole = prefix(count)

    def compare(length=count, sequence=0, rule="f32"):
        """The rows of a sequence that was fed `length` of the golden's tokens."""
        suffix = f".{sequence}" if sequence else ""
        result = check_golden.check(golden, logits, rule, "logits" + suffix, length - golden.first)
        if result[0] and golden.mtp:
            good, text = check_golden.check(golden, logits, rule, "mtp_logits" + suffix, length - 1)
            return good, f"of the MTP block: {text}"
        return result

    def record(routing):
        runner.tool(*common, *whole, "--record-routing", routing, "--logits", logits, *mtp)

    def once(*flags):
        runner.tool(*common, *whole, "--logits", logits, *mtp, *flags)
        return compare()

    def single_tokens():
        # At most 64 steps: of a longer golden the first 64 tokens, where it has rows for those, and else wider steps.
        if count <= 64 or golden.first >= 64:
            return once("--chunk", -(-count // 64))
        runner.tool(*common, *prefix(64), "--logits", logits, *mtp, "--chunk", 1)
        return compare(64)

    def from_first():
        runner.tool(*common, *whole, "--logits", logits, *mtp, "--logits-from", golden.first)
        shapes = {name: shape[0] for name, (shape, _) in check_golden.read_safetensors(logits).items()}
        expected = {"logits": count - golden.first}
        if golden.mtp:
            expected["mtp_logits"] = count - 1 - golden.first
        return shapes == expected and check_golden.check(golden, logits)[0], f"rows {shapes}, expected {expected}"

    def ragged():
        # Prefixes of the golden's own tokens, so that their rows are known too.
        lengths = [max(count // 3, golden.first + 1), count, max(count // 2, golden.first + 1)]
        flags = [flag for length in lengths for flag in prefix(length)]
        runner.tool(*common, *flags, "--logits", logits, *mtp, "--chunk", 9 if count <= 64 else 97)
        for i, length in enumerate(lengths):
            result = compare(length, i)
            if not result[0]:
                return False, f"sequence {i}: {result[1]}"
        return result

    def replay():
        # Whatever was recorded gives the same logits again; a rotation of the experts does not.
        routing = work / "routing.safetensors"
        record(routing)
        tensors = check_golden.read_safetensors(routing)
        last = max((int(name.split(".")[1]) for name in tensors), default=0)
        for name, (shape, _) in tensors.items():
            # The MTP block is the layer behind the last one, a token short.
            rows = count - 1 if golden.mtp and name == f"layers.{last}.experts" else count
            if shape[0] != rows:
                return False, f"tensor '{name}' of shape {shape}, expected {rows} rows"
        if not tensors:
            return "dsv2.gate " not in module.read_text(), "a model with gates recorded no routing"
        result = once("--replay-routing", routing, "--chunk", 10 if count <= 64 else 100)
        if not result[0]:
            return result
        experts = 1 + max(max(values) for _, values in tensors.values())
        data = routing.read_bytes()
        begin = 8 + struct.unpack("<Q", data[:8])[0]
        ids = array.array("i", data[begin:])
        routing.write_bytes(data[:begin] + array.array("i", [(i + 1) % experts for i in ids]).tobytes())
        return not once("--replay-routing", routing)[0], "other experts were replayed, but the logits stayed"

    def perplexity():
        text = runner.tool(*common, *whole, "--perplexity")
        first = golden.first
        expected = 0.0
        for t, row in enumerate(golden.rows[:-1]):
            largest = max(row)
            expected += math.log(sum(math.exp(v - largest) for v in row)) + largest - row[golden.tokens[first + t + 1]]
        count = len(golden.rows) - 1
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines())
        if lines["tokens"] != str(len(golden.tokens) - 1):
            return False, f"printed {text!r}"
        if first != 0:  # the golden has no rows for the first tokens: only the count can be compared
            return True, ""
        actual = float(lines["negative log-likelihood"])
        good = abs(actual - expected) < 0.01 * count and abs(
            math.exp(actual / count) - float(lines["perplexity"])) < 1e-6 * float(lines["perplexity"])
        return good, f"negative log-likelihood {actual}, expected {expected}"

    def greedy():
        # The prompt's last row decides the first id; feeding that id gives the second.
        prompt = golden.tokens[:golden.first + 5]
        fed = prefix(len(prompt))
        ids = runner.tool(*common, *fed, "--generate", 3, "--print-ids", "--ignore-eos").split()
        runner.tool(*common, *fed, "--generate", 3, "--ignore-eos", "--logits", logits)
        shape, values = check_golden.read_safetensors(logits)["logits"]
        if shape[0] != len(prompt) + 2:
            return False, f"{shape[0]} rows of logits for {len(prompt)} + 2 fed tokens"
        best = []
        for t in range(len(prompt) - 1, shape[0]):
            row = values[t * shape[1]:(t + 1) * shape[1]]
            best.append(str(max(range(len(row)), key=row.__getitem__)))
        return ids == best, f"ids {ids}, largest logits {best}"

    def rounded(*passes):
        # With the exact run's experts, ideal bf16 arithmetic stays within the bf16 rule, and does round.
        routing, rounds = work / "routing.safetensors", work / "rounds.mlir"
        record(routing)
        runner.tool("dsv2-opt", module, *passes, "--dsv2-set-compute-type=compute=bf16", "-o", rounds)
        command = ["dsv2-interpret", rounds, "--weights", directory, *whole, "--logits", logits, *mtp,
                   "--replay-routing", routing, "--chunk", 20 if count <= 64 else 200]
        runner.tool(*command)
        exact = compare()
        if not exact[0]:
            return False, f"without --round: {exact[1]}"
        runner.tool(*command, "--round")
        if check_golden.check(golden, logits)[0]:
            return False, "--round rounded nothing"
        return compare(rule="bf16")

    name = directory.name
    runner.test(f"{name}: bf16, naive", rounded)
    # Shared experts with biases cannot become slots of the routed ones.
    fuse = "auto" if re.search(r"dsv2\.shared_experts .* bias %", module.read_text()) else "on"
    runner.test(f"{name}: bf16, absorbed and fused", lambda: rounded(
        "--dsv2-absorb-mla-projections=mode=reassociated", f"--dsv2-fuse-experts=mode={fuse}"))
    runner.test(f"{name}: one prefill", once)
    runner.test(f"{name}: chunks of 7", lambda: once("--chunk", 7))
    runner.test(f"{name}: token by token", single_tokens)
    runner.test(f"{name}: rows from {golden.first} on", from_first)
    runner.test(f"{name}: three ragged sequences", ragged)
    runner.test(f"{name}: replayed routing", replay)
    runner.test(f"{name}: perplexity", perplexity)
    runner.test(f"{name}: greedy ids", greedy)


def run_trained(runner):
    directory = ROOT / "models/kjv-v2"
    module = runner.work / "trained.mlir"
    module.write_text(runner.tool("dsv2-translate", "--import-hf", directory))
    common = ["dsv2-interpret", module, "--weights", directory]

    def greedy():
        # Five prompts of unequal length as one batch give the ids that transformers gives for each.
        expected = json.loads((ROOT / "test/Golden/trained/greedy.json").read_text())
        flags = []
        for case in expected:
            flags += ["--tokens", ",".join(map(str, case["prompt_ids"]))]
        text = runner.tool(*common, *flags, "--generate", len(expected[0]["greedy_ids"]), "--print-ids")
        lines = [list(map(int, line.split())) for line in text.splitlines()]
        return lines == [case["greedy_ids"] for case in expected], text

    def perplexity():
        expected = json.loads((ROOT / "test/Golden/trained/heldout.json").read_text())
        text = runner.tool(*common, "--tokens", f"@{directory}/heldout_tokens.txt", "--perplexity")
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines())
        good = lines["tokens"] == str(expected["predicted"]) and abs(
            float(lines["perplexity"]) / expected["perplexity"] - 1) < 1e-5
        return good, text

    runner.test("trained: five greedy texts", greedy)
    runner.test("trained: perplexity of held-out text", perplexity)


def run_errors(runner, directory):
    module = runner.work / "module.mlir"
    module.write_text(runner.tool("dsv2-translate", "--import-hf", directory))

    def refuses(expected, *flags):
        done = subprocess.run([str(runner.bin / "dsv2-interpret"), str(module), *map(str, flags)], capture_output=True,
                              text=True, timeout=60)
        good = done.returncode != 0 and "error: " in done.stderr and expected in done.stderr and not done.stdout
        return good, f"status {done.returncode}, stdout {done.stdout!r}, stderr {done.stderr!r}"

    def past_model():
        # What is to run on a device is none of the oracle's business, and it says so.
        runner.tool("dsv2-opt", module, "--dsv2-compile=stop-after=dispatches targets=x86-64-v3", "-o",
                    runner.work / "dispatches.mlir")
        module.write_text((runner.work / "dispatches.mlir").read_text())
        return refuses('at stage "dispatches"', "--weights", directory, "--tokens", "1")

    weights = ["--weights", directory]
    for expected, flags in [
        ("expected --weights", ["--tokens", "1"]),
        ("--tokens", weights),
        ("unknown flag '--tokn'", [*weights, "--tokn", "1"]),
        ("token 99999", [*weights, "--tokens", "1,99999"]),
        ("/nowhere", ["--weights", "/nowhere", "--tokens", "1"]),
        ("/nowhere", [*weights, "--tokens", "1", "--replay-routing", "/nowhere/r"]),
        ("/nowhere", [*weights, "--tokens", "1", "--logits", "/nowhere/l"]),
        ("--mtp without --logits", [*weights, "--tokens", "1", "--mtp"]),
        ("no func.func @mtp", [*weights, "--tokens", "1", "--mtp", "--logits", runner.work / "l"]),
    ]:
        runner.test(f"refuses {' '.join(map(str, flags))}", lambda e=expected, f=flags: refuses(e, *f))
    runner.test("refuses a module past the model stage", past_model)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    goldens = sorted(path.parent for path in ROOT.glob("test/Golden/*/golden.safetensors"))
    with tempfile.TemporaryDirectory() as work:
        runner = Runner(options.build, work)

        def one(directory):
            runner.test(directory.name, lambda: (run_golden(runner, directory), (True, ""))[1])

        # Longest first, two at a time.
        goldens.sort(key=lambda path: -(path / "golden.safetensors").stat().st_size)
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(one, goldens))
        runner.test("trained", lambda: (run_trained(runner), (True, ""))[1])
        run_errors(runner, ROOT / "test/Golden/lite")
    print(f"{runner.passed} passed, {runner.failed} failed")
    return 1 if runner.failed or not goldens else 0


if __name__ == "__main__":
    sys.exit(main())
