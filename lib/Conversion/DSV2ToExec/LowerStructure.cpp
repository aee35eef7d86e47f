//===- LowerStructure.cpp - Embedding, the loop over layers, outputs --------------------------===//
//
// A carried value keeps one buffer for all layers: the op that makes the next layer's value writes
// there directly. That is legal when nothing reads the old value afterwards, which is checked.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToExec/StepLowering.h"
#include "lib/Conversion/DSV2ToLinalg/RowOps.h"

using namespace mlir;
using namespace mlir::dsv2;

LogicalResult StepLowering::lowerEmbed(EmbedOp op) {
  auto weightType = cast<RankedTensorType>(op.getWeight().getType());
  Type element = weightType.getElementType();
  FailureOr<Slot> table = weightSlot(op.getWeight(), element, {});
  if (failed(table)) {
    return failure();
  }
  Place out =
      allocate(op.getResult(), Float32Type::get(program.context()), "x", LaunchSymbol::Rows);
  RowKernel kernel(program.context(), "embed");
  unsigned tokens = kernel.addSlot("tokens"), weight = kernel.addSlot("table"),
           result = kernel.addSlot("out");
  kernel.store(buildEmbed(kernel, tokens, weight, element, weightType.getDimSize(1)), result,
               out.layout);
  Type i32 = IntegerType::get(program.context(), 32);
  dispatchRows(op, kernel, "embed", {result}, out.rows,
               {tableSlot("tokens", i32, 1, LaunchSymbol::Rows), *table, slotOf(out)});
  setPlace(op.getResult(), out);
  return success();
}

LogicalResult StepLowering::lowerSelectRows(SelectRowsOp op) {
  FailureOr<Place> x = place(op.getX());
  if (failed(x)) {
    return failure();
  }
  RowKernel kernel(program.context(), "select_rows");
  unsigned source = kernel.addSlot("x"), wanted = kernel.addSlot("wanted");
  SmallVector<Slot> slots = {
      slotOf(*x),
      tableSlot("wanted", IntegerType::get(program.context(), 32), 1, LaunchSymbol::Wanted)};
  Value row = buildSelectRows(kernel, source, x->layout, wanted);
  SmallVector<int64_t> writes;
  for (Type form : wantedForms(op.getResult())) {
    Place out = allocate(op.getResult(), form, "wanted_rows", LaunchSymbol::Wanted);
    writes.push_back(kernel.addSlot("out"));
    kernel.store(row, writes.back(), out.layout);
    slots.push_back(slotOf(out));
    setPlace(op.getResult(), out);
  }
  dispatchRows(op, kernel, "select_rows", writes, LaunchSymbol::Wanted, slots);
  return success();
}

LogicalResult StepLowering::lowerLayers(LayersOp op) {
  if (layers) {
    return op.emitOpError("loops over layers do not nest");
  }
  auto yield = cast<YieldOp>(op.getBody()->getTerminator());
  SmallVector<Place> carried(op.getInits().size());
  for (auto [index, init, argument, next] :
       llvm::enumerate(op.getInits(), op.getCarried(), yield.getValues())) {
    if (isa<CacheType>(init.getType())) {
      continue; // one cache, updated in place
    }
    FailureOr<Place> at = place(init);
    if (failed(at)) {
      return failure();
    }
    if (!init.hasOneUse() || isa<BlockArgument>(init)) {
      return op.emitOpError("a carried value must have no other reader than the loop");
    }
    carried[index] = *at;
    setPlace(argument, *at);
    hints[next] = *at;
  }
  program.beginRepeat(op.getLoc(), op.getRange());
  layers = op.getRange();
  for (Operation &inner : *op.getBody()) {
    if (failed(lower(inner))) {
      return failure();
    }
    for (auto [argument, next] : llvm::zip(op.getCarried(), yield.getValues())) {
      if (next.getDefiningOp() == &inner && places.contains(next)) {
        overwritten.insert(argument);
      }
    }
  }
  for (auto [index, next, result] : llvm::enumerate(yield.getValues(), op.getResults())) {
    if (isa<CacheType>(next.getType())) {
      continue;
    }
    FailureOr<Place> at = place(next);
    if (failed(at)) {
      return failure();
    }
    if (at->buffer != carried[index].buffer) {
      return op.emitOpError("carried value ")
             << index << " is not made by an op of the loop's body";
    }
    setPlace(result, *at);
  }
  program.endRepeat();
  layers = nullptr;
  return success();
}

LogicalResult StepLowering::lowerReturn(func::ReturnOp op) {
  // Outputs were reserved before the walk (reserveOutputs); here they only have to exist.
  for (Value value : op.getOperands()) {
    if (isa<CacheType>(value.getType())) {
      continue;
    }
    FailureOr<Place> at = place(value);
    if (failed(at)) {
      return failure();
    }
    if (!hints.contains(value) || hints[value].buffer != at->buffer) {
      return op.emitOpError("an output must be the result of an op of its own");
    }
  }
  return success();
}

LogicalResult StepLowering::reserveOutputs(func::FuncOp step) {
  auto ret = cast<func::ReturnOp>(step.getBody().front().getTerminator());
  static constexpr StringLiteral names[] = {"logits", "hidden"};
  static constexpr LaunchSymbol rows[] = {LaunchSymbol::Wanted, LaunchSymbol::Rows};
  unsigned next = 0;
  for (Value value : ret.getOperands()) {
    if (isa<CacheType>(value.getType())) {
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (next == std::size(names) || !type || type.getRank() != 2 ||
        !type.getElementType().isF32()) {
      return ret.emitError(
          "expected a step that returns wanted logits, hidden states (both f32) and the cache");
    }
    if (hints.contains(value)) {
      return ret.emitError("returns one value twice, expected an op for each output");
    }
    Place out;
    out.rows = rows[next];
    out.layout.element = type.getElementType();
    out.layout.width = out.layout.stride = type.getDimSize(1);
    out.buffer =
        program.useTable(names[next], out.layout.element, rowsOf(out.rows) * out.layout.stride,
                         /*output=*/true);
    hints[value] = out;
    ++next;
  }
  return success();
}
