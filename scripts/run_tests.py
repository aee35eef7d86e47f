#!/usr/bin/env python3
"""Runs every test of a build that scripts/build made, and counts them in one line at the end.

Four kinds: checks of the tree (layering, specification), GoogleTest binaries (bin/dsv2-unit-*, also the ones built with sanitizers),
lit, and whole-path scripts (test/Integration/run_*.py) that end with `N passed, N failed[, N skipped]` and
take `--build DIR`. A program that ends badly without counting a failure counts as one.
"""
import argparse
import concurrent.futures
import glob
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIT = "/usr/lib/llvm-22/bin/lit"
# Scripts that run as several jobs.
PARTS = {"run_simt.py": 2}
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


def last_number(pattern, text):
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else 0


def count_unit(text):
    if "[==========]" not in text and "[  PASSED  ]" not in text:
        return None
    return (last_number(r"^\[  PASSED  \] (\d+) tests?\.$", text),
            last_number(r"^\s*(\d+) FAILED TESTS?$", text),
            last_number(r"^\[  SKIPPED \] (\d+) tests?", text))


def count_lit(text):
    bad = sum(last_number(rf"^\s*{word}\s*:\s*(\d+)", text)
              for word in ("Failed", "Unresolved", "Timed Out", "Unexpectedly Passed"))
    good = last_number(r"^\s*Passed\s*:\s*(\d+)", text)
    return (good, bad, last_number(r"^\s*Unsupported\s*:\s*(\d+)", text)) if good + bad else None


def count_summary(text):
    found = SUMMARY.findall(text)
    return tuple(int(x or 0) for x in found[-1]) if found else None


def run(job):
    name, command, counter = job
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1")
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL)
    text = done.stdout.decode("utf-8", "replace")
    counts = counter(text)
    problem = None
    if counts is None:
        counts, problem = (0, 1, 0), f"ended with status {done.returncode} and counted nothing"
    elif done.returncode != 0 and counts[1] == 0:
        counts, problem = (counts[0], 1, counts[2]), f"ended with status {done.returncode}"
    return name, text, counts, problem, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", default="", help="run the jobs whose name holds this text")
    options = parser.parse_args()

    quick = [("layering", [sys.executable, "scripts/layering.py"], count_summary),
             ("specification", [sys.executable, "scripts/check_spec.py"], count_summary)]
    for folder in (options.build, options.build + "-asan"):
        for binary in sorted(glob.glob(str(ROOT / folder / "bin/dsv2-unit-*"))):
            quick.append((f"{folder}/{os.path.basename(binary)}", [binary, "--gtest_brief=1"], count_unit))
    scripts = []
    for script in sorted(glob.glob(str(ROOT / "test/Integration/run_*.py"))):
        name, command = os.path.relpath(script, ROOT), [sys.executable, script, "--build", options.build]
        parts = PARTS.get(os.path.basename(script), 1)
        for part in range(1, parts + 1):
            flags = ["--part", f"{part}/{parts}"] if parts > 1 else []
            scripts.append((" ".join([name, *flags]), command + flags, count_summary))
    # The longest first, so that the end is not one alone.
    scripts.sort(key=lambda job: "--part" not in job[0])
    quick = scripts + quick
    jobs = [job for job in quick if options.only in job[0]]
    lit = ("lit", [LIT, "-s", "-v", options.build + "/test"], count_lit)

    totals = [0, 0, 0]

    def report(result):
        name, text, counts, problem, seconds = result
        for i in range(3):
            totals[i] += counts[i]
        if counts[1] or problem:
            print(f"==== {name}\n" + text[-20000:])
        for line in re.findall(r"^.*skipped?: .*$", text, re.MULTILINE | re.IGNORECASE):
            print(line)
        print(f"{seconds:7.1f} s  {name}: {counts[0]} passed, {counts[1]} failed"
              + (f", {counts[2]} skipped" if counts[2] else "") + (f" ({problem})" if problem else ""), flush=True)

    if os.path.exists(ROOT / options.build / "test/lit.site.cfg.py") and options.only in "lit":
        report(run(lit))
    # Two at a time: more would only make timeouts on a small machine.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, job) for job in jobs]):
            report(done.result())
    print(f"{totals[0]} passed, {totals[1]} failed" + (f", {totals[2]} skipped" if totals[2] else ""))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
