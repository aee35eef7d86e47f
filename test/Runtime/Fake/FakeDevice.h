//===- FakeDevice.h - A GPU made of host memory -----------------*- C++ -*-===//
//
// What the fake driver libraries of the tests share. Everything queued runs at
// the next synchronization and no earlier, so that a driver that forgets to
// wait, or frees what a copy still reads, is caught. A module is a text with the
// names of its kernels, which are functions of this file.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_RUNTIME_FAKE_FAKEDEVICE_H
#define DSV2_TEST_RUNTIME_FAKE_FAKEDEVICE_H

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace dsv2::fake {

/// One launch: the values of its parameters, copied when it is queued.
struct Launch {
  std::string kernel;
  unsigned blocks = 0, threads = 0, sharedBytes = 0;
  std::vector<uint64_t> parameters;
};

/// Words of each parameter of a kernel by name: slots, tensor maps, items,
/// workgroups, scratch.
inline std::vector<size_t> parameterWords(const std::string &kernel) {
  if (kernel == "boxes") {
    return {1, 1, 16, 1, 1, 1};
  }
  return std::vector<size_t>(kernel == "scratch" ? 4 : 5, 1);
}

/// Copies the parameters' values.
inline void readParameters(Launch &launch, void **parameters) {
  for (size_t words : parameterWords(launch.kernel)) {
    const auto *value = static_cast<const uint64_t *>(*parameters++);
    launch.parameters.insert(launch.parameters.end(), value, value + words);
  }
}

/// add: slots[0][i] += slots[1] for the items of every workgroup.
/// scratch: slots[0][g] = address of the workgroup's scratch.
/// boxes: slots[0] = the 16 words of its tensor map.
inline void runLaunch(const Launch &launch) {
  const std::vector<uint64_t> &values = launch.parameters;
  size_t slots = values.size() - 3;
  auto *data = reinterpret_cast<uint64_t *>(values[0]);
  uint64_t items = values[slots], groups = values[slots + 1];
  if (groups != launch.blocks) {
    std::abort(); // the grid is not what the kernel is told
  }
  if (launch.kernel == "boxes") {
    std::memcpy(data, &values[2], 16 * sizeof(uint64_t));
    return;
  }
  for (uint64_t g = 0; g < groups; ++g) {
    if (launch.kernel == "scratch") {
      data[g] = values[slots + 2];
      continue;
    }
    for (uint64_t i = items * g / groups; i < items * (g + 1) / groups; ++i) {
      data[i] += values[1];
    }
  }
}

struct Device {
  using Work = std::function<void()>;
  std::vector<Work> queue;
  bool recording = false;
  std::vector<Work> recorded;
  /// Counted for the tests, which read it through `fakeCounts`.
  uint64_t instantiated = 0, updated = 0, graphs = 0, launches = 0, allocations = 0;

  void add(Work work) { (recording ? recorded : queue).push_back(std::move(work)); }
  void synchronize() {
    std::vector<Work> work = std::move(queue);
    queue.clear();
    for (Work &each : work) {
      each();
    }
  }
};

inline Device &device() {
  static Device one;
  return one;
}

/// A recorded graph: what it does and how many nodes it has.
struct Graph {
  std::vector<Device::Work> work;
};

} // namespace dsv2::fake

/// instantiated, updated, graphs launched, kernels launched, live allocations.
extern "C" void fakeCounts(uint64_t counts[5]);

#endif // DSV2_TEST_RUNTIME_FAKE_FAKEDEVICE_H
