#!/usr/bin/env python3
"""The pack for a machine with a GPU and no compiler: what it replays, checks and says, without a GPU.

Its Python part runs on the fake driver library of test/Runtime/Fake with a pack written here; its checks run on the driver
`simt`; and the archive that scripts/gpu-pack builds is complete and small enough. `--all`: every target instead of one.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tarfile

from suite import ROOT, Suite

REPLAY = ROOT / "tools/gpu-pack/replay"
LIMIT = 60 * 1024 * 1024


class HandMade:
    """A pack of the fake library's kernels."""

    def __init__(self, folder):
        self.folder, self.data = folder, b""
        self.content = {"format": 1, "revision": "a test", "modules": [], "cases": []}
        folder.mkdir()

    def module(self, text, kernel, target="sm_80", binary=None, **numbers):
        number = len(self.content["modules"])
        extension = "ptx" if target.startswith("sm_") else "hsaco"
        (self.folder / f"{number}.{extension}").write_text(text)
        module = {"target": target, "kernel": kernel, "builder": "test", "file": f"{number}.{extension}", "threads": 32,
                  "shared": 0, "scratch": 0, "maps": [], **numbers}
        if binary is not None:
            (self.folder / f"{number}.binary").write_text(binary)
            module["binary"] = f"{number}.binary"
        self.content["modules"].append(module)
        return number

    def bytes(self, raw):
        place = {"at": len(self.data), "bytes": len(raw)}
        self.data += raw
        return place

    def check(self, name, buffers, launches, expect, target="sm_80"):
        self.content["cases"].append({"name": name, "target": target, "builder": "test", "kind": "check", "buffers": buffers,
                                      "launches": launches, "expect": expect})

    def measure(self, name, buffers, launches, target="sm_80", **fields):
        self.content["cases"].append({"name": name, "target": target, "builder": "test", "kind": "measure", "goal": "G0",
                                      "wanted": "a goal", "flop": 2e9, "bytes": 1e6, "buffers": buffers, "launches": launches,
                                      "expect": [], **fields})

    def words(self, values):
        raw = struct.pack(f"<{len(values)}Q", *values)
        return {"bytes": len(raw), "fill": self.bytes(raw)}

    def integers(self, buffer, values, stride=2):
        return {"buffer": buffer, "type": "i32", "offset": 0, "rows": len(values), "columns": 1, "stride": stride, "bound": 0,
                "values": self.bytes(struct.pack(f"<{len(values)}i", *values))}

    def floats(self, kind, found, expected, bound, name):
        """A check without launches: what is in memory, against numbers."""
        raw = struct.pack(f"<{len(found)}f", *found)
        if kind == "bf16":
            raw = b"".join(raw[i + 2:i + 4] for i in range(0, len(raw), 4))
        self.check(name, [{"bytes": len(raw), "fill": self.bytes(raw)}], [],
                   [{"buffer": 0, "type": kind, "offset": 0, "rows": 1, "columns": len(found), "stride": len(found),
                     "bound": bound, "values": self.bytes(struct.pack(f"<{len(expected)}d", *expected))}])

    def write(self):
        (self.folder / "pack.json").write_text(json.dumps(self.content))
        (self.folder / "data.bin").write_bytes(self.data)


