#!/usr/bin/env python3
"""What can go wrong from outside gives one clear error: flags, files, limits, trust, changed checkpoints, empty pipes."""
import os
import re
import shutil
import struct
import subprocess
import sys
import time

from suite import ROOT, Suite, copy_directory, ids, missing_flags

GOLDEN = ROOT / "test/Golden/v2-groups"
OPTIONS = "targets=x86-64-v3 compute=f32 max-context=128 max-batch=2 max-step-tokens=32"
TOOLS = ["dsv2-translate", "dsv2-opt", "dsv2-interpret", "dsv2-run"]


def run_tests(suite, artifact):
    """dsv2-run: arguments and limits."""
    weights = ["--weights", GOLDEN]
    good = [artifact, *weights, "--tokens", "1,2,3", "--generate", 2, "--print-ids"]
    long = suite.file("long", [5] * 129)
    exact = suite.file("exact", [5] * 128)

    def works(*flags):
        done = suite.run("dsv2-run", *flags)
        return done.returncode == 0, done.stderr

    def refuses(name, expected, *flags):
        suite.test(f"dsv2-run refuses {name}", suite.refuses(expected, "dsv2-run", *flags))

    suite.test("dsv2-run works", lambda: works(*good))
    suite.test("a context that is just full", lambda: works(artifact, *weights, "--tokens", exact, "--logits",
                                                            suite.work / "exact.safetensors"))
    refuses("a context overflow", ["context", "129", "128"], artifact, *weights, "--tokens", long, "--generate", 0)
    suite.test("generation ends where the context does", lambda: (
        len(suite.tool("dsv2-run", artifact, *weights, "--tokens", exact, "--generate", 9, "--ignore-eos",
                       "--print-ids").split()) == 1, "another number of ids"))
    refuses("a batch overflow", ["3", "2"], artifact, *weights, *["--tokens", "1,2"] * 3, "--generate", 1)
    refuses("a cache overflow", ["cache"], artifact, *weights, "--tokens", exact, "--generate", 0, "--cache-memory",
            "1K")
    refuses("a token past the vocabulary", ["256"], artifact, *weights, "--tokens", "1,256", "--generate", 1)
    refuses("a negative token", ["-1"], artifact, *weights, "--tokens", "1,-1", "--generate", 1)
    refuses("a token past 32 bits", ["4294967297"], artifact, *weights, "--tokens", "4294967297", "--generate", 1)
    refuses("no tokens", ["tokens"], artifact, *weights)
    refuses("an empty file of tokens", ["empty"], artifact, *weights, "--tokens", suite.file("empty", []))
    refuses("a word for a token", ["seven"], artifact, *weights, "--tokens", "1,seven")
    refuses("a prompt without a tokenizer", ["tokenizer.json"], artifact, *weights, "--prompt", "In the beginning")
    refuses("positions of another length", ["positions"], artifact, *weights, "--tokens", "1,2,3", "--positions",
            suite.file("two", [0, 1]), "--generate", 1)
    refuses("a position past 2^24", ["16777217"], artifact, *weights, "--tokens", "1", "--positions",
            suite.file("far", [2**24 + 1]), "--generate", 1)
    refuses("an unknown flag", ["--tokns"], artifact, *weights, "--tokns", "1")
    refuses("a flag of the oracle", ["--round"], artifact, *weights, "--tokens", "1", "--round")
    refuses("no threads", ["--threads", "0"], *good, "--threads", 0)
    refuses("weights that are not there", ["/nowhere"], artifact, "--weights", "/nowhere", "--tokens", "1")
    refuses("no weights", ["--weights"], artifact, "--tokens", "1")
    refuses("no artifact", ["artifact"], *weights, "--tokens", "1")
    refuses("an artifact that is not there", ["nowhere.dsv2"], "nowhere.dsv2", *weights, "--tokens", "1")
    refuses("a directory for an artifact", [str(suite.work)], suite.work, *weights, "--tokens", "1")
    refuses("a text for an artifact", [f"{GOLDEN}/config.json"], GOLDEN / "config.json", *weights, "--tokens", "1")
    refuses("another model's weights", ["model.embed_tokens.weight"], artifact, "--weights", GOLDEN.parent / "dense",
            "--tokens", "1", "--generate", 1)
    refuses("a tier that is not in the artifact", ["x86-64-v4-bf16", "x86-64-v3"], *good, "--tier", "x86-64-v4-bf16")
    refuses("an unknown tier", ["pdp-11", "x86-64-v3"], *good, "--tier", "pdp-11")
    refuses("a file of logits nowhere", ["/nowhere"], artifact, *weights, "--tokens", "1", "--logits", "/nowhere/l")
    refuses("a routing file nowhere", ["/nowhere"], *good, "--replay-routing", "/nowhere/r")
    module = suite.module(GOLDEN)
    for command in (["dsv2-run", *good], ["dsv2-interpret", module, *good[1:]], ["dsv2-opt", module],
                    ["dsv2-translate", "--import-hf", GOLDEN]):
        suite.test(f"{command[0]} says that standard output is full", lambda c=command: full_output(suite, c))


