//===- Clock.h - What has happened before what ------------------*- C++ -*-===//
//
// Time is counted by agents: each thread; each thread's asynchronous copies
// (their epoch is the number of the group); the multiplications of a warpgroup
// (likewise); the bulk copies of an mbarrier (its phase). A clock says up to
// which epoch of each agent everything is known. It never changes once made, so
// threads share one after a barrier.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_CLOCK_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_CLOCK_H

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace dsv2::simt {

/// 0: never.
using Epoch = uint32_t;
using Agent = uint32_t;

struct Clock {
  std::vector<Epoch> seen; ///< by agent; none of those past the end
  /// What is also visible to asynchronous accesses, of threads and their copies; the other agents'
  /// always is. Empty: nothing.
  std::vector<Epoch> proxy;
  /// Every thread is known up to here.
  Epoch floor = 0;

  Epoch of(Agent agent) const { return agent < seen.size() ? seen[agent] : 0; }
  Epoch throughProxy(Agent agent) const { return agent < proxy.size() ? proxy[agent] : 0; }

  void join(const Clock &other) {
    joinInto(seen, other.seen);
    joinInto(proxy, other.proxy);
  }
  void findFloor(uint32_t threads) {
    floor = seen.size() < threads ? 0 : *std::min_element(seen.begin(), seen.begin() + threads);
  }
  static void joinInto(std::vector<Epoch> &into, const std::vector<Epoch> &other) {
    if (into.size() < other.size()) {
      into.resize(other.size(), 0);
    }
    for (size_t i = 0; i < other.size(); ++i) {
      into[i] = std::max(into[i], other[i]);
    }
  }
  static void raise(std::vector<Epoch> &in, Agent agent, Epoch epoch) {
    if (epoch != 0) {
      if (in.size() <= agent) {
        in.resize(agent + 1, 0);
      }
      in[agent] = std::max(in[agent], epoch);
    }
  }
};
using ClockRef = std::shared_ptr<const Clock>;

/// Threads that multiply large matrices together.
constexpr uint32_t kWarpgroup = 128;

/// Numbers of the agents of a workgroup.
struct Agents {
  uint32_t threads = 0;
  uint32_t mbarriers = 0; ///< so far
  static constexpr uint32_t kMostMbarriers = 64;

  Agent copiesOf(uint32_t thread) const { return threads + thread; }
  Agent warpgroupOf(uint32_t thread) const { return 2 * threads + thread / kWarpgroup; }
  Agent bulkCopiesOf(uint32_t mbarrier) const {
    return 2 * threads + (threads + kWarpgroup - 1) / kWarpgroup + mbarrier;
  }
  uint32_t count() const { return bulkCopiesOf(mbarriers); }
  uint32_t most() const { return bulkCopiesOf(kMostMbarriers); }

  bool isThread(Agent agent) const { return agent < threads; }
  bool isCopies(Agent agent) const { return agent >= threads && agent < 2 * threads; }
  bool isWarpgroup(Agent agent) const { return agent >= 2 * threads && agent < bulkCopiesOf(0); }
  /// Whether its accesses are asynchronous ones, which need no fence between each other.
  bool isAsynchronous(Agent agent) const { return agent >= 2 * threads; }
};

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_CLOCK_H
