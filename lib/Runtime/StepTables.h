//===- StepTables.h - Filling the tables of a step --------------*- C++ -*-===//
//
// A step's dynamic values (who the rows are, where they go, what they see) are
// tables that kernels read; lib/Artifact/StepTables.h lists them. They are
// written here, cos and sin of the rotary angles included: SEMANTICS says how
// an angle is rounded, and no kernel computes a sine.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_STEPTABLES_H
#define DSV2_LIB_RUNTIME_STEPTABLES_H

#include "lib/Artifact/Program.h"
#include "lib/Runtime/PagedCache.h"

#include <cstdint>
#include <vector>

namespace dsv2 {

/// Experts to take instead of the gate's choice: for each MoE layer, in the
/// order of ModelInfo::routedLayerNumbers, [tokens of the sequence][top k].
struct RoutingRecord {
  std::vector<std::vector<int32_t>> layers;
};

/// The rows of one sequence in a step.
struct StepPart {
  int32_t sequence = 0;               ///< Session::open's number
  const int32_t *tokens = nullptr;    ///< [count]
  int64_t count = 0;                  ///< at least 1
  const int64_t *positions = nullptr; ///< [count]; null: those after the last one
  int64_t wantedFrom = 0;             ///< rows [wantedFrom, count) give logits; count: none
  /// Null, or a record that covers `routingFrom` + count tokens.
  const RoutingRecord *routing = nullptr;
  int64_t routingFrom = 0; ///< token of the record that the first row is
};

/// What the tables say of one part.
struct PlacedPart {
  const StepPart *part;
  const PagedSequence *pages; ///< with pages for the new rows
  int64_t firstPosition;      ///< of the first row when part->positions is null
};

/// Writes into the memory that the session gives each table.
class StepTables {
public:
  /// `host` is where the plan's offset 0 lies for the host.
  StepTables(const ModelInfo &model, const Variant &variant, const std::vector<uint64_t> &offsets,
             char *host);

  /// Writes all tables. Does not allocate.
  void fill(const std::vector<PlacedPart> &parts) const;

private:
  template <typename T> T *table(const char *name) const;
  void fillRope(int64_t row, int64_t position) const;
  void fillReplay(int64_t row, const StepPart &part) const;
  void findReplayLayout();

  const ModelInfo &model;
  const Variant &variant;
  const std::vector<uint64_t> &offsets;
  char *host;

  int32_t *tokens, *positions, *context, *sequence, *blockTable, *wanted, *replay;
  int64_t *slot;
  float *ropeCos, *ropeSin;
  int64_t pageTokens, blockRow;
  /// Elements of `replay` before the rows of each routed layer, and from one row to the next.
  std::vector<int64_t> replayLayers;
  int64_t replayRow = 0;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_STEPTABLES_H
