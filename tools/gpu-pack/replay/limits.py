"""What the device can do at most, measured in the same run: copy bandwidth, and the bf16 matmul peak of a tuned library."""
import ctypes
from ctypes import byref, c_float, c_int, c_void_p

from devices import DeviceError

SIZE = 8192  # of the square matmul


def median(values):
    return sorted(values)[len(values) // 2]


def copy_bandwidth(device):
    """GB/s of copies within the device's memory, reads and writes counted together."""
    size = min(1 << 30, device.free_bytes() // 4 // 256 * 256)
    memory = device.allocate(2 * size)
    try:
        device.fill(memory, 1, 2 * size)
        device.copy(memory + size, memory, size)
        device.synchronize()
        times = [device.seconds(lambda: [device.copy(memory + size, memory, size) for _ in range(8)]) / 8 for _ in range(5)]
    finally:
        device.release(memory)
    return 2 * size / median(times) / 1e9


def cublas():
    for name in ("libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def cublas_matmul(device, rows, columns, depth):
    """Seconds of a bf16 matmul with f32 sums by cuBLAS; None where it is not installed."""
    library = cublas() if device.vendor == "cuda" else None
    if library is None:
        return None
    handle = c_void_p()

    def call(name, *arguments):
        status = getattr(library, name)(*arguments)
        if status != 0:
            raise DeviceError(f"{name}: status {status}")

    call("cublasCreate_v2", byref(handle))
    memory = device.allocate(2 * (rows * depth + columns * depth + rows * columns))
    try:
        device.fill(memory, 0x3C, 2 * (rows * depth + columns * depth))
        call("cublasSetStream_v2", handle, device.stream)
        a, b = c_void_p(memory), c_void_p(memory + 2 * rows * depth)
        c = c_void_p(memory + 2 * (rows * depth + columns * depth))
        one, zero = c_float(1), c_float(0)

        def run():
            # Column-major: C^T [columns, rows] = B^T A, as a row-major product with B transposed.
            call("cublasGemmEx", handle, c_int(1), c_int(0), c_int(columns), c_int(rows), c_int(depth), byref(one), b, c_int(14),
                 c_int(depth), a, c_int(14), c_int(depth), byref(zero), c, c_int(14), c_int(columns), c_int(68), c_int(-1))

        run()
        device.synchronize()
        return median([device.seconds(lambda: [run() for _ in range(10)]) / 10 for _ in range(5)])
    finally:
        device.synchronize()
        device.release(memory)
        library.cublasDestroy_v2(handle)


def torch_matmul(rows, columns, depth):
    """The same by PyTorch; raises ImportError where it is not installed."""
    import torch
    a = torch.randn(rows, depth, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(columns, depth, device="cuda", dtype=torch.bfloat16)
    return torch_seconds(lambda: a @ b.t())


def torch_seconds(work, repeats=5, count=10):
    import torch
    work()
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(count):
            work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1e3 / count)
    return median(times)


def row(name, unit, measure):
    """A row of the report; what fails is its reason."""
    try:
        value = measure()
        return {"name": name, "unit": unit, "value": value} if value is not None else {"name": name, "why": "not installed"}
    except ImportError as problem:
        return {"name": name, "why": f"not installed ({problem})"}
    except Exception as problem:  # a peer's failure is a row, not the end of the run
        return {"name": name, "why": f"{type(problem).__name__}: {problem}"}


def measure(device):
    flop = 2 * SIZE**3

    def peak():
        seconds = cublas_matmul(device, SIZE, SIZE, SIZE)
        if seconds is None:
            seconds = torch_matmul(SIZE, SIZE, SIZE)
        return flop / seconds / 1e12

    return [row("copy bandwidth (read + write)", "GB/s", lambda: copy_bandwidth(device)),
            row(f"bf16 matmul {SIZE}^3 by cuBLAS, else PyTorch", "TFLOP/s", peak)]
