//===- StreamApi.h - What a vendor's driver library has to offer -*- C++ -*-===//
//
// GPUs of several vendors are driven alike: memory of their own, modules of
// kernels, one ordered stream, and, where the library has them, graphs. A
// vendor's folder implements this on its library, which it opens at run time;
// StreamDriver is the driver above it.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_STREAMS_STREAMAPI_H
#define DSV2_LIB_RUNTIME_DRIVERS_STREAMS_STREAMAPI_H

#include "lib/Runtime/TensorMaps.h"
#include "lib/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dsv2 {

/// Size and shape of one launch: `blocks` workgroups of `threads` in one
/// dimension, with `sharedBytes` of workgroup memory each.
struct LaunchShape {
  uint32_t blocks = 1, threads = 1, sharedBytes = 0;
};

/// What the library makes of a matrix that kernels copy by boxes: passed by value.
struct alignas(64) EncodedTensorMap {
  uint8_t bytes[128] = {};
};

/// One device of one vendor. Handles are the library's own pointers. Every
/// function but launch, copies and graphs waits until it is done; those are
/// ordered by the stream. Errors name the library's function and its reason.
class StreamApi {
public:
  using Handle = void *;
  virtual ~StreamApi() = default;

  /// The driver's name, as variants have it.
  virtual std::string_view name() const = 0;
  virtual int64_t multiprocessors() const = 0;

  // --- Memory. Addresses are those that kernels see.
  virtual uint64_t freeBytes() = 0;
  virtual Expected<uint64_t> allocate(uint64_t bytes) = 0;
  virtual void release(uint64_t address) = 0;
  virtual std::optional<Error> zero(uint64_t address, uint64_t bytes) = 0;
  /// Host memory that copies may read after the call that queued them.
  virtual Expected<void *> allocatePinned(uint64_t bytes) = 0;
  virtual void releasePinned(void *memory) = 0;
  /// Queued on the stream; `host` stays as it is until synchronize().
  virtual std::optional<Error> queueCopyIn(uint64_t device, const void *host, uint64_t bytes) = 0;
  virtual std::optional<Error> queueCopyOut(void *host, uint64_t device, uint64_t bytes) = 0;
  virtual std::optional<Error> queueCopy(uint64_t to, uint64_t from, uint64_t bytes) = 0;

  // --- Code.
  virtual Expected<Handle> loadModule(const void *bytes) = 0;
  virtual void unloadModule(Handle module) = 0;
  /// A kernel that may be launched with this much workgroup memory.
  virtual Expected<Handle> findKernel(Handle module, const std::string &name,
                                      uint32_t sharedBytes) = 0;
  /// `parameters[i]` points to the value of parameter i.
  virtual std::optional<Error> queueLaunch(Handle kernel, const LaunchShape &shape,
                                           void **parameters) = 0;

  // --- Tensor maps, where device and library have them.
  virtual bool hasTensorMaps() const { return false; }
  virtual Expected<EncodedTensorMap> encodeTensorMap(const BoxedMatrix &) {
    return Error(ErrorKind::Unsupported, "driver ", quote(name()), " has no tensor maps");
  }

  // --- Graphs: launches between begin and end are recorded, not run.
  virtual bool hasGraphs() const = 0;
  virtual std::optional<Error> beginRecording() = 0;
  /// Ends the recording and queues it, or drops it. `executable`, null at first,
  /// keeps what the library has made ready; a recording of the same shape only
  /// changes the numbers in it.
  virtual std::optional<Error> endRecording(Handle &executable, bool run) = 0;
  virtual void releaseExecutable(Handle executable) = 0;

  virtual std::optional<Error> synchronize() = 0;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_STREAMS_STREAMAPI_H
