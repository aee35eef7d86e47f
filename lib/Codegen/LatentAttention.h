//===- LatentAttention.h - attention in latent width over a paged cache ---===//
//
//   S[a, s] = scale * (q_latent[t, a, :] . latent[s, :] + q_rope[t, a, :] . k_rope[s, :])
//   Out[t, a, :] = sum_s softmax(S)[a, s] latent[s, :]      over the s < context[t] cached tokens
//   of the row
//
// builder "latent_attention". Heads are rows of a tile, kAttentionHeads at a time; cached tokens
// are taken in blocks of kAttentionBlock, counted from the sequence's start. Each block has its own
// maximum, sum and unnormalized result, and blocks are merged in ascending order, so every mode
// gives the same bits.
//
// Spec (all fields required):
//   heads, latent, rope     widths; any positive number
//   row_elements            elements between cached tokens, at least latent + rope; padding holds
//   zeros page_tokens             tokens of a page, a multiple of 16 table_stride logical pages of
//   a sequence in block_table dtype                   f32 | bf16: element type of q_latent, q_rope
//   and cache; P is rounded to it out_dtype               f32 | bf16 scale                   a
//   float: the softmax scale q_row_stride, q_head_stride, rope_row_stride, rope_head_stride,
//   out_row_stride, out_head_stride: elements mode                    "sequential" | "split" |
//   "merge"
// Slots:
//   sequential: q_latent, q_rope, cache, block_table, context, sequence, Out
//   split:      q_latent, q_rope, cache, block_table, context, sequence, partials, C
//   merge:      partials, context, Out, C
// with cache [page * page_tokens + slot][row_elements] (latent, then k_rope), block_table i32 [B,
// table_stride], context and sequence i32 [T], C the launch symbol of the longest context
// (context[t] <= C), and partials f32 [T * groups * ceildiv(C,
// kAttentionBlock)][latentAttentionRecord(latent)]. Items, with groups = ceildiv(heads,
// kAttentionHeads):
//   sequential and merge: T * groups;   split: T * groups * ceildiv(C, kAttentionBlock)
// A row whose context is 0 gives zeros. Cached tokens at or past context[t] are never used,
// whatever they hold.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_LATENTATTENTION_H
#define DSV2_LIB_CODEGEN_LATENTATTENTION_H

#include "lib/Codegen/KernelBuilder.h"

namespace dsv2 {

/// Heads of one item.
constexpr int64_t kAttentionHeads = 16;
/// Cached tokens that share a maximum.
constexpr int64_t kAttentionBlock = 256;

/// f32 values that one block of one item leaves in `partials`: a maximum and a sum per head, then
/// the result.
constexpr int64_t latentAttentionRecord(int64_t latent) {
  return kAttentionHeads * (2 + (latent + 15) / 16 * 16);
}

mlir::FailureOr<BuiltKernel> buildLatentAttention(const KernelRequest &request,
                                                  TileEmitter &emitter);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_LATENTATTENTION_H
