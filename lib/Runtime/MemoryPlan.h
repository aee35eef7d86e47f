//===- MemoryPlan.h - Where each buffer lies --------------------*- C++ -*-===//
//
// Buffers are sized once, at the caps that a session has chosen. Step tables
// and outputs have memory of their own; arena buffers of an entry share memory
// when no dispatch needs both, and entries share the arena, since one runs at a
// time.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_MEMORYPLAN_H
#define DSV2_LIB_RUNTIME_MEMORYPLAN_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <vector>

namespace dsv2 {

/// Offsets into one range of memory, each a multiple of 64 bytes.
struct MemoryPlan {
  struct Range {
    uint64_t offset = 0;
    uint64_t bytes = 0; ///< as used, not rounded
  };
  std::vector<Range> buffers; ///< of each buffer of the variant
  uint64_t ownBytes = 0;      ///< of step tables and outputs, which come first
  uint64_t bytes = 0;         ///< of the whole range
};

/// Plans all buffers of `variant` for steps whose symbols are at most `caps`.
/// InvalidFile for sizes that are negative, overflow or pass 1 TiB.
Expected<MemoryPlan> planMemory(const ModelInfo &model, const Variant &variant,
                                const SymbolValues &caps);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_MEMORYPLAN_H
