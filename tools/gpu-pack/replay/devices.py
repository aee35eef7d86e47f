"""The GPUs of this machine, through the driver's own library by ctypes: memory, modules, launches, graphs, events.

Two vendors, one interface (`Device`). Nothing else is needed: no toolkit, no numpy, no compiler. Function and constant
names are those of the vendors' manuals of the CUDA driver API and the HIP runtime API.
"""
import ctypes
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint32, c_uint64, c_void_p

SUCCESS = 0


class DeviceError(Exception):
    """A call of the library failed; the text names it and says why."""


class Device:
    """What replay.py asks of a GPU. Addresses are integers; everything queued runs in order on one stream."""

    def __init__(self, library):
        self.library = library
        self.stream = c_void_p()

    def call(self, name, *arguments):
        result = self.symbol(name)(*arguments)
        if result != SUCCESS:
            raise DeviceError(f"{name}: error {result}{self.reason(result)}")

    def symbol(self, name):
        try:
            return getattr(self.library, name)
        except AttributeError:
            raise DeviceError(f"the library has no {name}") from None

    def has(self, name):
        return hasattr(self.library, name)

    def reason(self, result):
        return ""

    def pointers(self, values):
        """`kernelParams`: an array of addresses of the ctypes values, which must outlive the call."""
        return (c_void_p * len(values))(*[ctypes.addressof(value) for value in values])


