//===- LowerLinear.cpp - Norms, residuals, casts, contractions --------------------------------===//
//
// A producer writes every form (element type) that its readers want, with the zeros that
// contractions read past the end of a row, so that a cast is seldom a kernel.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToExec/StepLowering.h"
#include "lib/Conversion/DSV2ToLinalg/RowOps.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::dsv2;

LogicalResult StepLowering::storeForms(Operation *op, Value value, RowKernel &kernel, Value row,
                                       StringRef hint, LaunchSymbol rows, SmallVector<Slot> slots) {
  SmallVector<int64_t> writes;
  SmallVector<Place> outs;
  for (Type form : wantedForms(value)) {
    outs.push_back(allocate(value, form, hint, rows));
  }
  if (outs.size() > 1) {
    row = kernel.keep(row);
  }
  for (const Place &out : outs) {
    // In place: kernels assume that different slots do not overlap, so a buffer is passed once.
    auto same = llvm::find_if(slots, [&](const Slot &slot) {
      return slot.kind == Slot::Kind::Buffer && slot.name == out.buffer;
    });
    if (same == slots.end()) {
      writes.push_back(kernel.addSlot("out"));
      slots.push_back(slotOf(out));
    } else {
      writes.push_back(same - slots.begin());
    }
    kernel.store(row, writes.back(), out.layout);
  }
  dispatchRows(op, kernel, hint, writes, rows, slots);
  for (const Place &out : outs) {
    setPlace(value, out);
    // A row of merged heads has its pad after all heads; the kernel wrote only pads of heads.
    if (out.layout.heads && out.layout.headStride == out.layout.width) {
      zeroPad(op, out);
    }
  }
  return success();
}

void StepLowering::finishForms(Operation *op, Value value, const Place &out, StringRef hint) {
  zeroPad(op, out);
  setPlace(value, out);
  for (Type form : wantedForms(value)) {
    if (form == out.layout.element) {
      continue;
    }
    RowKernel kernel(program.context(), "cast");
    unsigned from = kernel.addSlot("x"), to = kernel.addSlot("out");
    Place rounded = allocate(value, form, hint, out.rows);
    kernel.store(kernel.load(from, out.layout), to, rounded.layout);
    dispatchRows(op, kernel, "cast", {to}, out.rows, {slotOf(out), slotOf(rounded)});
    if (rounded.layout.heads && rounded.layout.headStride == rounded.layout.width) {
      zeroPad(op, rounded);
    }
    setPlace(value, rounded);
  }
}

LogicalResult StepLowering::lowerRmsNorm(RMSNormOp op) {
  FailureOr<Place> x = place(op.getX());
  Type f32 = Float32Type::get(program.context());
  FailureOr<Slot> weight = weightSlot(op.getWeight(), f32, {});
  if (failed(x) || failed(weight)) {
    return failure();
  }
  RowKernel kernel(program.context(), "rms_norm");
  unsigned source = kernel.addSlot("x"), scale = kernel.addSlot("weight");
  Value row =
      buildRmsNorm(kernel, kernel.load(source, x->layout),
                   kernel.loadVector(scale, f32, x->layout.width), op.getEps().convertToDouble());
  return storeForms(op, op.getResult(), kernel, row, "rms_norm", x->rows, {slotOf(*x), *weight});
}

LogicalResult StepLowering::lowerCast(CastOp op) {
  // The producer may write this form itself.
  if (failed(materialize(op.getX()))) {
    return failure();
  }
  Type element = getElementTypeOrSelf(op.getResult().getType());
  auto &forms = places[op.getX()];
  if (auto form = forms.find(element); form != forms.end()) {
    setPlace(op.getResult(), Place(form->second));
    return success();
  }
  FailureOr<Place> x = place(op.getX());
  if (failed(x)) {
    return failure();
  }
  RowKernel kernel(program.context(), "cast");
  unsigned source = kernel.addSlot("x");
  Value row = kernel.load(source, x->layout);
  return storeForms(op, op.getResult(), kernel, row, "cast", x->rows, {slotOf(*x)});
}

LogicalResult StepLowering::lowerAdd(AddOp op) {
  for (Value value : {op.getRhs(), op.getLhs()}) {
    Operation *def = value.getDefiningOp();
    if (!def || fusingAdd(def) != op) {
      continue;
    }
    return TypeSwitch<Operation *, LogicalResult>(def)
        .Case<LinearOp>([&](LinearOp o) { return lowerLinear(o, op); })
        .Case<MLPOp, SharedExpertsOp>([&](auto o) { return lowerMLP(o, op); })
        .Case<FusedExpertsOp>([&](FusedExpertsOp o) { return lowerExperts(o, op); })
        .Default([](Operation *o) { return o->emitError("cannot be fused with an add"); });
  }
  FailureOr<Place> a = place(op.getLhs()), b = place(op.getRhs());
  if (failed(a) || failed(b)) {
    return failure();
  }
  RowKernel kernel(program.context(), "add");
  unsigned lhs = kernel.addSlot("lhs"), rhs = kernel.addSlot("rhs");
  Value row = buildAdd(kernel, kernel.load(lhs, a->layout), kernel.load(rhs, b->layout));
  return storeForms(op, op.getResult(), kernel, row, "add", a->rows, {slotOf(*a), slotOf(*b)});
}

