//===- LowerExperts.cpp - Gate, dense MLPs, routed experts ------------------------------------===//
//
// Routed experts are five dispatches: a sort of (token, slot) pairs by expert, gate and up of every
// expert's rows with SwiGLU, down, and per token the weighted sum over its slots, in slot order.
// Work lists live on the device; grids depend on launch symbols only.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToExec/StepLowering.h"
#include "lib/Conversion/DSV2ToLinalg/RowOps.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::dsv2;

LogicalResult StepLowering::lowerGate(GateOp op) {
  Builder b(program.context());
  Type f32 = b.getF32Type(), i32 = b.getI32Type();
  FailureOr<Place> x = place(op.getX());
  if (failed(x)) {
    return failure();
  }
  // The always-chosen slots of the reader are part of the choice.
  FusedExpertsOp reader;
  for (Value result : op->getResults()) {
    for (Operation *user : result.getUsers()) {
      auto experts = dyn_cast<FusedExpertsOp>(user);
      if (!experts || (reader && reader != experts)) {
        return op.emitOpError("must be read by exactly one dsv2.fused_experts to be compiled");
      }
      reader = experts;
    }
  }
  if (!reader) {
    return success();
  }
  int64_t experts = cast<RankedTensorType>(op.getWeight().getType()).getDimSize(0);
  int64_t topK = op.getMethod().getTopK(), slots = topK + reader.getShared();
  auto table = [&](Type element, int64_t width, StringRef name) {
    Place at;
    at.rows = x->rows;
    at.layout.element = element;
    at.layout.width = at.layout.stride = width;
    at.buffer = program.addBuffer(name, element, rowsOf(at.rows) * width);
    return at;
  };
  Place logits = table(f32, experts, "gate_logits");
  if (failed(emitMatmul(op, *x, op.getWeight(), logits))) {
    return failure();
  }
  Place weights = table(f32, slots, "gate_weights"), ids = table(i32, slots, "gate_ids");
  auto number = [&](StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  };
  DictionaryAttr spec = b.getDictionaryAttr({
      number("experts", experts),
      number("top_k", topK),
      number("groups", op.getMethod().getGroups()),
      number("keep", op.getMethod().getKeep()),
      number("shared", reader.getShared()),
      b.getNamedAttr("scoring", b.getStringAttr(op.getBias() ? "sigmoid" : "softmax")),
      b.getNamedAttr("normalize", b.getBoolAttr(op.getNormalize())),
      b.getNamedAttr("scale", b.getF64FloatAttr(op.getScale().convertToDouble())),
  });
  // The replay table holds the recorded choices of every layer from the first MoE layer to the
  // last, by its number.
  int64_t perLayer = topK * program.maxStepTokens();
  auto weight = op.getWeight().getDefiningOp<WeightOp>();
  if (!weight || !weight.getLayer()) {
    return op.emitOpError("must have a weight of a layer to be compiled");
  }
  FailureOr<Slot> replay = atLayer(
      Slot::buffer(program.useTable(
          "replay", i32, b.getAffineConstantExpr(perLayer * program.routedLayers().size()))),
      weight.getLayer());
  if (failed(replay)) {
    return failure();
  }
  replay->scale *= perLayer;
  replay->offset = perLayer * (replay->offset - program.routedLayers().first);
  SmallVector<Slot> slotsOfGate = {slotOf(logits), slotOf(weights), slotOf(ids), *replay,
                                   Slot::sym(LaunchSymbol::Replay)};
  if (op.getBias()) {
    FailureOr<Slot> bias = weightSlot(op.getBias(), f32, {});
    if (failed(bias)) {
      return failure();
    }
    slotsOfGate.push_back(*bias);
  }
  program.dispatch(op.getLoc(), program.useKernel("gate_topk", spec, {1, 2}), itemsOf(x->rows),
                   slotsOfGate);
  setPlace(op.getWeights(), weights);
  setPlace(op.getIds(), ids);
  return success();
}

template <typename Op> LogicalResult StepLowering::lowerMLP(Op op, AddOp residual) {
  Type f32 = Float32Type::get(program.context());
  FailureOr<Place> source = place(op.getX());
  if (failed(source)) {
    return failure();
  }
  int64_t width = cast<RankedTensorType>(op.getGate().getType()).getDimSize(0);
  auto rows = [&](Type element, StringRef hint) {
    Place at;
    at.rows = source->rows;
    at.layout.element = element;
    at.layout.width = width;
    at.layout.stride = llvm::alignTo(width, program.pairOf(element));
    at.layout.pad = at.layout.stride - width;
    at.buffer = program.addBuffer(hint, element, rowsOf(at.rows) * at.layout.stride);
    return at;
  };
  Place gated = rows(f32, "gated"), raised = rows(f32, "raised");
  if (failed(emitMatmul(op, *source, op.getGate(), gated, {op.getBiasGate(), std::nullopt})) ||
      failed(emitMatmul(op, *source, op.getUp(), raised, {op.getBiasUp(), std::nullopt}))) {
    return failure();
  }
  // The product is an operand of the last contraction, in its type.
  Place product = rows(source->layout.element, "product");
  RowKernel kernel(program.context(), "swiglu");
  unsigned first = kernel.addSlot("gate"), second = kernel.addSlot("up"),
           out = kernel.addSlot("out");
  kernel.store(
      buildSwiGLU(kernel, kernel.load(first, gated.layout), kernel.load(second, raised.layout)),
      out, product.layout);
  dispatchRows(op, kernel, "swiglu", {out}, source->rows,
               {slotOf(gated), slotOf(raised), slotOf(product)});
  Value added = residual ? otherOperand(residual, op.getResult()) : Value();
  return emitProjection(op, product, op.getDown(), op.getBiasDown(), added,
                        residual ? residual.getResult() : op.getResult(), "mlp");
}
template LogicalResult StepLowering::lowerMLP(MLPOp op, AddOp residual);
template LogicalResult StepLowering::lowerMLP(SharedExpertsOp op, AddOp residual);

