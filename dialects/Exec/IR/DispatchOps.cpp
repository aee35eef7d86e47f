//===- DispatchOps.cpp - programs -----------------------------------------===//
//
// Builders, and the check that what a dispatch names exists in the variant for every layer of its
// loop.
//
//===----------------------------------------------------------------------===//
#include "dialects/Exec/IR/Exec.h"

namespace mlir::dsv2_exec {

void EntryOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                    IntegerSetAttr guard) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  if (guard) {
    state.addAttribute(getGuardAttrName(state.name), guard);
  }
  state.addRegion()->emplaceBlock();
}

LogicalResult EntryOp::verify() {
  if (std::optional<IntegerSet> guard = getGuard()) {
    if (guard->getNumDims() != 0 || guard->getNumSymbols() != kLaunchSymbolCount) {
      return emitOpError() << "guard has " << guard->getNumDims() << " dimensions and "
                           << guard->getNumSymbols() << " symbols, expected 0 and "
                           << kLaunchSymbolCount << " [exec_entry.1]";
    }
    if (llvm::is_contained(guard->getEqFlags(), true)) {
      return emitOpError("guard has an equality, expected expressions that must be >= 0 "
                         "[exec_entry.2]");
    }
  }
  for (Operation &op : *getBody()) {
    if (!isa<DispatchOp, RepeatOp>(op)) {
      return op.emitOpError(
          "stands in an entry, which holds dispatches and repeats [exec_entry.3]");
    }
  }
  return success();
}

void RepeatOp::build(OpBuilder &builder, OperationState &state, int64_t begin, int64_t end,
                     int64_t step) {
  state.addAttribute(getLayersAttrName(state.name),
                     LayersAttr::get(builder.getContext(), begin, end, step));
  state.addRegion()->emplaceBlock();
}

void DispatchOp::build(OpBuilder &builder, OperationState &state, StringRef kernel, AffineMap items,
                       ArrayRef<ArgAttr> args) {
  SmallVector<Attribute> slots(args.begin(), args.end());
  state.addAttribute(getKernelAttrName(state.name),
                     FlatSymbolRefAttr::get(builder.getContext(), kernel));
  state.addAttribute(getItemsAttrName(state.name), AffineMapAttr::get(items));
  state.addAttribute(getArgsAttrName(state.name), builder.getArrayAttr(slots));
}

/// Every layer of the loop (null: none) must have this weight.
static LogicalResult verifyWeightLayers(DispatchOp op, ArgAttr arg, WeightOp weight,
                                        LayersAttr loop) {
  if (!weight.getLayers()) {
    if (arg.getScale() != 0 || arg.getOffset() != 0) {
      return op.emitOpError() << "indexes " << arg.getRef()
                              << ", which has no layers [exec_dispatch.5]";
    }
    return success();
  }
  LayersAttr layers = *weight.getLayers();
  int64_t begin = loop ? loop.getBegin() : 0;
  int64_t last = loop ? loop.getLast() : 0;
  int64_t step = loop ? loop.getStep() : 1;
  for (int64_t layer = begin; layer <= last; layer += step) {
    int64_t wanted = arg.getScale() * layer + arg.getOffset();
    if (!layers.contains(wanted)) {
      InFlightDiagnostic diagnostic = op.emitOpError() << "wants layer " << wanted << " of "
                                                       << arg.getRef() << " [exec_dispatch.6]";
      diagnostic.attachNote(weight.getLoc()) << "which has layers " << layers.getBegin() << " to "
                                             << layers.getEnd() << " step " << layers.getStep();
      return diagnostic;
    }
  }
  return success();
}

/// The slots of the kernel's tensor maps must be what the maps say.
static LogicalResult verifyTensorMaps(DispatchOp op, KernelOp kernel) {
  if (!kernel.getTensorMaps()) {
    return success();
  }
  int64_t count = static_cast<int64_t>(op.getArgs().size());
  auto slot = [&](int64_t number) { return cast<ArgAttr>(op.getArgs()[number]); };
  for (TensorMapAttr map : kernel.getTensorMaps()->getAsRange<TensorMapAttr>()) {
    if (map.getSlot() >= count || !slot(map.getSlot()).isRef()) {
      return op.emitOpError() << "launches " << op.getKernelAttr() << " with a tensor map of slot "
                              << map.getSlot() << ", which is no memory [exec_dispatch.7]";
    }
    if (map.getRowsSlot() >= count ||
        (map.getRowsSlot() >= 0 && !slot(map.getRowsSlot()).isLaunchSymbol())) {
      return op.emitOpError() << "launches " << op.getKernelAttr()
                              << " with a tensor map of as many rows as slot " << map.getRowsSlot()
                              << ", which is no launch symbol [exec_dispatch.8]";
    }
  }
  return success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto variant = (*this)->getParentOfType<VariantOp>();
  auto kernel = tables.lookupSymbolIn<KernelOp>(variant, getKernelAttr());
  if (!kernel) {
    return emitOpError() << "launches " << getKernelAttr()
                         << ", which is no kernel of the variant [exec_dispatch.1]";
  }
  if (failed(verifyTensorMaps(*this, kernel))) {
    return failure();
  }
  auto repeat = dyn_cast<RepeatOp>((*this)->getParentOp());
  LayersAttr loop = repeat ? repeat.getLayers() : LayersAttr();
  for (ArgAttr arg : getArgs().getAsRange<ArgAttr>()) {
    if (!arg.isRef()) {
      continue;
    }
    if (!loop && arg.getScale() != 0) {
      return emitOpError() << "indexes " << arg.getRef()
                           << " by l outside a repeat [exec_dispatch.2]";
    }
    Operation *target = tables.lookupSymbolIn(variant, arg.getRef());
    if (auto weight = dyn_cast_or_null<WeightOp>(target)) {
      if (failed(verifyWeightLayers(*this, arg, weight, loop))) {
        return failure();
      }
      continue;
    }
    if (!isa_and_nonnull<BufferOp, CacheOp>(target)) {
      return emitOpError()
             << "names " << arg.getRef()
             << ", which is no buffer, weight or cache of the variant [exec_dispatch.3]";
    }
    int64_t first = arg.getScale() * (loop ? loop.getBegin() : 0) + arg.getOffset();
    int64_t last = arg.getScale() * (loop ? loop.getLast() : 0) + arg.getOffset();
    auto cache = dyn_cast<CacheOp>(target);
    if (std::min(first, last) < 0 ||
        (cache && std::max(first, last) >= static_cast<int64_t>(cache.getLayers()))) {
      return emitOpError() << "indexes " << arg.getRef() << " from " << std::min(first, last)
                           << " to " << std::max(first, last)
                           << ", expected an index that it has [exec_dispatch.4]";
    }
  }
  return success();
}

} // namespace mlir::dsv2_exec