LogicalResult StepLowering::lowerSplitHeads(SplitHeadsOp op) {
  FailureOr<Place> x = place(op.getX());
  if (failed(x)) {
    return failure();
  }
  int64_t perHead = 0;
  for (int64_t width : op.getWidths()) {
    perHead += width;
  }
  int64_t offset = 0;
  for (auto [part, width] : llvm::zip(op.getParts(), op.getWidths())) {
    Place at = *x;
    at.layout.offset += offset;
    at.layout.width = width;
    at.layout.heads = op.getHeads();
    at.layout.headStride = perHead;
    at.layout.pad = 0;
    setPlace(part, at);
    offset += width;
  }
  return success();
}

LogicalResult StepLowering::lowerMergeHeads(MergeHeadsOp op) {
  if (failed(materialize(op.getX()))) {
    return failure();
  }
  for (auto &[element, at] : llvm::SmallMapVector<Type, Place, 2>(places[op.getX()])) {
    if (at.layout.headStride != at.layout.width) {
      return op.emitOpError("heads do not lie next to each other");
    }
    Place merged = at;
    merged.layout.width = at.layout.heads * at.layout.width;
    merged.layout.pad = at.layout.stride - merged.layout.width;
    merged.layout.heads = merged.layout.headStride = 0;
    setPlace(op.getResult(), merged);
  }
  return success();
}

LogicalResult StepLowering::emitProjection(Operation *op, const Place &x, Value weight, Value bias,
                                           Value added, Value value, StringRef hint) {
  Addends addends{bias, std::nullopt};
  if (added) {
    FailureOr<Place> other = place(added);
    if (failed(other)) {
      return failure();
    }
    addends.residual = *other;
  }
  Place out = allocate(value, wantedForms(value).front(), hint, x.rows);
  if (failed(emitMatmul(op, x, weight, out, addends))) {
    return failure();
  }
  finishForms(op, value, out, hint);
  return success();
}

LogicalResult StepLowering::emitMatmul(Operation *op, const Place &x, Value weight,
                                       const Place &out, const Addends &addends) {
  Builder b(program.context());
  auto type = cast<RankedTensorType>(weight.getType());
  bool perHead = type.getRank() == 3;
  const RowLayout &from = x.layout, &to = out.layout;
  const std::optional<Place> &residual = addends.residual;
  if (residual && (residual->layout.stride != to.stride || residual->layout.offset != 0 ||
                   !residual->layout.element.isF32())) {
    return op->emitError("the residual must lie like the result");
  }
  FailureOr<Slot> packed = weightSlot(weight, from.element, {/*packed=*/true});
  if (failed(packed)) {
    return failure();
  }
  int64_t n = type.getDimSize(type.getRank() - 2), k = type.getDimSize(type.getRank() - 1);
  int64_t batch = perHead ? type.getDimSize(0) : 1;
  auto number = [&](int64_t value) { return b.getI64IntegerAttr(value); };
  DictionaryAttr spec = b.getDictionaryAttr({
      b.getNamedAttr("n", number(n)),
      b.getNamedAttr("k", number(k)),
      b.getNamedAttr("batch", number(batch)),
      b.getNamedAttr("dtype", TypeAttr::get(from.element)),
      b.getNamedAttr("out_dtype", TypeAttr::get(to.element)),
      b.getNamedAttr("a_row_stride", number(from.stride)),
      b.getNamedAttr("a_batch_stride", number(perHead ? from.headStride : 0)),
      b.getNamedAttr("out_row_stride", number(to.stride)),
      b.getNamedAttr("out_batch_stride", number(perHead ? to.headStride : 0)),
      b.getNamedAttr("bias", b.getBoolAttr(bool(addends.bias))),
      b.getNamedAttr("add", b.getBoolAttr(residual.has_value())),
  });
  SmallVector<Slot> slots = {firstElement(x), *packed};
  if (addends.bias) {
    FailureOr<Slot> bias = weightSlot(addends.bias, b.getF32Type(), {});
    if (failed(bias)) {
      return failure();
    }
    slots.push_back(*bias);
  }
  if (residual) {
    slots.push_back(firstElement(*residual));
  }
  int64_t written = slots.size();
  slots.push_back(firstElement(out));
  slots.push_back(Slot::sym(x.rows));
  std::string kernel = program.useKernel("matmul", spec, {written});
  int64_t panels = batch * llvm::divideCeil(n, program.panelOf(from.element));
  AffineExpr items = b.getAffineConstantExpr(panels);
  if (int64_t block = program.rowsOfItem()) {
    items = rowsOf(x.rows).ceilDiv(block) * panels;
  }
  program.dispatch(op->getLoc(), kernel, program.sizes({items}), slots);
  return success();
}

LogicalResult StepLowering::lowerLinear(LinearOp op, AddOp residual) {
  FailureOr<Place> x = place(op.getX());
  if (failed(x)) {
    return failure();
  }
  Value added = residual ? otherOperand(residual, op.getResult()) : op.getAdd();
  return emitProjection(op, *x, op.getWeight(), op.getBias(), added,
                        residual ? residual.getResult() : op.getResult(), "linear");
}

LogicalResult StepLowering::lowerHeadLinear(HeadLinearOp op) {
  FailureOr<Place> x = place(op.getX());
  return failed(x) ? failure()
                   : emitProjection(op, *x, op.getWeight(), nullptr, nullptr, op.getResult(),
                                    "head_linear");
}
