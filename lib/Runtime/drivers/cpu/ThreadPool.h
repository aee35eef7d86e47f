//===- ThreadPool.h - Workers that meet at barriers -------------*- C++ -*-===//
//
// A fixed set of workers that run one job together. A decode step is a few
// hundred short dispatches, each ended by a barrier, so a barrier must cost
// well under a microsecond when both sides are on time; but cores are shared
// with other processes, so a worker that waits longer than some tens of
// microseconds sleeps instead of burning the core that others need.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_CPU_THREADPOOL_H
#define DSV2_LIB_RUNTIME_DRIVERS_CPU_THREADPOOL_H

#include "lib/Support/Error.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <pthread.h>

namespace dsv2 {

/// A counter that threads wait on: a short spin, then a futex.
class alignas(64) PhaseCounter {
public:
  uint32_t current() const { return phase.load(std::memory_order_acquire); }
  /// Moves on and wakes everyone who sleeps.
  void advance();
  /// Returns once the counter differs from `seen`.
  void waitPast(uint32_t seen, unsigned spins);

private:
  std::atomic<uint32_t> phase{0};
  alignas(64) std::atomic<uint32_t> sleepers{0};
};

/// Worker 0 is the thread that calls run().
class ThreadPool {
public:
  using Job = void (*)(void *context, unsigned worker);

  /// Starts `workers - 1` threads (1 <= workers <= 1024); Limit when the system
  /// refuses one. Workers flush denormals, as kernels expect.
  static Expected<std::unique_ptr<ThreadPool>> create(unsigned workers);
  ~ThreadPool();

  unsigned workers() const { return count; }

  /// Runs `job` once on every worker and returns when all are done. One call at
  /// a time.
  void run(Job job, void *context);

  /// Inside a job: returns when every worker has called it.
  void barrier();

private:
  struct Thread {
    ThreadPool *pool;
    unsigned worker;
    pthread_t handle;
  };
  ThreadPool() = default;
  static void *threadMain(void *argument);

  unsigned count = 1;
  unsigned spins = 0;
  std::vector<Thread> threads;
  Job currentJob = nullptr;
  void *currentContext = nullptr;
  std::atomic<bool> stopping{false};
  PhaseCounter started;
  PhaseCounter met;
  alignas(64) std::atomic<uint32_t> arrived{0};
};

/// CPUs that this process may run on.
unsigned usableCpus();

/// Sets flush-to-zero and denormals-are-zero for the calling thread while it
/// lives.
class FlushDenormals {
public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals &) = delete;
  FlushDenormals &operator=(const FlushDenormals &) = delete;

private:
  unsigned saved;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_CPU_THREADPOOL_H
