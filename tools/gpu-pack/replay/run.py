#!/usr/bin/env python3
"""Checks every kernel of this pack on the GPU of this machine, then measures. Needs a driver and Python 3, nothing else.

    python3 run.py                    all checks, then the workloads G1 to G8 with limits and peers of the same run
    python3 run.py --checks-only      no measurements
    python3 run.py --json OUT.json    where the results go (default: results.json here)

Results of kernels are compared with values that were computed in f64 when the pack was built. A row that cannot run says
why. Exit status: 0 if every check that could run passed, 1 if one failed, 2 if there is no GPU that the pack is for.
"""
import argparse
import json
import pathlib
import sys
import time

import devices
import limits
import peers
import replay

HERE = pathlib.Path(__file__).resolve().parent


def stopped(device):
    """Whether the device takes nothing more: some errors of a kernel are the context's end."""
    try:
        device.synchronize()
        return False
    except devices.DeviceError:
        return True


def run_checks(device, kernels, targets, only):
    rows, broken = [], None
    for case in kernels.pack.cases:
        if case["kind"] != "check" or (only and only not in case["name"]):
            continue
        row = {"target": case["target"], "name": case["name"], "builder": case["builder"]}
        if case["target"] not in targets:
            row.update(status="skipped", why=f"this GPU does not run code for {case['target']}")
        elif case.get("why"):
            row.update(status="skipped", why=f"{case['target']} {case['name']}: {case['why']}")
        elif broken:
            row.update(status="skipped", why=f"the device stopped at {broken}; run the others by --only")
        else:
            try:
                error, good = replay.check(device, kernels, case)
                row.update(status="passed" if good else "FAILED", error=error, bound=case["expect"][0]["bound"])
            except devices.DeviceError as problem:
                row.update(status="FAILED", why=str(problem))
                broken = f"{case['target']} {case['name']}" if stopped(device) else None
        rows.append(row)
    return rows, broken


def run_measurements(device, kernels, targets, only):
    """Each workload on the last target that runs here: packs list the plainer ones first."""
    rows = []
    for case in kernels.pack.cases:
        if case["kind"] != "measure" or (only and only not in case["name"]):
            continue
        if case["target"] != targets[-1]:
            continue
        row = {"goal": case["goal"], "name": case["name"], "target": case["target"], "wanted": case["wanted"]}
        rows.append(row)
        if case.get("why"):
            row["why"] = case["why"]
            continue
        size = sum(buffer["bytes"] for buffer in case["buffers"])
        if size > device.free_bytes():
            row["why"] = f"needs {size / 2**30:.1f} GiB, the device has {device.free_bytes() / 2**30:.1f} free"
            continue
        try:
            seconds = replay.measure(device, kernels, case)
        except devices.DeviceError as problem:
            row["why"] = str(problem)
            continue
        row.update(seconds=seconds, tflops=case["flop"] / seconds / 1e12, gbytes=case["bytes"] / seconds / 1e9)
    return sorted(rows, key=lambda row: row["goal"])


def text_of_measurement(row):
    if "seconds" not in row:
        return f"{row['goal']:4} {row['name']:44} not measured: {row['why']}"
    return (f"{row['goal']:4} {row['name']:44} {row['seconds'] * 1e6:11.1f} us {row['tflops']:9.1f} TFLOP/s "
            f"{row['gbytes']:9.1f} GB/s   goal {row['wanted']}")


def text_of_rate(row):
    return f"     {row['name']:44} " + (f"{row['value']:11.1f} {row['unit']}" if "value" in row else f"not measured: {row['why']}")


def print_report(report):
    print(f"\nchecks: {report['passed']} passed, {report['failed']} failed, {report['skipped']} skipped")
    for row in report["checks"]:
        if row["status"] == "FAILED":
            why = row.get("why") or f"error {row['error']:.3g}, at most {row['bound']:.3g} is allowed"
            print(f"  FAILED {row['target']:8} {row['name']}: {why}")
    for reason in sorted({row["why"] for row in report["checks"] if row["status"] == "skipped"}):
        print(f"  skipped: {reason}")
    if report["measurements"] or report["limits"]:
        print("\nlimits of this run")
        for row in report["limits"]:
            print(text_of_rate(row))
        print("\nworkloads (PERFORMANCE.md), a bare time means nothing: read it beside the limits above")
        for row in report["measurements"]:
            print(text_of_measurement(row))
        print("\npeers in the same run")
        for row in report["peers"]:
            print(text_of_rate(row))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks-only", action="store_true")
    parser.add_argument("--no-peers", action="store_true", help="leave PyTorch, Triton and cuBLAS alone")
    parser.add_argument("--only", metavar="TEXT", help="cases whose name holds this")
    parser.add_argument("--json", default=str(HERE / "results.json"), metavar="FILE")
    parser.add_argument("--library", help="another driver library than the system's")
    parser.add_argument("--vendor", choices=["cuda", "hip"])
    parser.add_argument("--pack", default=str(HERE), metavar="DIR", help="the folder of pack.json")
    options = parser.parse_args()

    pack = replay.Pack(options.pack)
    device, reason = devices.find(options.library, options.vendor)
    if device is None:
        print(f"no GPU: {reason}")
        return 2
    if device.vendor == "hip":
        for number, module in enumerate(pack.modules):
            if module["target"] not in device.accepted and module["file"].endswith(".hsaco"):
                device.probe(module["target"], pack.image(number))
    targets = [target for target in pack.targets() if device.runs(target)]
    print(f"device: {device.text}\npack: built from {pack.content['revision']}, for {', '.join(pack.targets())}; "
          f"runs here: {', '.join(targets) or 'none'}")
    if not targets:
        return 2

    start = time.time()
    kernels = replay.Kernels(device, pack)
    checks, broken = run_checks(device, kernels, targets, options.only)
    report = {"device": device.text, "revision": pack.content["revision"], "targets": targets, "checks": checks,
              "limits": [], "measurements": [], "peers": []}
    for word, key in (("passed", "passed"), ("FAILED", "failed"), ("skipped", "skipped")):
        report[key] = sum(1 for row in checks if row["status"] == word)
    if not options.checks_only and not broken:
        report["limits"] = limits.measure(device)
        report["measurements"] = run_measurements(device, kernels, targets, options.only)
        report["peers"] = [] if options.no_peers else peers.measure(device)
    report["binaries"] = kernels.binaries
    report["wall_seconds"] = time.time() - start
    print_report(report)
    pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nwritten: {options.json}")
    return 1 if report["failed"] or not report["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
