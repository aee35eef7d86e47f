//===- StepLowering.cpp - Places of values, and the walk over a step --------------------------===//
//
// Contractions, attention, experts and cache updates are lowered where they stand. Norms, rope,
// casts, splits and merges are lowered when a reader asks for their place, so that a reader may
// also look through them (cache_append does the norm of the latent and the rope of the key itself).
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToExec/StepLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::dsv2;

LogicalResult StepLowering::run(func::FuncOp step) {
  SmallVector<AffineExpr> guard;
  if (schedule.maxRows > 0) {
    guard.push_back(schedule.maxRows - program.symbol(LaunchSymbol::Rows));
  }
  program.beginEntry(step.getLoc(), schedule.name, guard);
  if (failed(reserveOutputs(step))) {
    return failure();
  }
  for (Operation &op : step.getBody().front()) {
    if (failed(lower(op))) {
      return failure();
    }
  }
  return success();
}

LogicalResult StepLowering::lower(Operation &op) {
  AddOp residual = fusingAdd(&op);
  if (residual) {
    return success(); // lowered where the add stands: its other operand may come later
  }
  return TypeSwitch<Operation *, LogicalResult>(&op)
      // On demand: see place().
      .Case<WeightOp, RMSNormOp, RopeOp, CastOp, SplitHeadsOp, MergeHeadsOp, MLACompressOp,
            SelectRowsOp>([](auto) { return success(); })
      .Case<YieldOp>([](auto) { return success(); })                          // by lowerLayers
      .Case<arith::ConstantOp, arith::AddIOp>([](auto) { return success(); }) // see atLayer()
      .Case<EmbedOp>([&](EmbedOp o) { return lowerEmbed(o); })
      .Case<LayersOp>([&](LayersOp o) { return lowerLayers(o); })
      .Case<func::ReturnOp>([&](func::ReturnOp o) { return lowerReturn(o); })
      .Case<AddOp>([&](AddOp o) { return lowerAdd(o); })
      .Case<LinearOp>([&](LinearOp o) { return lowerLinear(o, nullptr); })
      .Case<HeadLinearOp>([&](HeadLinearOp o) { return lowerHeadLinear(o); })
      .Case<CacheAppendOp>([&](CacheAppendOp o) { return lowerCacheAppend(o); })
      .Case<LatentAttentionOp>([&](LatentAttentionOp o) { return lowerLatentAttention(o); })
      .Case<GateOp>([&](GateOp o) { return lowerGate(o); })
      .Case<MLPOp, SharedExpertsOp>([&](auto o) { return lowerMLP(o, nullptr); })
      .Case<FusedExpertsOp>([&](FusedExpertsOp o) { return lowerExperts(o, nullptr); })
      .Default([](Operation *o) { return o->emitOpError("has no kernel yet"); });
}

LogicalResult StepLowering::materialize(Value value) {
  Operation *def = value.getDefiningOp();
  if (!def || places.contains(value)) {
    return success();
  }
  return TypeSwitch<Operation *, LogicalResult>(def)
      .Case<RMSNormOp>([&](RMSNormOp o) { return lowerRmsNorm(o); })
      .Case<RopeOp>([&](RopeOp o) { return lowerRope(o); })
      .Case<CastOp>([&](CastOp o) { return lowerCast(o); })
      .Case<SplitHeadsOp>([&](SplitHeadsOp o) { return lowerSplitHeads(o); })
      .Case<MergeHeadsOp>([&](MergeHeadsOp o) { return lowerMergeHeads(o); })
      .Case<MLACompressOp>([&](MLACompressOp o) { return lowerCompress(o); })
      .Case<SelectRowsOp>([&](SelectRowsOp o) { return lowerSelectRows(o); })
      .Default([](Operation *) { return success(); });
}

FailureOr<Place> StepLowering::place(Value value) {
  if (overwritten.contains(value)) {
    return emitError(value.getLoc(),
                     "a carried value is read after the next layer's took its buffer");
  }
  if (failed(materialize(value))) {
    return failure();
  }
  auto forms = places.find(value);
  if (forms != places.end()) {
    auto form = forms->second.find(getElementTypeOrSelf(value.getType()));
    if (form != forms->second.end()) {
      return form->second;
    }
  }
  return emitError(value.getLoc())
         << "value of type " << value.getType() << " has no place in memory";
}

SmallVector<Type> StepLowering::wantedForms(Value value) const {
  SmallVector<Type> forms;
  auto want = [&](Type type) {
    if (!llvm::is_contained(forms, type)) {
      forms.push_back(type);
    }
  };
  Type own = getElementTypeOrSelf(value.getType());
  for (Operation *user : value.getUsers()) {
    if (auto cast = dyn_cast<CastOp>(user)) {
      want(getElementTypeOrSelf(cast.getResult().getType()));
    } else if (auto merge = dyn_cast<MergeHeadsOp>(user)) {
      for (Type type : wantedForms(merge.getResult())) {
        want(type);
      }
    } else {
      want(own);
    }
  }
  if (forms.empty()) {
    want(own);
  }
  // The own form first: the others are roundings of it.
  auto at = llvm::find(forms, own);
  if (at != forms.end()) {
    std::rotate(forms.begin(), at, at + 1);
  }
  return forms;
}

