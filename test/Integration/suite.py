"""What the whole-path scripts share: running tools, compiling once, counting. Standard library only."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_golden  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDENS = sorted(path.parent for path in ROOT.glob("test/Golden/*/golden.safetensors"))
TRAINED = ROOT / "models/kjv-v2"

# What a processor must have to run a tier's own instructions (names of /proc/cpuinfo).
TIER_FLAGS = {
    "x86-64-v3": {"avx2", "fma", "bmi2"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd"},
    "x86-64-v4-bf16": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd", "avx512_bf16"},
}


def missing_flags(tier):
    """Processor flags that `tier` needs and this machine lacks."""
    if ":" in tier:
        tier = "x86-64-v3"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return sorted(TIER_FLAGS[tier] - set(line.split(":", 1)[1].split()))
    return []


def seconds(function, tries):
    """The best of some tries: wall time, or processor time where other work delayed us."""
    best = float("inf")
    for _ in range(tries):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        function()
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, wall, used)
    return best


def model_type(directory):
    return json.loads((directory / "config.json").read_text())["model_type"]


def has_kernels(directory):
    """Whether attention goes over a latent cache: others have no kernels yet."""
    return model_type(directory) in ("deepseek_v2", "deepseek_v3")


def ids(values):
    return ",".join(map(str, values))


class Suite:
    """Tools of one build, a folder for temporary files, and the counts.

    Every tool runs with a cache directory of the suite's own, so that nothing outside is read or written.
    """

    def __init__(self, description, add_flags=lambda parser: None):
        parser = argparse.ArgumentParser(description=description.strip().split("\n")[0])
        parser.add_argument("--build", default="build")
        parser.add_argument("--only", default="", help="run the tests whose name holds this text")
        parser.add_argument("-v", "--verbose", action="store_true")
        add_flags(parser)
        self.options = options = parser.parse_args()
        self.bin = (ROOT / options.build / "bin").resolve()
        self.only = options.only
        self.temporary = tempfile.TemporaryDirectory()
        self.work = pathlib.Path(self.temporary.name)
        self.cache = self.work / "cache"
        self.environment = dict(os.environ, XDG_CACHE_HOME=str(self.cache))
        self.passed = self.failed = self.skipped = 0
        self.artifacts = {}

    def run(self, tool, *flags, text=True, stdin=None, cwd=None, timeout=300, environment=None):
        """The finished process, whatever its status; stdin: bytes or text to feed."""
        feed = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run([str(self.bin / tool), *map(str, flags)], capture_output=True, text=text, cwd=cwd,
                              timeout=timeout, env=environment or self.environment, **feed)

    def tool(self, tool, *flags, **options):
        """What the tool prints; RuntimeError when it fails."""
        done = self.run(tool, *flags, **options)
        if done.returncode != 0:
            stderr = done.stderr if isinstance(done.stderr, str) else done.stderr.decode(errors="replace")
            lines = [line for line in stderr.splitlines() if "error: " in line] or [stderr.strip()[-600:]]
            raise RuntimeError(f"{tool} {' '.join(map(str, flags))[:200]} ended with {done.returncode}: "
                               f"{lines[0][:600]}")
        return done.stdout

    def module(self, directory):
        """The imported module of a model directory, as a file."""
        path = self.work / f"{directory.name}.mlir"
        if not path.exists():
            self.tool("dsv2-translate", "--import-hf", directory, "-o", path)
        return path

    def artifact(self, directory, options, opt="dsv2-opt", passes=()):
        """The artifact of a model directory, compiled once for each set of options; or the error again."""
        key = (directory, options, opt, tuple(passes))
        if key not in self.artifacts:
            path = self.work / f"{directory.name}-{len(self.artifacts)}.dsv2"
            try:
                code = self.tool(opt, self.module(directory), *passes, f"--dsv2-compile={options}", text=False)
                self.tool("dsv2-translate", "--to-artifact", "-o", path, stdin=code, text=False)
                self.artifacts[key] = path
            except RuntimeError as error:
                self.artifacts[key] = error
        result = self.artifacts[key]
        if isinstance(result, Exception):
            raise result
        return result

    def file(self, name, values):
        """@FILE with these numbers, as --tokens and --positions take it."""
        path = self.work / name
        path.write_text(" ".join(map(str, values)))
        return f"@{path}"

    def test(self, name, function):
        """Counts one test. `function` returns (passed, text of the failure); what it raises is a failure."""
        if self.only not in name:
            return
        start = time.monotonic()
        try:
            good, text = function()
        except (RuntimeError, subprocess.TimeoutExpired, OSError, KeyError, ValueError, struct.error) as error:
            good, text = False, f"{type(error).__name__}: {error}"
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print(f"FAILED: {name}: {text[-3000:]}", flush=True)
        elif self.options.verbose:
            print(f"{time.monotonic() - start:7.1f} s  {name}", flush=True)

    def skip(self, name, reason):
        if self.only in name:
            self.skipped += 1
            print(f"skipped: {name}: {reason}", flush=True)

    def refuses(self, expected, tool, *flags, **options):
        """A test function: the tool must fail by an error line that holds every text of `expected`, print nothing
        on stdout, and not by a signal."""
        expected = [expected] if isinstance(expected, str) else expected

        def function():
            done = self.run(tool, *flags, **options)
            lines = [line for line in done.stderr.splitlines() if "error: " in line]
            good = (0 < done.returncode < 128 and len(lines) == 1 and not done.stdout
                    and all(text in lines[0] for text in expected))
            return good, (f"status {done.returncode}, expected one error line with {expected}, stdout "
                          f"{done.stdout[:200]!r}, stderr {done.stderr[-800:]!r}")

        return function

    def finish(self):
        """Prints the counts and returns the exit status."""
        self.temporary.cleanup()
        print(f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else ""))
        return 1 if self.failed or not self.passed + self.skipped else 0


def copy_directory(source, target):
    """A copy of a model directory whose files may be changed."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file():
            shutil.copyfile(path, target / path.name)
    return target


def same_bytes(first, second):
    """(equal, where they differ first)."""
    a, b = pathlib.Path(first).read_bytes(), pathlib.Path(second).read_bytes()
    if a == b:
        return True, ""
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return False, f"{len(a)} and {len(b)} bytes, first difference at {at}"
