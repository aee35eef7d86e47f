//===- Fiber.h - Stacks, and the switch between them ------------*- C++ -*-===//
//
// A GPU thread is a fiber: plain compiled code on a stack of its own, left and
// entered only at calls of the runtime. Only callee-saved registers move.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_FIBER_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_FIBER_H

#include "lib/Support/Error.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace dsv2::simt {

/// Whether this machine can run fibers.
bool haveFibers();

/// Stacks of equal size, each above a page that nothing may touch.
class FiberStacks {
public:
  static constexpr size_t kBytes = 128 * 1024;

  /// Limit when the system refuses.
  static Expected<std::unique_ptr<FiberStacks>> allocate(unsigned count);
  ~FiberStacks();

  unsigned count() const { return stacks; }
  /// One past the highest byte of a stack.
  uint8_t *top(unsigned number) const { return base + (number + 1) * kBytes; }
  bool holds(uintptr_t address) const {
    return address - reinterpret_cast<uintptr_t>(base) < stacks * kBytes;
  }

private:
  FiberStacks() = default;
  uint8_t *base = nullptr;
  unsigned stacks = 0;
};

/// Where a fiber stands while others run. One that is filled by the first switch away from it
/// belongs to the thread of the system itself.
struct FiberContext {
  void *stackPointer = nullptr;
  // For AddressSanitizer, which must know on whose stack it is.
  const void *stackBottom = nullptr;
  size_t stackBytes = 0;
  void *fakeStack = nullptr;
};

/// What runs on a new fiber: calls enterFiber first, and must never return.
using FiberMain = void (*)(void *argument);

/// A fiber that begins at its first switch.
FiberContext prepareFiber(uint8_t *stackTop, FiberMain main, void *argument);

/// At the beginning of a fiber; `first`: the context that the first switch of all came from.
void enterFiber(FiberContext &first);

/// Continues at `to`; returns when somebody switches back to `from`. `last`: nobody will.
void switchFiber(FiberContext &from, FiberContext &to, bool last = false);

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_FIBER_H