LogicalResult StepLowering::lowerExperts(FusedExpertsOp op, AddOp residual) {
  Builder b(program.context());
  Type f32 = b.getF32Type(), i32 = b.getI32Type();
  FailureOr<Place> x = place(op.getX()), weights = place(op.getWeights()), ids = place(op.getIds());
  if (failed(x) || failed(weights) || failed(ids)) {
    return failure();
  }
  auto gateUpType = cast<RankedTensorType>(op.getGateUp().getType());
  int64_t experts = gateUpType.getDimSize(0), width = gateUpType.getDimSize(1) / 2,
          hidden = gateUpType.getDimSize(2);
  int64_t slots = weights->layout.width;
  Type element = x->layout.element;
  FailureOr<Slot> gateUp = weightSlot(op.getGateUp(), element, {/*packed=*/true, /*splitRows=*/2});
  FailureOr<Slot> down = weightSlot(op.getDown(), element, {/*packed=*/true});
  if (failed(gateUp) || failed(down)) {
    return failure();
  }
  AffineExpr rows = rowsOf(x->rows), pairs = rows * slots;
  auto buffer = [&](StringRef hint, Type type, AffineExpr elements) {
    return Slot::buffer(program.addBuffer(hint, type, elements));
  };
  auto number = [&](StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  };

  Slot list = buffer("expert_list", i32, b.getAffineConstantExpr(3 * experts));
  Slot count = buffer("expert_count", i32, b.getAffineConstantExpr(1));
  Slot order = buffer("expert_order", i32, pairs), position = buffer("expert_position", i32, pairs);
  DictionaryAttr sortSpec =
      b.getDictionaryAttr({number("experts", experts), number("slots", slots)});
  program.dispatch(op.getLoc(), program.useKernel("sort_experts", sortSpec, {1, 2, 3, 4}),
                   program.sizes({b.getAffineConstantExpr(1)}),
                   {slotOf(*ids), list, count, order, position, Slot::sym(x->rows)});

  // An entry of the list is an expert with rows: at most one for each pair.
  auto grouped = [&](int64_t n, int64_t k, Type out, int64_t aStride, int64_t outStride,
                     StringRef epilogue, bool gather, ArrayRef<Slot> arguments, int64_t written) {
    DictionaryAttr spec = b.getDictionaryAttr({
        number("n", n),
        number("k", k),
        b.getNamedAttr("dtype", TypeAttr::get(element)),
        b.getNamedAttr("out_dtype", TypeAttr::get(out)),
        number("a_row_stride", aStride),
        number("out_row_stride", outStride),
        b.getNamedAttr("epilogue", b.getStringAttr(epilogue)),
        b.getNamedAttr("gather", b.getBoolAttr(gather)),
    });
    int64_t panels = llvm::divideCeil(n, program.panelOf(element));
    program.dispatch(op.getLoc(), program.useKernel("grouped_matmul", spec, {written}),
                     program.sizes({pairs * panels, b.getAffineConstantExpr(experts * panels)}),
                     arguments);
  };
  int64_t productStride = llvm::alignTo(width, program.pairOf(element));
  Slot product = buffer("expert_product", element, pairs * productStride);
  grouped(width, hidden, element, x->layout.stride, productStride, "swiglu", /*gather=*/true,
          {firstElement(*x), *gateUp, list, count, order, product}, 5);
  if (productStride != width) {
    // The pad of a row is read by the next contraction.
    RowLayout pad;
    pad.element = element;
    pad.offset = width;
    pad.width = productStride - width;
    pad.stride = productStride;
    RowKernel kernel(program.context(), "zero_pad");
    unsigned out = kernel.addSlot("out");
    kernel.storeZero(out, pad);
    program.dispatch(op.getLoc(), program.useKernel(kernel, "zero_pad", {out}),
                     program.sizes({pairs}), {product});
  }
  Slot results = buffer("expert_result", f32, pairs * hidden);
  grouped(hidden, width, f32, productStride, hidden, "none", /*gather=*/false,
          {product, *down, list, count, results}, 4);

  // The sum over slots, with the residual where the result is only added to one.
  Value value = residual ? residual.getResult() : op.getResult();
  RowKernel kernel(program.context(), "combine");
  RowLayout y;
  y.element = f32;
  y.width = y.stride = hidden;
  unsigned ySlot = kernel.addSlot("y"), wSlot = kernel.addSlot("weights"),
           pSlot = kernel.addSlot("position");
  SmallVector<Slot> arguments = {results, slotOf(*weights), position};
  Value row = buildSlotSum(kernel, ySlot, y, wSlot, pSlot, slots);
  if (residual) {
    FailureOr<Place> other =
        place(residual.getLhs() == op.getResult() ? residual.getRhs() : residual.getLhs());
    if (failed(other)) {
      return failure();
    }
    unsigned rSlot = kernel.addSlot("residual");
    row = buildAdd(kernel, kernel.load(rSlot, other->layout), row);
    arguments.push_back(slotOf(*other));
  }
  return storeForms(op, value, kernel, row, "combine", x->rows, arguments);
}
