//===- Asynchronous.h - What is under way beside the threads ----*- C++ -*-===//
//
// Copies and multiplications that were begun and whose effect has not come yet,
// and the mbarriers that say when that of bulk copies has.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_ASYNCHRONOUS_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_ASYNCHRONOUS_H

#include "lib/Runtime/drivers/simt/Clock.h"
#include "lib/Support/SimtAbi.h"

#include <deque>

namespace dsv2::simt {

struct Thread;

/// A thread's copy of a few bytes.
struct AsyncCopy {
  void *to;
  const void *from;
  uint32_t bytes, sourceBytes;
  const char *where;
};

/// A copy of a box of a matrix.
struct BoxCopy {
  uint8_t *to;
  const SimtTensorMap *map;
  int32_t column, row;
  const char *where;

  uint64_t rowBytes() const { return uint64_t(map->boxColumns) * map->elementBytes; }
  uint64_t bytes() const { return map->boxRows * rowBytes(); }
  /// Bytes [begin, end) of row `r` of the box lie in the matrix, at `source`; empty: none do.
  struct Part {
    uint64_t begin = 0, end = 0;
    const uint8_t *source = nullptr;
  };
  Part part(uint32_t r) const;
  /// Where byte `byte` of row `r` goes.
  uint8_t *target(uint32_t r, uint64_t byte) const;
};

struct Mbarrier {
  uint64_t offset = 0; ///< in workgroup memory
  uint32_t number = 0;
  uint32_t count = 0, pending = 0; ///< arrivals of a phase, and still missing
  int64_t bytes = 0;               ///< expected and not copied yet
  uint32_t phase = 0;              ///< since its initialisation
  Epoch ended = 0;                 ///< phases, of all initialisations
  uint32_t maker = 0;              ///< thread that initialised it, when, where
  Epoch made = 0;
  const char *madeAt = nullptr;
  Epoch fenced = 0; ///< when the maker's fence made it known to asynchronous accesses; 0: never

  Clock arrived; ///< what all who arrived knew
  ClockRef lastArrived;
  ClockRef completed; ///< the same at the end of the last phase
  /// The last clock that `completed` was joined with, and the result.
  ClockRef joinedFrom, joined;

  std::vector<BoxCopy> copies;
  Epoch copiesEnd = 0; ///< the phase that the last copy belongs to
  const char *copiedAt = nullptr;
  std::vector<Thread *> waiting;
};

/// Accumulators of a warpgroup between the first multiplication and the wait.
struct Accumulators {
  float *slots[kWarpgroup]; ///< where each thread keeps them
  uint32_t columns = 0;
  uint32_t uses = 0;         ///< multiplications under way
  std::vector<float> values; ///< [64][columns]
};

struct Multiplication {
  const SimtGroupMatrixOp *op;
  uint64_t a, b;
  Accumulators *sums;
  Epoch group;
};

struct Warpgroup {
  std::deque<Multiplication> underWay; ///< in order
  std::vector<std::unique_ptr<Accumulators>> accumulators;
  uint32_t registers = 0; ///< of each thread; 0: not said
};

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_ASYNCHRONOUS_H
