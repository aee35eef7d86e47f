//===- GateTopK.h - experts and weights of each row -----------------------===//
//
// Scores in f32, greedy or group-limited choice, weights of the chosen: builder "gate_topk".
//
// Spec (all fields required):
//   scoring     "softmax" (DeepSeek-V2), or "sigmoid" with a bias that corrects choices (V3)
//   experts     columns of logits (routed experts)
//   top_k       experts chosen per row, <= experts
//   groups      groups of experts; divides experts. 1 is greedy
//   keep        groups whose experts may be chosen, 1 .. groups: those of the largest maxima; with
//               sigmoid those of the largest sums of two, so that a group has at least two experts
//   normalize   bool: weights /= sum + 1e-20 (softmax: when top_k > 1, and scale is not applied)
//   scale       float: otherwise, and always with sigmoid, weights *= scale
//   shared      experts that every row chooses as well, >= 0: slots top_k .. top_k + shared - 1
//   hold the ids
//               experts .. experts + shared - 1 with weight 1
// Slots: logits f32 [T, experts], weights f32 [T, top_k + shared], ids i32 [T, top_k + shared],
//        replay i32 [T, top_k] (this layer's; read only when R is not 0), R (symbol);
//        with sigmoid: bias f32 [experts].
// Items: T (rows).
//
// With softmax choices compare logits, which it only rescales, so they are exact; with sigmoid
// they compare f32 sums of sigmoid and bias, and weights are the sigmoids alone. Of equal ones the
// lowest index wins, among groups too. With R the ids come from `replay`; weights are always those
// of the row's own logits. Ids are in [0, experts) whatever the logits and the recording hold, NaN
// included.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GATETOPK_H
#define DSV2_LIB_CODEGEN_GATETOPK_H

#include "lib/Codegen/KernelBuilder.h"

namespace dsv2 {

mlir::FailureOr<BuiltKernel> buildGateTopK(const KernelRequest &request, TileEmitter &emitter);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GATETOPK_H
