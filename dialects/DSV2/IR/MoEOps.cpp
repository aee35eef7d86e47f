//===- MoEOps.cpp - gates, experts and dense MLPs ------------------------------===//
//
// Shapes of gates and of the four forms of MLP.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

#include <cmath>

namespace mlir {
namespace dsv2 {

LogicalResult GateOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "gate");
  auto method = dyn_cast_or_null<GateMethodInterface>(adaptor.getMethod());
  if (failed(check.rows("x", adaptor.getX(), 2)) ||
      failed(check.weight("the weight", adaptor.getWeight(), 2)) || !method) {
    return failure();
  }
  types.push_back(rowsOf(context, {method.getTopK()}));
  types.push_back(rowsOf(IntegerType::get(context, 32), {method.getTopK()}));
  if (failed(check.equal("gate.1", "the weight's input width", dim(adaptor.getWeight(), 1),
                         dim(adaptor.getX(), 1), "the width of x"))) {
    return failure();
  }
  return check.bias("gate.2", "the bias", adaptor.getBias(), dim(adaptor.getWeight(), 0),
                    "the experts of the weight");
}

LogicalResult GateOp::verify() {
  if (!getScale().isFinite() || getScale().isNegative() || getScale().isZero()) {
    return emitOpError("scale is ")
           << getScale().convertToDouble() << ", expected a positive number [gate.3]";
  }
  if (getMethod().correctsByBias() != static_cast<bool>(getBias())) {
    return emitOpError() << getMethod()
                         << (getBias() ? " takes no bias" : " expects a bias of every expert")
                         << " [gate.4]";
  }
  return getMethod().verifyExperts([&] { return emitOpError(); }, dim(getWeight(), 0));
}

/// gate and up [I,H], down [H,I], each behind `lead` (the experts' dimension or none); x [?,H].
static LogicalResult checkMLP(const ShapeChecker &check, Value x, Value gate, Value up, Value down,
                              unsigned lead) {
  int64_t hidden = dim(x, 1);
  int64_t width = dim(gate, lead);
  if (lead == 1 && (failed(check.equal("mlp.1", "the number of experts of up", dim(up, 0),
                                       dim(gate, 0), "the experts of gate")) ||
                    failed(check.equal("mlp.2", "the number of experts of down", dim(down, 0),
                                       dim(gate, 0), "the experts of gate")))) {
    return failure();
  }
  if (failed(check.equal("mlp.3", "the input width of gate", dim(gate, lead + 1), hidden,
                         "the width of x")) ||
      failed(check.equal("mlp.4", "the width of up", dim(up, lead), width, "the width of gate")) ||
      failed(check.equal("mlp.5", "the input width of up", dim(up, lead + 1), hidden,
                         "the width of x")) ||
      failed(check.equal("mlp.6", "the output width of down", dim(down, lead), hidden,
                         "the width of x"))) {
    return failure();
  }
  return check.equal("mlp.7", "the input width of down", dim(down, lead + 1), width,
                     "the width of gate");
}

template <typename AdaptorT>
static LogicalResult inferMLP(MLIRContext *context, const ShapeChecker &check, AdaptorT adaptor,
                              SmallVectorImpl<Type> &types) {
  if (failed(check.rows("x", adaptor.getX(), 2)) ||
      failed(check.weight("gate", adaptor.getGate(), 2)) ||
      failed(check.weight("up", adaptor.getUp(), 2)) ||
      failed(check.weight("down", adaptor.getDown(), 2))) {
    return failure();
  }
  int64_t hidden = dim(adaptor.getX(), 1), width = dim(adaptor.getGate(), 0);
  types.push_back(rowsOf(context, {hidden}));
  if (failed(checkMLP(check, adaptor.getX(), adaptor.getGate(), adaptor.getUp(), adaptor.getDown(),
                      0))) {
    return failure();
  }
  Value biases[] = {adaptor.getBiasGate(), adaptor.getBiasUp(), adaptor.getBiasDown()};
  if (llvm::any_of(biases, [&](Value bias) { return !bias != !biases[0]; })) {
    return check.error("mlp.8", "has a bias on some of gate, up and down, expected all or none");
  }
  if (failed(check.bias("mlp.9", "bias_gate", biases[0], width, "the width of gate")) ||
      failed(check.bias("mlp.10", "bias_up", biases[1], width, "the width of gate"))) {
    return failure();
  }
  return check.bias("mlp.11", "bias_down", biases[2], hidden, "the output width of down");
}