class CudaDevice(Device):
    vendor = "cuda"

    def __init__(self, path):
        super().__init__(ctypes.CDLL(path or "libcuda.so.1"))
        self.call("cuInit", c_uint(0))
        self.device = c_int()
        self.call("cuDeviceGet", byref(self.device), c_int(0))
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, c_int(255), self.device)
        self.capability = (self.attribute(75), self.attribute(76))
        self.multiprocessors = max(1, self.attribute(16))
        context = c_void_p()
        # The primary context: PyTorch and cuBLAS in this process use it too.
        self.call("cuDevicePrimaryCtxRetain", byref(context), self.device)
        self.call("cuCtxSetCurrent", context)
        self.call("cuStreamCreate", byref(self.stream), c_uint(1))
        version = c_int()
        self.call("cuDriverGetVersion", byref(version))
        major, minor = version.value // 1000, version.value % 1000 // 10
        self.text = (f"{name.value.decode(errors='replace')}, compute capability {self.capability[0]}.{self.capability[1]}, "
                     f"{self.multiprocessors} multiprocessors, driver of CUDA {major}.{minor}")

    def attribute(self, number):
        value = c_int()
        self.call("cuDeviceGetAttribute", byref(value), c_int(number), self.device)
        return value.value

    def reason(self, result):
        name = c_char_p()
        if self.has("cuGetErrorName") and self.library.cuGetErrorName(c_int(result), byref(name)) == SUCCESS and name.value:
            return f" ({name.value.decode()})"
        return ""

    def runs(self, target):
        """sm_80 code runs on every later architecture, sm_90a code on 9.0 only."""
        return {"sm_80": self.capability >= (8, 0), "sm_90a": self.capability == (9, 0)}.get(target, False)

    def free_bytes(self):
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value

    def allocate(self, size):
        address = c_uint64()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(size))
        return address.value

    def release(self, address):
        self.call("cuMemFree_v2", c_uint64(address))

    def fill(self, address, byte, size):
        self.call("cuMemsetD8Async", c_uint64(address), ctypes.c_ubyte(byte), c_size_t(size), self.stream)

    def copy_in(self, address, data):
        self.call("cuMemcpyHtoDAsync_v2", c_uint64(address), c_char_p(data), c_size_t(len(data)), self.stream)
        self.synchronize()

    def copy_out(self, address, size):
        buffer = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoHAsync_v2", buffer, c_uint64(address), c_size_t(size), self.stream)
        self.synchronize()
        return buffer.raw

    def copy(self, to, source, size):
        self.call("cuMemcpyDtoDAsync_v2", c_uint64(to), c_uint64(source), c_size_t(size), self.stream)

    def load(self, image):
        module = c_void_p()
        log = ctypes.create_string_buffer(4096)
        options = (c_int * 2)(5, 6)  # the error log and its size
        values = (c_void_p * 2)(ctypes.addressof(log), len(log) - 1)
        try:
            self.call("cuModuleLoadDataEx", byref(module), c_char_p(image), c_uint(2), options, values)
        except DeviceError as error:
            text = log.value.decode(errors="replace").strip()
            raise DeviceError(f"{error}{': ' + text[:300] if text else ''}") from None
        return module

    def unload(self, module):
        self.call("cuModuleUnload", module)

    def function(self, module, name, shared):
        function = c_void_p()
        self.call("cuModuleGetFunction", byref(function), module, c_char_p(name.encode()))
        if shared > 48 * 1024:  # has to be asked for
            self.call("cuFuncSetAttribute", function, c_int(8), c_int(shared))
        return function

    def tensor_map(self, address, columns, row_bytes, rows, box_rows):
        """The 128 bytes that describe a bf16 matrix: boxes of 64 columns in the 128-byte swizzle, zeros past the edges."""
        room = ctypes.create_string_buffer(128 + 64)
        place = (ctypes.addressof(room) + 63) // 64 * 64
        self.call("cuTensorMapEncodeTiled", c_void_p(place), c_int(9), c_uint32(2), c_void_p(address),
                  (c_uint64 * 2)(columns, rows), (c_uint64 * 1)(row_bytes), (c_uint32 * 2)(64, box_rows), (c_uint32 * 2)(1, 1),
                  c_int(0), c_int(3), c_int(3), c_int(0))
        value = (c_uint64 * 16).from_address(place)
        value.room = room  # keeps the memory alive
        return value

    def launch(self, function, blocks, threads, shared, parameters):
        self.call("cuLaunchKernel", function, c_uint(blocks), c_uint(1), c_uint(1), c_uint(threads), c_uint(1), c_uint(1),
                  c_uint(shared), self.stream, self.pointers(parameters), None)

    def synchronize(self):
        self.call("cuStreamSynchronize", self.stream)

    def record(self, work):
        """A graph of what `work` queues, or None where the library has no graphs."""
        if not self.has("cuGraphInstantiateWithFlags"):
            return None
        self.call("cuStreamBeginCapture_v2", self.stream, c_int(1))
        graph, executable = c_void_p(), c_void_p()
        try:
            work()
        finally:
            self.call("cuStreamEndCapture", self.stream, byref(graph))
        self.call("cuGraphInstantiateWithFlags", byref(executable), graph, c_uint64(0))
        self.call("cuGraphDestroy", graph)
        return executable

    def run_graph(self, executable):
        self.call("cuGraphLaunch", executable, self.stream)

    def drop_graph(self, executable):
        self.call("cuGraphExecDestroy", executable)

    def seconds(self, work):
        """How long what `work` queues takes on the device."""
        events = [c_void_p(), c_void_p()]
        for event in events:
            self.call("cuEventCreate", byref(event), c_uint(0))
        self.call("cuEventRecord", events[0], self.stream)
        work()
        self.call("cuEventRecord", events[1], self.stream)
        self.call("cuEventSynchronize", events[1])
        elapsed = c_float()
        self.call("cuEventElapsedTime", byref(elapsed), events[0], events[1])
        for event in events:
            self.call("cuEventDestroy_v2", event)
        return elapsed.value / 1e3