Place StepLowering::allocate(Value value, Type element, StringRef hint, LaunchSymbol rows) {
  auto reserved = hints.find(value);
  if (reserved != hints.end() && reserved->second.layout.element == element) {
    return reserved->second;
  }
  auto shape = cast<RankedTensorType>(value.getType()).getShape();
  int64_t pair = program.pairOf(element);
  Place out;
  out.rows = rows;
  RowLayout &layout = out.layout;
  layout.element = element;
  layout.width = shape.back();
  if (shape.size() == 2) {
    layout.stride = llvm::alignTo(layout.width, pair);
    layout.pad = layout.stride - layout.width;
  } else {
    layout.heads = shape[1];
    // Merged heads are one row without gaps; other heads are operands of their own.
    bool merged =
        llvm::any_of(value.getUsers(), [](Operation *user) { return isa<MergeHeadsOp>(user); });
    layout.headStride = merged ? layout.width : llvm::alignTo(layout.width, pair);
    layout.pad = layout.headStride - layout.width;
    layout.stride = llvm::alignTo(layout.heads * layout.headStride, pair);
  }
  out.buffer = program.addBuffer(hint, element, rowsOf(rows) * layout.stride);
  return out;
}

void StepLowering::zeroPad(Operation *op, const Place &place) {
  RowLayout pad = place.layout;
  int64_t used = pad.heads ? pad.heads * pad.headStride : pad.width;
  if (pad.heads && pad.headStride > pad.width) {
    // Gaps after every head.
    pad.offset += pad.width;
    pad.width = pad.headStride - place.layout.width;
    pad.pad = 0;
  } else if (pad.stride > used) {
    pad.heads = pad.headStride = pad.pad = 0;
    pad.offset += used;
    pad.width = pad.stride - used;
  } else {
    return;
  }
  RowKernel kernel(program.context(), "zero_pad");
  unsigned out = kernel.addSlot("out");
  kernel.storeZero(out, pad);
  dispatchRows(op, kernel, "zero_pad", {out}, place.rows, {slotOf(place)});
}

FailureOr<Slot> StepLowering::weightSlot(Value weight, Type element, const PreparedLayout &layout) {
  auto use = weight.getDefiningOp<WeightOp>();
  if (!use) {
    return emitError(weight.getLoc(),
                     "expected a dsv2.weight as the weight of a contraction or norm");
  }
  FailureOr<std::string> name = program.useWeight(use, element, layout);
  if (failed(name)) {
    return failure();
  }
  Slot slot{Slot::Kind::Weight, *name};
  return use.getLayer() ? atLayer(slot, use.getLayer()) : slot;
}

FailureOr<Slot> StepLowering::atLayer(Slot slot, Value layer) const {
  RangeAttr range = getRangeOfLayer(layer);
  bool fixed = matchPattern(layer, m_Constant());
  if (!range || (!fixed && (!layers || range.size() != layers.size()))) {
    return emitError(
        layer.getLoc(),
        "expected the number of the loop's layer, that plus a constant, or a constant");
  }
  slot.scale = fixed ? 0 : 1;
  slot.offset = range.getBegin() - (fixed ? 0 : layers.getBegin());
  return slot;
}

Slot StepLowering::tableSlot(StringRef table, Type element, int64_t perRow, LaunchSymbol rows) {
  return Slot::buffer(program.useTable(table, element, rowsOf(rows) * perRow));
}

void StepLowering::dispatchRows(Operation *op, RowKernel &kernel, StringRef name,
                                ArrayRef<int64_t> writes, LaunchSymbol rows, ArrayRef<Slot> slots) {
  std::string symbol = program.useKernel(kernel, name, writes);
  program.dispatch(op->getLoc(), symbol, itemsOf(rows), slots);
}

AddOp StepLowering::fusingAdd(Operation *op) const {
  if (!isa<LinearOp, MLPOp, SharedExpertsOp, FusedExpertsOp>(op) || !op->getResult(0).hasOneUse()) {
    return nullptr;
  }
  auto linear = dyn_cast<LinearOp>(op);
  auto add = dyn_cast<AddOp>(*op->getResult(0).user_begin());
  if ((linear && linear.getAdd()) || !add || add->getBlock() != op->getBlock()) {
    return nullptr;
  }
  // Of two candidates the later one takes the other's result as its residual.
  Value other = add.getLhs() == op->getResult(0) ? add.getRhs() : add.getLhs();
  Operation *rival = other.getDefiningOp();
  bool rivalFits = rival && rival->getBlock() == op->getBlock() && other.hasOneUse() &&
                   isa<LinearOp, MLPOp, SharedExpertsOp, FusedExpertsOp>(rival);
  if (other == op->getResult(0) || (rivalFits && op->isBeforeInBlock(rival))) {
    return nullptr;
  }
  return add;
}
