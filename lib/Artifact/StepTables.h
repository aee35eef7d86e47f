//===- StepTables.h - The tables and outputs of a step ----------*- C++ -*-===//
//
// What a compiled program and the runtime agree on by name: tables that the runtime fills before a
// step and outputs that it reads after it. One list for the verifier, the compiler and the runtime.
//
// T rows of the step, B sequences, W wanted rows:
//   tokens      i32 [T]       token ids
//   positions   i32 [T]       positions (up to 2^24: the context does not bound them)
//   rope_cos    f32 [T, r/2]  magnitude * cos(position * inverse frequency)
//   rope_sin    f32 [T, r/2]
//   slot        i64 [T]       row of the paged cache for the token: page * page_tokens + place
//   context     i32 [T]       cached tokens that the row sees, itself included
//   sequence    i32 [T]       sequence of the row
//   block_table i32 [B, ceildiv(max_context, page_tokens)]  page of each group of page_tokens
//   wanted      i32 [W]       rows whose logits are wanted
//   replay      i32           experts to take instead of the gate's choice. A size that goes with
//                             T: [T, routed layers, top_k]. One size for every step:
//                             [last - first routed layer + 1, max_step_tokens, top_k]
// outputs:
//   logits      f32 [W, vocab]
//   hidden      f32 [T, hidden] after the final norm
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_STEPTABLES_H
#define DSV2_LIB_ARTIFACT_STEPTABLES_H

#include "lib/Artifact/Program.h"

#include <optional>
#include <string_view>

namespace dsv2 {

/// One well-known table or output.
struct StepTable {
  const char *name;
  BufferKind kind; ///< Table or Output
  ElementType type;
};

/// The table or output of that name; null if there is none.
const StepTable *findStepTable(std::string_view name);

/// Elements that the runtime fills or reads with these symbols (the shapes above). Nothing for an
/// unknown name or a product past int64. The runtime allocates at least this many, whatever
/// Buffer::elements says.
std::optional<int64_t> stepTableElements(std::string_view name, const ModelInfo &model,
                                         const Variant &variant, const SymbolValues &symbols);

/// The largest values of the symbols that the variant was compiled for; workers and replay at their
/// limits.
SymbolValues symbolCaps(const Variant &variant);

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_STEPTABLES_H