LogicalResult MLPOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferMLP(context, ShapeChecker(location, "mlp"), adaptor, types);
}

LogicalResult SharedExpertsOp::inferReturnTypes(MLIRContext *context,
                                                std::optional<Location> location, Adaptor adaptor,
                                                SmallVectorImpl<Type> &types) {
  return inferMLP(context, ShapeChecker(location, "shared_experts"), adaptor, types);
}

/// Weights and ids of a token's chosen experts have the same width.
static LogicalResult checkChoice(const ShapeChecker &check, Value weights, Value ids) {
  if (failed(check.rows("weights", weights, 2)) || failed(check.rows("ids", ids, 2))) {
    return failure();
  }
  return check.equal("experts.1", "the width of ids", dim(ids, 1), dim(weights, 1),
                     "the width of weights");
}

LogicalResult RoutedExpertsOp::inferReturnTypes(MLIRContext *context,
                                                std::optional<Location> location, Adaptor adaptor,
                                                SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "routed_experts");
  if (failed(check.rows("x", adaptor.getX(), 2)) ||
      failed(checkChoice(check, adaptor.getWeights(), adaptor.getIds())) ||
      failed(check.weight("gate", adaptor.getGate(), 3)) ||
      failed(check.weight("up", adaptor.getUp(), 3)) ||
      failed(check.weight("down", adaptor.getDown(), 3))) {
    return failure();
  }
  types.push_back(rowsOf(context, {dim(adaptor.getX(), 1)}));
  return checkMLP(check, adaptor.getX(), adaptor.getGate(), adaptor.getUp(), adaptor.getDown(), 1);
}

LogicalResult FusedExpertsOp::inferReturnTypes(MLIRContext *context,
                                               std::optional<Location> location, Adaptor adaptor,
                                               SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "fused_experts");
  if (failed(check.rows("x", adaptor.getX(), 2)) ||
      failed(checkChoice(check, adaptor.getWeights(), adaptor.getIds())) ||
      failed(check.weight("gate_up", adaptor.getGateUp(), 3)) ||
      failed(check.weight("down", adaptor.getDown(), 3))) {
    return failure();
  }
  int64_t hidden = dim(adaptor.getX(), 1);
  types.push_back(rowsOf(context, {hidden}));
  int64_t slots = dim(adaptor.getGateUp(), 0);
  int64_t shared = adaptor.getShared();
  if (shared < 0 || shared >= slots) {
    return check.error("fused_experts.1", "shared is " + Twine(shared) +
                                              ", expected 0 or more and fewer than the " +
                                              Twine(slots) + " slots");
  }
  if (failed(check.equal("fused_experts.2", "the number of slots of down",
                         dim(adaptor.getDown(), 0), slots, "the slots of gate_up")) ||
      failed(check.equal("fused_experts.3", "the input width of gate_up",
                         dim(adaptor.getGateUp(), 2), hidden, "the width of x")) ||
      failed(check.equal("fused_experts.4", "the output width of down", dim(adaptor.getDown(), 1),
                         hidden, "the width of x"))) {
    return failure();
  }
  return check.equal("fused_experts.5", "the rows of gate_up", dim(adaptor.getGateUp(), 1),
                     2 * dim(adaptor.getDown(), 2), "gate and up, each of the input width of down");
}

} // namespace dsv2
} // namespace mlir
