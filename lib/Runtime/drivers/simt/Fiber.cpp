//===- Fiber.cpp - Stacks, and the switch between them --------------------===//
//
// Written for x86-64, whose tiers are all that Simt code is compiled for.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Fiber.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DSV2_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define DSV2_ADDRESS_SANITIZER 1
#endif
#ifndef DSV2_ADDRESS_SANITIZER
#define DSV2_ADDRESS_SANITIZER 0
#endif
#if DSV2_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

using namespace dsv2;
using namespace dsv2::simt;

/// At the low end of each stack, which grows towards it.
static constexpr size_t kGuard = 4096;

#if defined(__x86_64__)

extern "C" void dsv2SimtSwitch(void **save, void *load);
extern "C" void dsv2SimtStart();

// The start takes what prepareFiber has put where the switch finds rbx and r12.
asm(R"(
.text
.p2align 4
.globl dsv2SimtSwitch
.hidden dsv2SimtSwitch
.type dsv2SimtSwitch, @function
dsv2SimtSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size dsv2SimtSwitch, .-dsv2SimtSwitch
.p2align 4
.globl dsv2SimtStart
.hidden dsv2SimtStart
.type dsv2SimtStart, @function
dsv2SimtStart:
  movq %r12, %rdi
  callq *%rbx
  ud2
.size dsv2SimtStart, .-dsv2SimtStart
)");

bool dsv2::simt::haveFibers() { return true; }

FiberContext dsv2::simt::prepareFiber(uint8_t *stackTop, FiberMain main, void *argument) {
  // From the top: two words that keep the stack aligned, the address that the
  // switch returns to, then rbp, rbx, r12 to r15.
  auto *words = reinterpret_cast<uint64_t *>(stackTop) - 9;
  std::memset(words, 0, 9 * sizeof(uint64_t));
  words[3] = reinterpret_cast<uint64_t>(argument);       // r12
  words[4] = reinterpret_cast<uint64_t>(main);           // rbx
  words[6] = reinterpret_cast<uint64_t>(&dsv2SimtStart); // return address
  FiberContext context;
  context.stackPointer = words;
  context.stackBottom = stackTop - FiberStacks::kBytes + kGuard;
  context.stackBytes = FiberStacks::kBytes - kGuard;
#if DSV2_ADDRESS_SANITIZER
  // What a fiber that was left for good had marked.
  __asan_unpoison_memory_region(context.stackBottom, context.stackBytes);
#endif
  return context;
}

void dsv2::simt::enterFiber(FiberContext &first) {
#if DSV2_ADDRESS_SANITIZER
  const void *bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (!first.stackBottom) {
    first.stackBottom = bottom;
    first.stackBytes = bytes;
  }
#else
  (void)first;
#endif
}

void dsv2::simt::switchFiber(FiberContext &from, FiberContext &to, bool last) {
#if DSV2_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fakeStack, to.stackBottom, to.stackBytes);
  dsv2SimtSwitch(&from.stackPointer, to.stackPointer);
  __sanitizer_finish_switch_fiber(from.fakeStack, nullptr, nullptr);
#else
  (void)last;
  dsv2SimtSwitch(&from.stackPointer, to.stackPointer);
#endif
}

#else

bool dsv2::simt::haveFibers() { return false; }
FiberContext dsv2::simt::prepareFiber(uint8_t *, FiberMain, void *) { return {}; }
void dsv2::simt::enterFiber(FiberContext &) { std::abort(); }
void dsv2::simt::switchFiber(FiberContext &, FiberContext &, bool) { std::abort(); }

#endif

Expected<std::unique_ptr<FiberStacks>> FiberStacks::allocate(unsigned count) {
  void *memory = mmap(nullptr, count * kBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return Error(ErrorKind::Limit, "cannot allocate the stacks of ", count,
                 " GPU threads: ", std::strerror(errno));
  }
  std::unique_ptr<FiberStacks> result(new FiberStacks());
  result->base = static_cast<uint8_t *>(memory);
  result->stacks = count;
  for (unsigned i = 0; i < count; ++i) {
    if (mprotect(result->base + i * kBytes, kGuard, PROT_NONE) != 0) {
      return Error(ErrorKind::Limit, "cannot protect the stacks of ", count,
                   " GPU threads: ", std::strerror(errno));
    }
  }
  return result;
}

FiberStacks::~FiberStacks() {
  if (base) {
    munmap(base, stacks * kBytes);
  }
}
