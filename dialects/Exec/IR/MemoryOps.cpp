//===- MemoryOps.cpp - variants, weights, buffers, code -------------------===//
//
// Builders and verifiers. What needs arithmetic over whole programs (bounds of copies, sizes at the
// caps) is checked once, when the artifact is written (lib/Artifact/VerifyProgram.h).
//
//===----------------------------------------------------------------------===//
#include "dialects/Exec/IR/Exec.h"

namespace mlir::dsv2_exec {

static bool isFloatElement(Type type) { return type.isF32() || type.isBF16(); }

/// Expressions of a size or grid: over the launch symbols and nothing else.
static LogicalResult verifyLaunchMap(Operation *op, AffineMap map, StringRef what) {
  if (map.getNumDims() != 0 || map.getNumSymbols() != kLaunchSymbolCount ||
      map.getNumResults() == 0) {
    return op->emitOpError() << what << " has " << map.getNumDims() << " dimensions, "
                             << map.getNumSymbols() << " symbols and " << map.getNumResults()
                             << " results, expected 0, " << kLaunchSymbolCount
                             << " and at least one [exec_launch.1]";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// VariantOp
//===----------------------------------------------------------------------===//

void VariantOp::build(OpBuilder &builder, OperationState &state, StringRef name, StringRef driver,
                      StringRef tier, StringRef compute, int64_t maxContext, int64_t maxBatch,
                      int64_t maxStepTokens, ArrayRef<float> ropeInverseFrequencies,
                      float ropeMagnitude) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getDriverAttrName(state.name), builder.getStringAttr(driver));
  state.addAttribute(getTierAttrName(state.name), builder.getStringAttr(tier));
  state.addAttribute(getComputeAttrName(state.name), builder.getStringAttr(compute));
  state.addAttribute(getMaxContextAttrName(state.name), builder.getI64IntegerAttr(maxContext));
  state.addAttribute(getMaxBatchAttrName(state.name), builder.getI64IntegerAttr(maxBatch));
  state.addAttribute(getMaxStepTokensAttrName(state.name),
                     builder.getI64IntegerAttr(maxStepTokens));
  state.addAttribute(getRopeInverseFrequenciesAttrName(state.name),
                     builder.getDenseF32ArrayAttr(ropeInverseFrequencies));
  state.addAttribute(getRopeMagnitudeAttrName(state.name), builder.getF32FloatAttr(ropeMagnitude));
  state.addRegion()->emplaceBlock();
}

LogicalResult VariantOp::verifyRegions() {
  ImageOp image;
  for (Operation &op : *getBody()) {
    if (!isa<WeightOp, KernelOp, ImageOp, BufferOp, CacheOp, EntryOp>(op)) {
      return op.emitOpError("stands in a variant, which holds weights, kernels, an image, buffers, "
                            "caches and entries [exec_variant.1]");
    }
    if (auto other = dyn_cast<ImageOp>(op)) {
      if (image) {
        InFlightDiagnostic diagnostic =
            other.emitOpError("is a second image of its variant [exec_variant.2]");
        diagnostic.attachNote(image.getLoc()) << "the first is here";
        return diagnostic;
      }
      image = other;
    }
  }
  for (KernelOp kernel : getOps<KernelOp>()) {
    if (!kernel.getOffset()) {
      continue;
    }
    int64_t end = *kernel.getOffset() + *kernel.getSize();
    bool flat = !image || image.getFormat() == "flat";
    int64_t room = !image ? 0
                   : flat ? static_cast<int64_t>(image.getTextSize())
                          : cast<DenseIntElementsAttr>(image.getCode()).getNumElements();
    if (end > room) {
      return kernel.emitOpError() << "ends at " << end << ", the image has " << room << " bytes"
                                  << (flat ? " of text" : "") << " [exec_variant.3]";
    }
    if (kernel.getBinaryOffset() &&
        (!image || image.getFormat() != "ptx" ||
         *kernel.getBinaryOffset() + *kernel.getBinarySize() > uint64_t(room))) {
      return kernel.emitOpError() << "has a binary that ends at "
                                  << *kernel.getBinaryOffset() + *kernel.getBinarySize()
                                  << ", expected one within an image of text of " << room
                                  << " bytes [exec_variant.4]";
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// WeightOp
//===----------------------------------------------------------------------===//

LogicalResult WeightOp::verify() {
  if (!isFloatElement(getElementType())) {
    return emitOpError() << "has type " << getElementType()
                         << ", expected f32 or bf16 [exec_weight.1]";
  }
  for (CopyAttr copy : getCopies().getAsRange<CopyAttr>()) {
    if (copy.getSource() >= static_cast<int64_t>(getSources().size())) {
      return emitOpError() << "has a copy of source " << copy.getSource() << ", there are "
                           << getSources().size() << " [exec_weight.2]";
    }
    auto source = cast<SourceAttr>(getSources()[copy.getSource()]);
    bool once =
        copy.getExpertBegin() == 0 && copy.getExpertCount() == 1 && copy.getExpertDstStride() == 0;
    if (!source.getName().getValue().contains("{e}") && !once) {
      return emitOpError() << "repeats a copy of " << source.getName()
                           << " for experts, but the name has no {e} [exec_weight.3]";
    }
  }
  if (!getLayers()) {
    for (SourceAttr source : getSources().getAsRange<SourceAttr>()) {
      if (source.getName().getValue().contains("{l}")) {
        return emitOpError() << "has no layers but source " << source.getName()
                             << " has {l} [exec_weight.4]";
      }
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// KernelOp
//===----------------------------------------------------------------------===//

void KernelOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                     StringRef kernelBuilder, DictionaryAttr spec) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getKernelBuilderAttrName(state.name), builder.getStringAttr(kernelBuilder));
  state.addAttribute(getScratchAttrName(state.name), builder.getI64IntegerAttr(0));
  if (spec) {
    state.addAttribute(getSpecAttrName(state.name), spec);
  }
  state.addRegion()->emplaceBlock();
}

void KernelOp::build(OpBuilder &builder, OperationState &state, StringRef name) {
  build(builder, state, name, "generic", DictionaryAttr());
}

LogicalResult KernelOp::verify() {
  if (getOffset().has_value() != getSize().has_value()) {
    return emitOpError("has one of offset and size, expected both or none [exec_kernel.1]");
  }
  if (getBinaryOffset().has_value() != getBinarySize().has_value() ||
      (getBinaryOffset() && !getOffset())) {
    return emitOpError("has one of a binary's offset and size, or a binary without a module, "
                       "expected all or none [exec_kernel.4]");
  }
  if (!getOffset() && !getSpec() && getBody()->empty()) {
    return emitOpError("has neither a spec nor a body nor code [exec_kernel.2]");
  }
  if (getSpec() && !getBody()->empty()) {
    return emitOpError("has a spec and a body, expected one of them [exec_kernel.3]");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// ImageOp
//===----------------------------------------------------------------------===//

void ImageOp::build(OpBuilder &builder, OperationState &state, StringRef format, int64_t textSize,
                    ArrayRef<uint8_t> bytes) {
  state.addAttribute(getFormatAttrName(state.name), builder.getStringAttr(format));

  auto type = RankedTensorType::get(static_cast<int64_t>(bytes.size()), builder.getI8Type());
  ArrayRef<char> raw(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  state.addAttribute(getTextSizeAttrName(state.name), builder.getI64IntegerAttr(textSize));
  state.addAttribute(getCodeAttrName(state.name), DenseElementsAttr::getFromRawBuffer(type, raw));
}

LogicalResult ImageOp::verify() {
  // Those of lib/Artifact/Program.h.
  if (!llvm::is_contained({"flat", "ptx", "cubin", "hsaco"}, getFormat())) {
    return emitOpError() << "has the format '" << getFormat()
                         << "', expected flat, ptx, cubin or hsaco [exec_image.1]";
  }
  if (getFormat() != "flat" && getTextSize() != 0) {
    return emitOpError() << "of format " << getFormat() << " has " << getTextSize()
                         << " bytes of text, expected 0 [exec_image.2]";
  }
  auto code = dyn_cast<DenseIntElementsAttr>(getCode());
  if (!code || !code.getElementType().isInteger(8) || code.getType().getRank() != 1) {
    return emitOpError() << "has code of type " << getCode().getShapedType()
                         << ", expected a dense tensor of rank 1 of i8 [exec_image.3]";
  }
  int64_t size = code.getNumElements();
  int64_t text = static_cast<int64_t>(getTextSize());
  if (size % 4096 != 0 || text % 4096 != 0 || text > size) {
    return emitOpError() << "has " << text << " bytes of text of " << size
                         << ", expected whole pages of 4096 bytes [exec_image.4]";
  }
  return success();
}

std::vector<uint8_t> ImageOp::getBytes() {
  auto code = cast<DenseIntElementsAttr>(getCode());
  ArrayRef<char> raw = code.getRawData();
  if (code.isSplat() && !raw.empty()) { // stored as one byte
    return std::vector<uint8_t>(static_cast<size_t>(code.getNumElements()),
                                static_cast<uint8_t>(raw.front()));
  }
  return {raw.begin(), raw.end()};
}

//===----------------------------------------------------------------------===//
// BufferOp and CacheOp
//===----------------------------------------------------------------------===//

void BufferOp::build(OpBuilder &builder, OperationState &state, StringRef name, Type elementType,
                     AffineMap elements) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getElementTypeAttrName(state.name), TypeAttr::get(elementType));
  state.addAttribute(getElementsAttrName(state.name), AffineMapAttr::get(elements));
}

LogicalResult BufferOp::verify() {
  Type type = getElementType();
  if (!isFloatElement(type) && !type.isInteger(32) && !type.isInteger(64)) {
    return emitOpError() << "has type " << type
                         << ", expected f32, bf16, i32 or i64 [exec_buffer.1]";
  }
  if (getTable() && getOutput()) {
    return emitOpError("is a table and an output, expected one of them [exec_buffer.2]");
  }
  if (getLiveBegin().has_value() != getLiveEnd().has_value()) {
    return emitOpError("has one end of a live interval, expected both or none [exec_buffer.3]");
  }
  if (getLiveBegin() && !isArena()) {
    return emitOpError("is a table or an output, which are always live, but has a live interval "
                       "[exec_buffer.4]");
  }
  if (getLiveBegin() && *getLiveBegin() >= *getLiveEnd()) {
    return emitOpError() << "is live " << *getLiveBegin() << " to " << *getLiveEnd()
                         << ", expected a begin before the end [exec_buffer.5]";
  }
  return verifyLaunchMap(*this, getElements(), "size");
}

LogicalResult CacheOp::verify() {
  if (!isFloatElement(getElementType())) {
    return emitOpError() << "has type " << getElementType()
                         << ", expected f32 or bf16 [exec_cache.1]";
  }
  if (getPageTokens() > 64) {
    return emitOpError() << "has pages of " << getPageTokens()
                         << " tokens, expected at most 64 [exec_cache.2]";
  }
  return success();
}

LogicalResult DispatchOp::verify() { return verifyLaunchMap(*this, getItems(), "number of items"); }

} // namespace mlir::dsv2_exec
