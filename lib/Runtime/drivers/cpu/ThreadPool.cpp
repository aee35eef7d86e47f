//===- ThreadPool.cpp - Workers that meet at barriers ---------------------===//
//
// The start of a job and the end of a dispatch are both a PhaseCounter. The
// last worker to arrive moves it on; the others spin for a while, then sleep.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cpu/ThreadPool.h"

#include <climits>
#include <cstring>
#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace dsv2;

/// About 30-60 microseconds of pauses: longer than the usual difference between
/// two workers, shorter than a time slice.
static constexpr unsigned kSpins = 4096;

static long futex(std::atomic<uint32_t> *word, int operation, uint32_t value) {
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "a futex is a plain word");
  return syscall(SYS_futex, reinterpret_cast<uint32_t *>(word), operation | FUTEX_PRIVATE_FLAG,
                 value, nullptr, nullptr, 0);
}

void PhaseCounter::advance() {
  // Both sides are sequentially consistent: either this sees the sleeper, or
  // the sleeper's futex call sees the new phase.
  phase.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) != 0) {
    futex(&phase, FUTEX_WAKE, INT_MAX);
  }
}

void PhaseCounter::waitPast(uint32_t seen, unsigned spins) {
  for (unsigned i = 0; i < spins; ++i) {
    if (phase.load(std::memory_order_acquire) != seen) {
      return;
    }
    _mm_pause();
  }
  while (phase.load(std::memory_order_acquire) == seen) {
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    futex(&phase, FUTEX_WAIT, seen);
    sleepers.fetch_sub(1, std::memory_order_seq_cst);
  }
}

FlushDenormals::FlushDenormals() : saved(_mm_getcsr()) {
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x40;
  _mm_setcsr(saved | kFlushToZero | kDenormalsAreZero);
}

FlushDenormals::~FlushDenormals() { _mm_setcsr(saved); }

unsigned dsv2::usableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? static_cast<unsigned>(online) : 1;
  }
  int cpus = CPU_COUNT(&set);
  return cpus > 0 ? static_cast<unsigned>(cpus) : 1;
}

Expected<std::unique_ptr<ThreadPool>> ThreadPool::create(unsigned workers) {
  if (workers < 1 || workers > 1024) {
    return Error(ErrorKind::Usage, "threads must be 1 to 1024, not ", workers);
  }
  std::unique_ptr<ThreadPool> pool(new ThreadPool());
  pool->count = workers;
  // With more workers than CPUs a spinning worker keeps the one that it waits
  // for from running.
  pool->spins = workers <= usableCpus() ? kSpins : 0;
  pool->threads.reserve(workers - 1);
  for (unsigned worker = 1; worker < workers; ++worker) {
    pool->threads.push_back({pool.get(), worker, {}});
    Thread &thread = pool->threads.back();
    int code = pthread_create(&thread.handle, nullptr, threadMain, &thread);
    if (code != 0) {
      pool->threads.pop_back();
      return Error(ErrorKind::Limit, "cannot start thread ", worker, " of ", workers, ": ",
                   std::strerror(code));
    }
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping.store(true, std::memory_order_relaxed);
  started.advance();
  for (Thread &thread : threads) {
    pthread_join(thread.handle, nullptr);
  }
}

void *ThreadPool::threadMain(void *argument) {
  const Thread &thread = *static_cast<Thread *>(argument);
  ThreadPool &pool = *thread.pool;
  FlushDenormals flush;
  uint32_t seen = 0;
  while (true) {
    pool.started.waitPast(seen, pool.spins);
    ++seen;
    if (pool.stopping.load(std::memory_order_relaxed)) {
      return nullptr;
    }
    pool.currentJob(pool.currentContext, thread.worker);
    pool.barrier();
  }
}

void ThreadPool::run(Job job, void *context) {
  FlushDenormals flush;
  if (count > 1) {
    currentJob = job;
    currentContext = context;
    started.advance();
  }
  job(context, 0);
  barrier();
}

void ThreadPool::barrier() {
  if (count == 1) {
    return;
  }
  // The phase cannot move on before this worker has arrived.
  uint32_t seen = met.current();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) == count - 1) {
    arrived.store(0, std::memory_order_relaxed);
    met.advance();
    return;
  }
  met.waitPast(seen, spins);
}
