//===- Clock.h - What has happened before what ------------------*- C++ -*-===//
//
// Time is counted by agents: each thread, and each thread's asynchronous copies
// (their epoch is the number of the group). A clock says up to which epoch of
// each agent everything is known. It never changes once made, so threads share
// one after a barrier.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_CLOCK_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_CLOCK_H

#include <cstdint>
#include <memory>
#include <vector>

namespace dsv2::simt {

/// 0: never.
using Epoch = uint32_t;
using Agent = uint32_t;
using Clock = std::vector<Epoch>; ///< by agent
using ClockRef = std::shared_ptr<const Clock>;

/// Numbers of the agents of a workgroup.
struct Agents {
  uint32_t threads = 0;
  Agent copiesOf(uint32_t thread) const { return threads + thread; }
  bool isThread(Agent agent) const { return agent < threads; }
  uint32_t count() const { return 2 * threads; }
};

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_CLOCK_H
