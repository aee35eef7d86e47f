//===- AttentionTile.h - how attention over a cache is cut ----------------===//
//
// Numbers of a target that a kernel's builder, its dispatches and its buffers must agree on: heads
// of an item, cached tokens that share a maximum, and so what a block of one item leaves for the
// merge.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_ATTENTIONTILE_H
#define DSV2_LIB_CODEGEN_ATTENTIONTILE_H

#include <cstdint>

namespace dsv2 {

struct AttentionTile {
  int64_t heads = 16;   ///< of one item
  int64_t tokens = 256; ///< cached tokens that share a maximum

  /// Items of a row of the step.
  int64_t groups(int64_t allHeads) const { return (allHeads + heads - 1) / heads; }
  /// Blocks of a context.
  int64_t blocks(int64_t context) const { return (context + tokens - 1) / tokens; }
  /// f32 values that one block of one item leaves in `partials`: a maximum and a sum per head, then
  /// the result.
  int64_t record(int64_t latent) const { return heads * (2 + (latent + 15) / 16 * 16); }
};

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_ATTENTIONTILE_H
