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

/// What runs on a new fiber; must never return.
using FiberMain = void (*)(void *argument);

/// The stack pointer to switch to for the first time.
void *prepareFiber(uint8_t *stackTop, FiberMain main, void *argument);

/// Saves where this fiber stands in *save and continues at `load`.
void switchFiber(void **save, void *load);

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_FIBER_H