def good_pack(folder):
    pack = HandMade(folder)
    add = pack.module("kernels: add", "add", binary="binary for 8.0 kernels: scratch")
    fast = pack.module("kernels: scratch", "add", binary="binary for 9.0 kernels: add")
    boxes = pack.module("kernels: boxes", "boxes", maps=[{"slot": 0, "columns": 60, "row_bytes": 128, "rows_slot": 1,
                                                          "box_rows": 64}])
    scratch = pack.module("kernels: scratch", "scratch", scratch=1000)
    pack.module("code", "add", target="gfx942")
    slots = [{"buffer": 0, "offset": 0}, {"number": 5}]
    for name, module in (("add", add), ("binary", fast)):
        pack.check(name, [pack.words([10, 20, 30])], [{"module": module, "items": 2, "slots": slots}] * 2,
                   [pack.integers(0, [20, 30, 30])])
    # The map's words: columns, rows, bytes of a row, box; data type and swizzle as the manual numbers them.
    pack.check("boxes", [pack.words([0] * 16)],
               [{"module": boxes, "items": 1, "slots": [{"buffer": 0, "offset": 0}, {"number": 7}]}],
               [{**pack.integers(0, [60, 7, 128, 64, 64, 9, 0, 3, 3, 0]), "offset": 8}])
    # Four multiprocessors with eight workgroups each, however many items there are.
    pack.check("scratch", [pack.words([0] * 33)], [{"module": scratch, "items": 100, "slots": [{"buffer": 0, "offset": 0}]}],
               [{**pack.integers(0, [0]), "offset": 8 * 32}])
    pack.check("elsewhere", [], [], [pack.integers(0, [0])], target="gfx942")
    pack.floats("f32", [1.0, -2.0], [1.0, -2.0 + 1e-6], 1e-6, "f32")
    pack.floats("bf16", [1.5, -2.0, 0.0], [1.5, -2.0, 0.001], 1e-3, "bf16")
    pack.measure("work", [{"bytes": 5000, "fill": "bf16"}, {"bytes": 9 << 20, "fill": "f32"}, {"bytes": 64, "fill": "zero"}],
                 [{"module": add, "items": 2, "slots": [{"buffer": 0, "offset": 0}, {"number": 1}]}] * 3)
    pack.measure("too much", [{"bytes": 1 << 40, "fill": "nan"}], [])
    pack.measure("no kernel", [], [], why="there is no kernel for this")
    pack.measure("elsewhere", [], [], target="gfx942")
    pack.write()


def bad_pack(folder):
    pack = HandMade(folder)
    add = pack.module("kernels: add", "add")
    broken = pack.module("damaged", "add")
    slots = [{"buffer": 0, "offset": 0}, {"number": 5}]
    pack.check("right", [pack.words([1])], [{"module": add, "items": 1, "slots": slots}], [pack.integers(0, [6])])
    pack.check("wrong", [pack.words([1])], [{"module": add, "items": 1, "slots": slots}], [pack.integers(0, [7])])
    pack.check("broken", [pack.words([1])], [{"module": broken, "items": 1, "slots": slots}], [pack.integers(0, [6])])
    pack.floats("f32", [1.0, -2.0], [1.0, -2.01], 1e-3, "inexact")
    pack.floats("bf16", [1.0, float("nan")], [1.0, 1.0], 1e-2, "not a number")
    pack.write()


