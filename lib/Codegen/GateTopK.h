//===- GateTopK.h - experts and weights of each row -----------------------===//
//
// softmax in f32, greedy or group-limited choice, the weights of SEMANTICS: builder "gate_topk".
//
// Spec (all fields required):
//   experts     columns of logits (routed experts)
//   top_k       experts chosen per row, <= experts
//   groups      groups of experts; divides experts. 1 is greedy
//   keep        groups whose experts may be chosen: those of the largest maxima; 1 .. groups
//   normalize   bool: weights /= sum + 1e-20 (when top_k > 1), and scale is not applied
//   scale       float: otherwise weights *= scale
//   shared      experts that every row chooses as well, >= 0: slots top_k .. top_k + shared - 1
//   hold the ids
//               experts .. experts + shared - 1 with weight 1
// Slots: logits f32 [T, experts], weights f32 [T, top_k + shared], ids i32 [T, top_k + shared],
//        replay i32 [T, top_k] (this layer's; read only when R is not 0), R (symbol).
// Items: T (rows).
//
// Choices compare logits, which softmax only rescales, so they are exact; of equal ones the lowest
// index wins, among groups too. With R the ids come from `replay`; weights are always those of the
// row's own logits. Ids are in [0, experts) whatever the logits and the recording hold, NaN
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