def full_output(suite, command):
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(suite.bin / command[0]), *map(str, command[1:])], stdout=full,
                              stderr=subprocess.PIPE, text=True, env=suite.environment, timeout=60)
    return (done.returncode == 1 and "error: cannot write to standard output" in done.stderr,
            f"status {done.returncode}, {done.stderr[-500:]}")


def damage_tests(suite, artifact):
    """A few damages of the artifact as the tool meets them; the unit tests of the room try every bit."""
    data = artifact.read_bytes()
    broken = suite.work / "broken.dsv2"
    for name, content in (("cut to half", data[:len(data) // 2]), ("cut by a byte", data[:-1]), ("of no bytes", b""),
                          ("a byte longer", data + b"\0"), ("with a bit flipped in its code", flip(data, -5000)),
                          ("with a bit flipped in its head", flip(data, 20)),
                          ("of another version", data[:8] + struct.pack("<I", 0xFFFF) + data[12:])):
        def refused(content=content):
            broken.write_bytes(content)
            return suite.refuses("broken.dsv2", "dsv2-run", broken, "--weights", GOLDEN, "--tokens", "1",
                                 "--trust-code")()
        suite.test(f"dsv2-run refuses an artifact {name}", refused)


def flip(data, at):
    changed = bytearray(data)
    changed[at] ^= 4
    return bytes(changed)


def trust_tests(suite, artifact):
    """Code runs where it was compiled, by its record; anywhere else only by --trust-code."""
    other = suite.work / "other-machine"
    flags = [artifact, "--weights", GOLDEN, "--tokens", "1,2,3", "--generate", 2, "--print-ids"]
    expected = suite.tool("dsv2-run", *flags)
    suite.test("untrusted code is refused, with the ways out",
               suite.refuses(["--trust-code", str(artifact)], "dsv2-run", *flags, "--cache-dir", other))
    suite.test("no cache, no trust", suite.refuses("--trust-code", "dsv2-run", *flags, "--cache-dir", "none"))
    suite.test("--trust-code runs it", lambda: (
        suite.tool("dsv2-run", *flags, "--cache-dir", other, "--trust-code") == expected, "other ids"))
    suite.test("which records nothing", suite.refuses("--trust-code", "dsv2-run", *flags, "--cache-dir", other))
    suite.test("weights are prepared without trust", lambda: (
        suite.tool("dsv2-run", artifact, "--weights", GOLDEN, "--prepare-only", "--cache-dir",
                   suite.work / "prepared") == ""
        and any((suite.work / "prepared").glob("weights-*")), "nothing was prepared"))

    def copied():
        copy = suite.work / "copy.dsv2"
        shutil.copyfile(artifact, copy)
        return suite.tool("dsv2-run", copy, *flags[1:]) == expected, "other ids"

    def writable_record():
        # A record that others can write is none.
        shutil.copytree(suite.cache / "dsv2", other / "loose")
        for path in [other / "loose/trusted", *(other / "loose/trusted").iterdir()]:
            path.chmod(0o777)
        return suite.refuses("--trust-code", "dsv2-run", *flags, "--cache-dir", other / "loose")()

    def from_artifact():
        if "--from-artifact" not in suite.tool("dsv2-translate", "--help"):
            return False, "no --from-artifact"
        text = suite.tool("dsv2-translate", "--from-artifact", artifact)
        again, cache = suite.work / "again.dsv2", suite.work / "from-artifact"
        suite.tool("dsv2-translate", "--to-artifact", "-o", again, "--cache-dir", cache, stdin=text)
        return suite.refuses("--trust-code", "dsv2-run", again, *flags[1:], "--cache-dir", cache)()

    suite.test("a copy of the file is as good", copied)
    suite.test("a record that others can write does not count", writable_record)
    suite.test("what came from an artifact is not trusted", from_artifact)


def cache_tests(suite, artifact):
    """Prepared weights are served only for the checkpoint they were made of."""
    model = copy_directory(GOLDEN, suite.work / "model")
    cache = suite.work / "weights"
    flags = [artifact, "--weights", model, "--tokens", "9,8,7,6", "--trust-code", "--cache-dir", cache]

    def logits():
        path = suite.work / "cached.safetensors"
        done = suite.run("dsv2-run", *flags, "--logits", path)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return path.read_bytes(), "preparing" in done.stderr

    def kept():
        first, prepared = logits()
        second, again = logits()
        return first == second and prepared and not again, f"prepared: {prepared}, then {again}"

    def changed():
        # The same size, other values: only the time of change tells.
        before, _ = logits()
        path = model / "model.safetensors"
        data = bytearray(path.read_bytes())
        for at in range(len(data) - 400, len(data), 4):
            data[at:at + 4] = struct.pack("<f", 0.5)
        path.write_bytes(data)
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1_000_000_000))
        after, prepared = logits()
        fresh = suite.work / "fresh.safetensors"
        suite.tool("dsv2-run", *flags[:-1], "none", "--logits", fresh)
        return before != after and prepared and after == fresh.read_bytes(), f"prepared: {prepared}"

    def damaged(change):
        expected, _ = logits()
        for path in cache.glob("weights-*"):
            path.write_bytes(change(path.read_bytes()))
        found, prepared = logits()
        return found == expected and prepared, f"prepared: {prepared}, the same logits: {found == expected}"

    def unwritable():
        # A cache that cannot be written costs time, nothing else.
        path = suite.work / "a-file"
        path.write_text("")
        done = suite.run("dsv2-run", *flags[:-1], path, "--print-ids", "--generate", 1)
        return done.returncode == 0 and done.stdout.strip().isdigit(), done.stderr

    def at_once():
        # Several first runs share one cache directory: whoever is last replaces equal bytes.
        command = [str(suite.bin / "dsv2-run"), *map(str, flags[:-1]), str(suite.work / "shared"), "--generate", "3",
                   "--print-ids", "--quiet"]
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=suite.environment)
                for _ in range(6)]
        answers = {run.communicate(timeout=60) for run in runs}
        left = [path.name for path in (suite.work / "shared").iterdir()]
        return len(answers) == 1 and not answers.pop()[1] and len(left) == 1, f"{answers}, files {left}"

    def killed():
        # A run that dies while it writes leaves nothing that a later run would believe.
        place = suite.work / "killed"
        command = [str(suite.bin / "dsv2-run"), *map(str, flags[:-1]), str(place), "--prepare-only"]
        for delay in range(0, 20, 2):
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=suite.environment)
            time.sleep(delay / 1000)
            run.kill()
            run.wait()
        path = suite.work / "after.safetensors"
        suite.tool("dsv2-run", *flags[:-1], place, "--logits", path)
        return path.read_bytes() == logits()[0], "other logits"

    suite.test("prepared weights are kept", kept)
    suite.test("six first runs at once", at_once)
    suite.test("runs killed while they prepare", killed)
    suite.test("a changed checkpoint is prepared anew", changed)
    suite.test("a half-written file is prepared anew", lambda: damaged(lambda data: data[:len(data) // 2]))
    suite.test("a damaged file is prepared anew", lambda: damaged(lambda data: flip(data, len(data) // 2)))
    suite.test("an empty file is prepared anew", lambda: damaged(lambda data: b""))
    suite.test("a cache that cannot be written", unwritable)
    suite.test("--prepare-only says that it cannot write", suite.refuses(
        "a-file", "dsv2-run", *flags[:-1], suite.work / "a-file", "--prepare-only"))

    def cut_shard():
        path = model / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-64])
        return suite.refuses("model.safetensors", "dsv2-run", *flags, "--generate", 1)()

    suite.test("a checkpoint cut at its end", cut_shard)


def compile_tests(suite, artifact):
    """dsv2-opt and dsv2-translate in pipes."""
    module = suite.module(GOLDEN)

    def refuses(name, expected, tool, *flags, **options):
        suite.test(f"{tool} refuses {name}", suite.refuses(expected, tool, *flags, **options))

    refuses("an empty module", "empty", "dsv2-opt", "--dsv2-compile", stdin="")
    refuses("an empty module", "codegen", "dsv2-translate", "--to-artifact", stdin="")
    for stage in ("model", "dispatches", "buffers"):
        refuses(f"a module at stage {stage}", ["codegen", stage], "dsv2-translate", "--to-artifact",
                stdin=suite.tool("dsv2-opt", module, f"--dsv2-compile=targets=x86-64-v3 stop-after={stage}"))
    refuses("a module just imported", "codegen", "dsv2-translate", "--to-artifact", module)
    refuses("an unknown target", ["pdp-11", "x86-64-v3"], "dsv2-opt", module, "--dsv2-compile=targets=pdp-11")
    refuses("the naive form", "dsv2.decompress", "dsv2-opt", module, "--dsv2-compile=targets=x86-64-v3 absorb=naive")
    for option in ("compute=f16", "absorb=maybe", "fuse-experts=2", "quantize=int8", "kv-cache=int8", "verify=1",
                   "max-context=-1", "max-batch=0", "max-step-tokens=0", "stop-after=never", "emulate=perhaps",
                   "allow-fallback=2", "kv-cache=bf16 compute=f32", "nonsense=1"):
        refuses(option, option.split("=")[0], "dsv2-opt", module, f"--dsv2-compile=targets=x86-64-v3 {option}")
    refuses("a module of nothing but text", "error: ", "dsv2-opt", "--dsv2-compile", stdin="hello")
    refuses("a file that is not there", "nowhere.mlir", "dsv2-opt", "nowhere.mlir", "--dsv2-compile")
    refuses("a directory that is not there", "/nowhere", "dsv2-translate", "--import-hf", "/nowhere")
    refuses("no action", "action", "dsv2-translate", module)
    refuses("an unknown option", "--frobnicate", "dsv2-translate", "--frobnicate")
    refuses("an unknown option", "frobnicate", "dsv2-opt", "--frobnicate", module)

    def pipe_fails(first):
        # As a shell runs it: the first command fails, the others see empty input; no status of theirs is 0.
        command = f"{first} | {suite.bin}/dsv2-opt --dsv2-compile | {suite.bin}/dsv2-translate --to-artifact -o {suite.work}/none.dsv2"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=suite.environment)
        return done.returncode != 0 and not (suite.work / "none.dsv2").exists(), done.stderr

    def keeps(tool, *flags, stdin=None):
        path = suite.work / "kept"
        path.write_text("as it was")
        done = suite.run(tool, *flags, "-o", path, stdin=stdin)
        return done.returncode != 0 and path.read_text() == "as it was", f"status {done.returncode}"

    suite.test("a pipe whose first command fails", lambda: pipe_fails(f"{suite.bin}/dsv2-translate --import-hf /nowhere"))
    suite.test("dsv2-opt keeps an old file on error", lambda: keeps(
        "dsv2-opt", module, "--dsv2-compile=targets=pdp-11"))
    suite.test("--to-artifact keeps an old file on error", lambda: keeps("dsv2-translate", "--to-artifact", module))
    suite.test("--import-hf keeps an old file on error", lambda: keeps(
        "dsv2-translate", "--import-hf", "/nowhere"))
    if "--from-artifact" in suite.tool("dsv2-translate", "--help"):
        suite.test("--from-artifact keeps an old file on error", lambda: keeps(
            "dsv2-translate", "--from-artifact", GOLDEN / "config.json"))
        refuses("an artifact that is none", "config.json", "dsv2-translate", "--from-artifact", GOLDEN / "config.json")
    suite.test("--logits keeps an old file on error", lambda: keeps_logits(suite, artifact))


def keeps_logits(suite, artifact):
    path = suite.work / "kept.safetensors"
    path.write_text("as it was")
    done = suite.run("dsv2-run", artifact, "--weights", GOLDEN, "--tokens", "1,256", "--logits", path)
    return done.returncode != 0 and path.read_text() == "as it was", f"status {done.returncode}"


def tool_tests(suite):
    """--help, --version, and what dsv2-run is made of."""
    for tool in TOOLS:
        def helps(tool=tool):
            text = suite.tool(tool, "--help")
            return re.search(rf"example[\s\S]*{tool}|{tool}[\s\S]*example|EXAMPLE", text) is not None, text[:1500]

        def version(tool=tool):
            text = suite.tool(tool, "--version")
            return re.fullmatch(rf"{tool} \d+\.\d+\.\d+\S*\n", text) is not None, repr(text)

        suite.test(f"{tool} --help has an example", helps)
        suite.test(f"{tool} --version", version)

    def links_nothing():
        libraries = subprocess.run(["ldd", suite.bin / "dsv2-run"], capture_output=True, text=True).stdout
        symbols = (suite.bin / "dsv2-run").read_bytes()
        found = [word for word in ("MLIR", "LLVM", "DSV2Compiler") if f"lib{word}" in libraries]
        found += [word for word in (b"N4mlir", b"N4llvm") if word in symbols]
        return libraries and not found, f"{found} in {libraries}"

    suite.test("dsv2-run links neither MLIR nor LLVM", links_nothing)


def tier_tests(suite):
    """A tier that this machine lacks, and emulated ones, which only --tier chooses."""
    def emulated():
        artifact = suite.artifact(GOLDEN, "targets=x86-64-v3 compute=f32 emulate=on max-context=128")
        flags = [artifact, "--weights", GOLDEN, "--tokens", "4,5,6", "--generate", 3, "--print-ids"]
        own = suite.tool("dsv2-run", *flags)
        return own == suite.tool("dsv2-run", *flags, "--tier", "x86-64-v3:emulated"), "other ids"

    suite.test("an emulated tier runs by --tier", emulated)
    for tier in ("x86-64-v4", "x86-64-v4-bf16"):
        if missing_flags(tier):
            suite.test(f"{tier} is refused where the processor lacks it", lambda t=tier: suite.refuses(
                [t], "dsv2-run", suite.artifact(GOLDEN, f"targets={t} compute=f32"), "--weights", GOLDEN, "--tokens",
                ids([1, 2]), "--generate", 1)())


def main():
    suite = Suite(__doc__)
    artifact = suite.artifact(GOLDEN, OPTIONS)
    tool_tests(suite)
    run_tests(suite, artifact)
    damage_tests(suite, artifact)
    trust_tests(suite, artifact)
    cache_tests(suite, artifact)
    compile_tests(suite, artifact)
    tier_tests(suite)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