class PackTests:
    def __init__(self, suite):
        self.suite = suite
        self.library = suite.bin.parent / "lib/libdsv2-fake-Cuda.so"

    def run(self, folder, *flags):
        out = self.suite.work / "results.json"
        out.unlink(missing_ok=True)
        done = subprocess.run([sys.executable, REPLAY / "run.py", "--pack", folder, "--json", out, *flags], capture_output=True,
                              text=True, timeout=300)
        return done, json.loads(out.read_text()) if out.exists() else None

    def everything(self):
        folder = self.suite.work / "good"
        good_pack(folder)
        done, report = self.run(folder, "--library", self.library, "--vendor", "cuda")
        if report is None or done.returncode != 0:
            return False, f"status {done.returncode}: {done.stdout}{done.stderr}"
        counts = (report["passed"], report["failed"], report["skipped"], report["binaries"], report["targets"])
        rows = {row["name"]: row for row in report["measurements"]}
        limits = {row["name"]: row for row in report["limits"]}
        good = (counts == (6, 0, 1, 1, ["sm_80"]) and list(rows) == ["work", "too much", "no kernel"]
                and rows["work"]["seconds"] > 0 and rows["work"]["tflops"] > 0
                and "needs 1024.0 GiB" in rows["too much"]["why"] and rows["no kernel"]["why"] == "there is no kernel for this"
                and "value" in limits["copy bandwidth (read + write)"] and len(report["peers"]) > 5
                and all("value" in row or row["why"] for row in report["peers"] + report["limits"])
                and "this GPU does not run code for gfx942" in done.stdout and "goal a goal" in done.stdout)
        return good, f"{counts}\n{done.stdout}{done.stderr}"

    def other_vendor(self):
        folder = self.suite.work / "hip"
        pack = HandMade(folder)
        # The library of this device takes one of the two.
        wrong, add = pack.module("damaged", "add", target="gfx1100"), pack.module("kernels: add", "add", target="gfx942")
        for target, module in (("gfx1100", wrong), ("gfx942", add)):
            launches = [{"module": module, "items": 2, "slots": [{"buffer": 0, "offset": 0}, {"number": 5}]}]
            pack.check("add", [pack.words([10, 20, 30])], launches, [pack.integers(0, [15, 25, 30])], target=target)
            pack.measure("work", [{"bytes": 99, "fill": "bf16"}], launches[:1], target=target)
        pack.write()
        library = self.library.with_name("libdsv2-fake-Hip.so")
        done, report = self.run(folder, "--library", library, "--vendor", "hip", "--no-peers")
        counts = report and (report["passed"], report["failed"], report["skipped"], report["targets"],
                             ["seconds" in row for row in report["measurements"]])
        return done.returncode == 0 and counts == (1, 0, 1, ["gfx942"], [True]), f"{counts}\n{done.stdout}{done.stderr}"

    def failures(self):
        folder = self.suite.work / "bad"
        bad_pack(folder)
        done, report = self.run(folder, "--library", self.library, "--vendor", "cuda", "--checks-only")
        failed = [row["name"] for row in report["checks"] if row["status"] == "FAILED"] if report else None
        return (done.returncode == 1 and failed == ["wrong", "broken", "inexact", "not a number"] and report["passed"] == 1
                and "this is no text" in done.stdout and not report["measurements"]), f"{failed}\n{done.stdout}{done.stderr}"

    def no_gpu(self):
        done, report = self.run(self.suite.work / "good", "--library", "/absent/library.so")
        return (done.returncode == 2 and report is None and "no GPU: cuda: /absent/library.so" in done.stdout
                and not done.stderr), f"status {done.returncode}: {done.stdout}{done.stderr}"

    def on_simt(self, targets):
        golden = ROOT / "test/Golden/odd"
        artifact = self.suite.artifact(golden, f"targets={targets} simt=on compute=f32 binaries=off max-context=64 max-batch=1 "
                                               "max-step-tokens=64")
        done = self.suite.run("dsv2-gpu-pack", "--simt", "--targets", targets, "--golden", artifact, golden, timeout=1800)
        return done.returncode == 0 and " 0 failed" in done.stdout, done.stdout + done.stderr

    def archive(self):
        out = self.suite.work / "pack.tar.gz"
        done = subprocess.run([ROOT / "scripts/gpu-pack", out], capture_output=True, text=True, timeout=1800,
                              env=dict(os.environ, DSV2_BUILD=str(self.suite.bin.parent)))
        if done.returncode != 0:
            return False, done.stdout + done.stderr
        folder = self.suite.work / "unpacked"
        with tarfile.open(out) as archive:
            archive.extractall(folder)
        pack = folder / "gpu-pack"
        content = json.loads((pack / "pack.json").read_text())
        builders = {case["builder"] for case in content["cases"] if case["kind"] == "check"}
        goals = {case["goal"] for case in content["cases"] if case["kind"] == "measure"}
        files = all((pack / module["file"]).stat().st_size for module in content["modules"])
        help_text = subprocess.run([sys.executable, pack / "run.py", "--help"], capture_output=True, text=True)
        good = (out.stat().st_size <= LIMIT and files and help_text.returncode == 0
                and builders == {"matmul", "grouped_matmul", "latent_attention", "gate_topk", "sort_experts", "program"}
                and {f"G{number}" for number in range(1, 9)} <= goals)
        return good, f"{out.stat().st_size} bytes, {builders}, {goals}"


def main():
    suite = Suite(__doc__, lambda parser: parser.add_argument("--all", action="store_true"))
    tests = PackTests(suite)
    suite.test("a pack on the fake library", tests.everything)
    suite.test("the other vendor", tests.other_vendor)
    suite.test("failures", tests.failures)
    suite.test("no GPU", tests.no_gpu)
    if (suite.bin / "dsv2-gpu-pack").exists():
        suite.test("the checks on simt", lambda: tests.on_simt("sm_80,sm_90a,gfx942,gfx1100" if suite.options.all else "sm_80"))
        suite.test("the archive", tests.archive)
    else:
        suite.skip("the archive", "this build has no compiler")
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
