//===- LatentAttention.h - attention in latent width over a paged cache ---===//
//
//   S[a, s] = scale * (q_latent[t, a, :] . latent[s, :] + q_rope[t, a, :] . k_rope[s, :])
//   Out[t, a, :] = sum_s softmax(S)[a, s] latent[s, :]      over the s < context[t] cached tokens
//   of the row
//
// builder "latent_attention". Heads are rows of a tile, `heads` of the target's AttentionTile at a
// time; cached tokens are taken in blocks of its `tokens`, counted from the sequence's start. Each
// block has its own maximum, sum and unnormalized result, and blocks are merged in ascending order,
// so every mode gives the same bits.
//
// Spec (all fields required), widths and strides in elements:
//   heads, latent, rope     any positive number
//   row_elements            between cached tokens, at least latent + rope; padding holds zeros
//   page_tokens             of a page, a multiple of 16 that divides a block
//   table_stride            logical pages of a sequence in block_table
//   dtype                   f32 | bf16: of q_latent, q_rope and cache; P is rounded to it
//   out_dtype               f32 | bf16
//   scale                   a float: the softmax scale
//   q_row_stride, q_head_stride, rope_row_stride, rope_head_stride, out_row_stride, out_head_stride
//   mode                    "sequential" | "split" | "merge"
// Slots:
//   sequential: q_latent, q_rope, cache, block_table, context, sequence, Out
//   split:      q_latent, q_rope, cache, block_table, context, sequence, partials, C
//   merge:      partials, context, Out, C
// with cache [page * page_tokens + slot][row_elements] (latent, then k_rope), block_table i32 [B,
// table_stride], context and sequence i32 [T], C the launch symbol of the longest context
// (context[t] <= C), and partials f32 [T * groups * blocks][record], in the terms of
// AttentionTile.h, with blocks those of C. Items:
//   sequential and merge: T * groups;   split: T * groups * blocks
// A row whose context is 0 gives zeros. Cached tokens at or past context[t] are never used,
// whatever they hold.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_LATENTATTENTION_H
#define DSV2_LIB_CODEGEN_LATENTATTENTION_H

#include "lib/Codegen/AttentionTile.h"
#include "lib/Codegen/KernelBuilder.h"

namespace dsv2 {

mlir::FailureOr<BuiltKernel> buildLatentAttention(const KernelRequest &request,
                                                  TileEmitter &emitter);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_LATENTATTENTION_H
