//===- ParallelFor.cpp - A few threads for coarse jobs --------------------===//
//
// One shared counter hands out the jobs.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/ParallelFor.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <pthread.h>
#include <vector>

using namespace dsv2;

namespace {
struct Shared {
  Shared(const std::function<std::optional<Error>(uint64_t)> &job, uint64_t count)
      : job(job), count(count) {}
  const std::function<std::optional<Error>(uint64_t)> &job;
  uint64_t count;
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  uint64_t failedAt = 0;
  std::optional<Error> failure;
};
} // namespace

static void *work(void *argument) {
  Shared &shared = *static_cast<Shared *>(argument);
  while (true) {
    uint64_t i = shared.next.fetch_add(1);
    if (i >= shared.count) {
      return nullptr;
    }
    if (std::optional<Error> failure = shared.job(i)) {
      std::lock_guard<std::mutex> lock(shared.mutex);
      if (!shared.failure || i < shared.failedAt) {
        shared.failure = std::move(failure);
        shared.failedAt = i;
      }
      shared.next.store(shared.count);
    }
  }
}

std::optional<Error> dsv2::parallelFor(unsigned threads, uint64_t count,
                                       const std::function<std::optional<Error>(uint64_t)> &job) {
  Shared shared(job, count);
  std::vector<pthread_t> started;
  uint64_t wanted = std::min<uint64_t>(threads, count);
  for (uint64_t i = 1; i < wanted; ++i) {
    pthread_t handle;
    if (pthread_create(&handle, nullptr, work, &shared) != 0) {
      break;
    }
    started.push_back(handle);
  }
  work(&shared);
  for (pthread_t handle : started) {
    pthread_join(handle, nullptr);
  }
  return std::move(shared.failure);
}
