"""A pack's cases on a device: memory as the case describes it, launches as the runtime would make them, results compared.

The launch rule is lib/Runtime/drivers/streams/StreamDriver.cpp: parameters are the slots (8 bytes each), the tensor maps,
items, workgroups and scratch; as many workgroups as items, but at most 8 a multiprocessor where a kernel has scratch.
"""
import array
import ctypes
import json
import os
import pathlib

SCRATCH_GROUPS = 8
MOST_GROUPS = 2**31 - 1
NO_BOUND = 2**31 - 1
ALIGNMENT = 256
NOISE_BYTES = 1 << 22


class Pack:
    """pack.json, the data beside it and the modules."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.content = json.loads((self.folder / "pack.json").read_text())
        self.cases = self.content["cases"]
        self.modules = self.content["modules"]

    def data(self, place):
        with open(self.folder / "data.bin", "rb") as file:
            file.seek(place["at"])
            return file.read(place["bytes"])

    def image(self, number, key="file"):
        name = self.modules[number].get(key)
        return (self.folder / name).read_bytes() if name else None

    def targets(self):
        return list(dict.fromkeys(module["target"] for module in self.modules))


class Kernels:
    """Modules that are loaded, kept for the run. Binaries are tried first: the library refuses those of another device."""

    def __init__(self, device, pack):
        self.device, self.pack, self.loaded = device, pack, {}
        self.binaries = 0

    def get(self, number):
        if number not in self.loaded:
            module = self.pack.modules[number]
            handle = None
            binary = self.pack.image(number, "binary")
            if binary:
                try:
                    handle = self.device.load(binary)
                    self.binaries += 1
                except Exception:  # the text is for every device
                    handle = None
            if handle is None:
                handle = self.device.load(self.pack.image(number))
            self.loaded[number] = self.device.function(handle, module["kernel"], module["shared"])
        return self.loaded[number]


def noise(kind):
    """Pseudo-random values in (-1, 1) of type f32 or bf16, NOISE_BYTES bytes."""
    raw = os.urandom(NOISE_BYTES)
    if kind == "f32":
        values = array.array("i")
        values.frombytes(raw)
        return array.array("f", [value * 2.0**-31 for value in values]).tobytes()
    # The high byte of a bf16: sign and an exponent from 2^-5 to 2^-2; the low one as it comes.
    high = bytes(((byte & 0x80) | (0x3d if byte & 1 else 0x3e)) for byte in range(256))
    out = bytearray(raw)
    out[1::2] = out[1::2].translate(high)
    return bytes(out)


class Memory:
    """The buffers of a case, in one allocation, filled."""

    noises = {}

    def __init__(self, device, pack, case):
        self.device, self.places, size = device, [], 0
        for buffer in case["buffers"]:
            self.places.append(size)
            size += (buffer["bytes"] + 64 + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        self.base = device.allocate(max(size, ALIGNMENT))
        try:
            for buffer, place in zip(case["buffers"], self.places):
                self.fill(pack, buffer, self.base + place)
            device.synchronize()
        except BaseException:
            self.release()
            raise

    def fill(self, pack, buffer, address):
        size, fill = buffer["bytes"], buffer["fill"]
        if size == 0:
            return
        if fill == "zero":
            self.device.fill(address, 0, size)
        elif fill == "nan":
            self.device.fill(address, 0xFF, size)
        elif isinstance(fill, dict):
            self.device.copy_in(address, pack.data(fill))
        else:
            if fill not in self.noises:
                self.noises[fill] = noise(fill)
            # Once from the host, then doubled on the device.
            done = min(size, NOISE_BYTES)
            self.device.copy_in(address, self.noises[fill][:done])
            while done < size:
                step = min(done, size - done)
                self.device.copy(address + done, address, step)
                done += step

    def address(self, number):
        return self.base + self.places[number]

    def release(self):
        self.device.release(self.base)


class Program:
    """The launches of a case with every parameter ready."""

    def __init__(self, device, kernels, case, memory):
        self.device, self.calls, self.scratch = device, [], None
        pack = kernels.pack
        groups_of_scratch = SCRATCH_GROUPS * device.multiprocessors
        scratch = max([pack.modules[launch["module"]]["scratch"] for launch in case["launches"]], default=0)
        if scratch:
            self.scratch = device.allocate(scratch * groups_of_scratch + 64 * groups_of_scratch)
            device.fill(self.scratch, 0, scratch * groups_of_scratch)
        for launch in case["launches"]:
            module = pack.modules[launch["module"]]
            slots = [memory.address(slot["buffer"]) + slot["offset"] if "buffer" in slot else slot["number"] & (2**64 - 1)
                     for slot in launch["slots"]]
            most = groups_of_scratch if module["scratch"] else MOST_GROUPS
            groups = min(launch["items"], most)
            if groups < 1:
                continue
            parameters = [ctypes.c_uint64(slot) for slot in slots]
            for tensor_map in module["maps"]:
                rows = slots[tensor_map["rows_slot"]] if tensor_map["rows_slot"] >= 0 else NO_BOUND
                parameters.append(device.tensor_map(slots[tensor_map["slot"]], tensor_map["columns"], tensor_map["row_bytes"],
                                                    max(1, min(rows, NO_BOUND)), tensor_map["box_rows"]))
            parameters += [ctypes.c_int64(launch["items"]), ctypes.c_int64(groups), ctypes.c_uint64(self.scratch or 0)]
            self.calls.append((kernels.get(launch["module"]), groups, module["threads"], module["shared"], parameters))

    def queue(self):
        for function, groups, threads, shared, parameters in self.calls:
            self.device.launch(function, groups, threads, shared, parameters)

    def release(self):
        if self.scratch:
            self.device.release(self.scratch)


def numbers(kind, raw):
    """Bytes of a buffer as a list of numbers."""
    if kind == "bf16":
        wide = bytearray(len(raw) * 2)
        wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
        raw, kind = bytes(wide), "f32"
    out = array.array({"f32": "f", "i32": "i", "f64": "d"}[kind])
    out.frombytes(raw)
    return out


WIDTH = {"f32": 4, "bf16": 2, "i32": 4}


def agreement(found, expected):
    """max|y - x| / max|x| of the found values against the expected; infinite where one is no number."""
    largest, worst = 0.0, 0.0
    for y, x in zip(found, expected):
        if y != y or abs(y) == float("inf"):
            return float("inf")
        worst, largest = max(worst, abs(y - x)), max(largest, abs(x))
    return worst / largest if largest else worst


def compare(device, pack, memory, expect):
    """(worst relative error, or the number of integers that differ; whether that is good enough)."""
    kind, rows, columns, stride = expect["type"], expect["rows"], expect["columns"], expect["stride"]
    width = WIDTH[kind]
    size = ((rows - 1) * stride + columns) * width
    raw = device.copy_out(memory.address(expect["buffer"]) + expect["offset"], size)
    found = []
    for row in range(rows):
        at = row * stride * width
        found.extend(numbers(kind, raw[at:at + columns * width]))
    expected = numbers("i32" if kind == "i32" else "f64", pack.data(expect["values"]))
    if kind == "i32":
        wrong = sum(1 for y, x in zip(found, expected) if y != x)
        return float(wrong), wrong == 0
    error = agreement(found, expected)
    return error, error <= expect["bound"]


def check(device, kernels, case):
    """Runs a case once: (worst error, good)."""
    memory = Memory(device, kernels.pack, case)
    try:
        program = Program(device, kernels, case, memory)
        try:
            program.queue()
            device.synchronize()
            results = [compare(device, kernels.pack, memory, expect) for expect in case["expect"]]
        finally:
            program.release()
    finally:
        memory.release()
    return max(error for error, _ in results), all(good for _, good in results)


def measure(device, kernels, case, repeats=5, seconds=0.05):
    """Seconds of one run of the case's launches: the median of `repeats` series, as a graph where there are graphs."""
    memory = Memory(device, kernels.pack, case)
    try:
        program = Program(device, kernels, case, memory)
        program.queue()  # loads what is loaded late, and shows errors outside of a graph
        device.synchronize()
        graph = device.record(program.queue)
        run = (lambda: device.run_graph(graph)) if graph else program.queue
        run()
        once = max(device.seconds(run), 1e-7)
        count = max(1, min(1000, int(seconds / once)))
        series = sorted(device.seconds(lambda: [run() for _ in range(count)]) / count for _ in range(repeats))
        if graph:
            device.drop_graph(graph)
        program.release()
    finally:
        memory.release()
    return series[len(series) // 2]