class HipDevice(Device):
    vendor = "hip"

    def __init__(self, path):
        super().__init__(self.open(path))
        self.call("hipInit", c_uint(0))
        count = c_int()
        self.call("hipGetDeviceCount", byref(count))
        if count.value < 1:
            raise DeviceError("HIP finds no device")
        self.call("hipSetDevice", c_int(0))
        name = ctypes.create_string_buffer(256)
        self.call("hipDeviceGetName", name, c_int(255), c_int(0))
        value = c_int()
        self.call("hipDeviceGetAttribute", byref(value), c_int(63), c_int(0))  # multiprocessors
        self.multiprocessors = max(1, value.value)
        self.call("hipStreamCreateWithFlags", byref(self.stream), c_uint(1))
        self.text = f"{name.value.decode(errors='replace')}, {self.multiprocessors} multiprocessors"
        self.accepted = {}

    @staticmethod
    def open(path):
        for name in [path] if path else ["libamdhip64.so", "libamdhip64.so.6", "libamdhip64.so.5", "libamdhip64.so.7"]:
            try:
                return ctypes.CDLL(name)
            except OSError as error:
                reason = error
        raise OSError(reason)

    def runs(self, target):
        """Code objects are for one architecture; the library says whether it is this one's (`probe`)."""
        return self.accepted.get(target, False)

    def probe(self, target, image):
        try:
            self.unload(self.load(image))
            self.accepted[target] = True
        except DeviceError:
            self.accepted[target] = False

    def free_bytes(self):
        free, total = c_size_t(), c_size_t()
        self.call("hipMemGetInfo", byref(free), byref(total))
        return free.value

    def allocate(self, size):
        address = c_void_p()
        self.call("hipMalloc", byref(address), c_size_t(size))
        return address.value

    def release(self, address):
        self.call("hipFree", c_void_p(address))

    def fill(self, address, byte, size):
        self.call("hipMemsetAsync", c_void_p(address), c_int(byte), c_size_t(size), self.stream)

    def copy_in(self, address, data):
        self.call("hipMemcpyAsync", c_void_p(address), c_char_p(data), c_size_t(len(data)), c_int(1), self.stream)
        self.synchronize()

    def copy_out(self, address, size):
        buffer = ctypes.create_string_buffer(size)
        self.call("hipMemcpyAsync", buffer, c_void_p(address), c_size_t(size), c_int(2), self.stream)
        self.synchronize()
        return buffer.raw

    def copy(self, to, source, size):
        self.call("hipMemcpyAsync", c_void_p(to), c_void_p(source), c_size_t(size), c_int(3), self.stream)

    def load(self, image):
        module = c_void_p()
        self.call("hipModuleLoadData", byref(module), c_char_p(image))
        return module

    def unload(self, module):
        self.call("hipModuleUnload", module)

    def function(self, module, name, shared):
        function = c_void_p()
        self.call("hipModuleGetFunction", byref(function), module, c_char_p(name.encode()))
        return function

    def tensor_map(self, *numbers):
        raise DeviceError("HIP has no tensor maps")

    def launch(self, function, blocks, threads, shared, parameters):
        self.call("hipModuleLaunchKernel", function, c_uint(blocks), c_uint(1), c_uint(1), c_uint(threads), c_uint(1), c_uint(1),
                  c_uint(shared), self.stream, self.pointers(parameters), None)

    def synchronize(self):
        self.call("hipStreamSynchronize", self.stream)

    def record(self, work):
        self.call("hipStreamBeginCapture", self.stream, c_int(1))
        graph, executable = c_void_p(), c_void_p()
        try:
            work()
        finally:
            self.call("hipStreamEndCapture", self.stream, byref(graph))
        self.call("hipGraphInstantiate", byref(executable), graph, None, None, c_size_t(0))
        self.call("hipGraphDestroy", graph)
        return executable

    def run_graph(self, executable):
        self.call("hipGraphLaunch", executable, self.stream)

    def drop_graph(self, executable):
        self.call("hipGraphExecDestroy", executable)

    def seconds(self, work):
        events = [c_void_p(), c_void_p()]
        for event in events:
            self.call("hipEventCreate", byref(event))
        self.call("hipEventRecord", events[0], self.stream)
        work()
        self.call("hipEventRecord", events[1], self.stream)
        self.call("hipEventSynchronize", events[1])
        elapsed = c_float()
        self.call("hipEventElapsedTime", byref(elapsed), events[0], events[1])
        for event in events:
            self.call("hipEventDestroy", event)
        return elapsed.value / 1e3


def find(library=None, vendor=None):
    """The first GPU: (device, None), or (None, why there is none)."""
    reasons = []
    for kind in (CudaDevice, HipDevice):
        if vendor and kind.vendor != vendor:
            continue
        try:
            return kind(library), None
        except (OSError, DeviceError) as error:
            reasons.append(f"{kind.vendor}: {error}")
    return None, "; ".join(reasons)
