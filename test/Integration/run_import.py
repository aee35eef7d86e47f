#!/usr/bin/env python3
"""Import at full size and of broken directories: V2's 236 billion parameters from headers alone; one error each."""
import json
import re
import subprocess
import sys

from suite import ROOT, Suite, seconds

sys.path.insert(0, str(ROOT / "tools/dev"))
import make_headers  # noqa: E402
import shipped_models  # noqa: E402


def header_only(suite, layers):
    """A directory with V2's config of so many layers; shards that hold headers and a length, no data."""
    directory = suite.work / f"v2-{layers}"
    make_headers.write(directory, dict(shipped_models.config("v2"), num_hidden_layers=layers))
    return directory


def large(suite):
    directories = {}

    def directory(layers):
        if layers not in directories:
            directories[layers] = header_only(suite, layers)
        return directories[layers]

    def imports():
        taken = seconds(lambda: suite.module(directory(60)).unlink(), 3)
        return taken < 1, f"{taken:.2f} s, expected less than 1"

    def as_long():
        texts = [suite.module(directory(layers)).read_text().splitlines() for layers in (6, 60)]
        lengths = [len(text) for text in texts]
        return lengths[0] == lengths[1] > 20, f"{lengths[0]} lines for 6 layers, {lengths[1]} for 60"

    def compiles(tier, compute):
        path = suite.work / "v2.mlir"
        flags = [suite.module(directory(60)), f"--dsv2-compile=targets={tier} compute={compute}", "-o", path]
        taken = seconds(lambda: suite.tool("dsv2-opt", *flags), 2)
        text = path.read_text()
        good = taken < 10 and "dsv2_exec.image" in text and "layers 1 to 60" in text
        return good, f"{taken:.1f} s, expected less than 10"

    def stages_as_long():
        # Down to the last stage nothing is unrolled over layers.
        lengths = []
        for layers in (6, 60):
            text = suite.tool("dsv2-opt", suite.module(directory(layers)),
                              "--dsv2-compile=targets=x86-64-v3 stop-after=buffers")
            lengths.append(len(text.splitlines()))
        return lengths[0] == lengths[1], f"{lengths[0]} lines for 6 layers, {lengths[1]} for 60"

    def described():
        answer = json.loads(suite.tool("dsv2-translate", "--describe-model", suite.module(directory(60)), "--json"))
        numbers = set(re.findall(r"\d+", json.dumps(answer)))
        return {"235741434880", "576"} <= numbers, f"answered {answer}"

    suite.test("V2, 236 billion parameters: imports in less than 1 s", imports)
    suite.test("V2: the text is as long as that of 6 layers", as_long)
    suite.test("V2: buffers stage as long as that of 6 layers", stages_as_long)
    for tier, compute in (("x86-64-v3", "bf16"), ("x86-64-v4-bf16", "bf16")):
        suite.test(f"V2: compiles for {tier} in {compute} in less than 10 s", lambda t=tier, c=compute: compiles(t, c))
    if "--describe-model" in suite.tool("dsv2-translate", "--help"):
        suite.test("V2: described in exact numbers", described)


def broken(suite):
    """test/Import/broken/run.py counts its own directories."""
    done = subprocess.run([sys.executable, ROOT / "test/Import/broken/run.py", suite.bin / "dsv2-translate"],
                          capture_output=True, text=True, env=suite.environment, timeout=300)
    found = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.MULTILINE)
    suite.test("broken directories: at least 20", lambda: (found and int(found[1]) >= 20, done.stdout + done.stderr))
    if found:
        suite.passed += int(found[1])
        suite.failed += int(found[2])
        if int(found[2]):
            print(done.stdout)


def main():
    suite = Suite(__doc__)
    large(suite)
    broken(suite)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
