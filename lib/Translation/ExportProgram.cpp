//===- ExportProgram.cpp - dsv2_exec IR to the artifact's program -------------===//

#include "lib/Translation/ExportProgram.h"

#include "dialects/Exec/IR/Exec.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace mlir::dsv2;
using namespace mlir::dsv2_exec;
using ::dsv2::ExprOp;

// The number of a symbol in a map is its number in the artifact.
static_assert(kLaunchSymbolCount == ::dsv2::kSymbolCount &&
              uint8_t(LaunchSymbol::Rows) == uint8_t(::dsv2::Symbol::Rows) &&
              uint8_t(LaunchSymbol::Sequences) == uint8_t(::dsv2::Symbol::Sequences) &&
              uint8_t(LaunchSymbol::Wanted) == uint8_t(::dsv2::Symbol::Wanted) &&
              uint8_t(LaunchSymbol::Context) == uint8_t(::dsv2::Symbol::Context) &&
              uint8_t(LaunchSymbol::Workers) == uint8_t(::dsv2::Symbol::Workers) &&
              uint8_t(LaunchSymbol::Replay) == uint8_t(::dsv2::Symbol::Replay));

namespace {

/// Appends `expr` in postfix order.
void appendExpr(AffineExpr expr, ::dsv2::Expr &out) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    out.code.push_back({ExprOp::Constant, constant.getValue()});
    return;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    out.code.push_back({ExprOp::Symbol, int64_t(symbol.getPosition())});
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  appendExpr(binary.getLHS(), out);
  appendExpr(binary.getRHS(), out);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    out.code.push_back({ExprOp::Add, 0});
    return;
  case AffineExprKind::Mul:
    out.code.push_back({ExprOp::Mul, 0});
    return;
  case AffineExprKind::CeilDiv:
    out.code.push_back({ExprOp::CeilDiv, 0});
    return;
  case AffineExprKind::FloorDiv:
    out.code.push_back({ExprOp::FloorDiv, 0});
    return;
  default:
    out.code.push_back({ExprOp::Mod, 0});
    return;
  }
}

/// The minimum of the map's results.
::dsv2::Expr exportMap(AffineMap map) {
  ::dsv2::Expr out;
  for (AffineExpr result : map.getResults()) {
    appendExpr(result, out);
  }
  for (unsigned i = 1; i < map.getNumResults(); ++i) {
    out.code.push_back({ExprOp::Min, 0});
  }
  return out;
}

::dsv2::ElementType exportType(Type type) {
  if (type.isBF16()) {
    return ::dsv2::ElementType::BF16;
  }
  if (type.isF32()) {
    return ::dsv2::ElementType::F32;
  }
  if (isa<Float8E4M3FNType>(type)) {
    return ::dsv2::ElementType::F8E4M3;
  }
  return type.isInteger(64) ? ::dsv2::ElementType::I64 : ::dsv2::ElementType::I32;
}

/// Exports one variant; numbers of symbols are their order in the text.
class VariantExporter {
public:
  explicit VariantExporter(VariantOp variant) : variant(variant) {}

  FailureOr<::dsv2::Variant> run() {
    out.name = variant.getSymName().str();
    out.driver = variant.getDriver().str();
    out.tier = variant.getTier().str();
    out.compute = variant.getCompute().str();
    out.maxContext = variant.getMaxContext();
    out.maxBatch = variant.getMaxBatch();
    out.maxStepTokens = variant.getMaxStepTokens();
    out.ropeInverseFrequencies.assign(variant.getRopeInverseFrequencies().begin(),
                                      variant.getRopeInverseFrequencies().end());
    out.ropeMagnitude = variant.getRopeMagnitude().convertToFloat();
    // Declarations first: programs refer to them by number.
    for (Operation &op : *variant.getBody()) {
      if (failed(exportDeclaration(op))) {
        return failure();
      }
    }
    if (out.image.bytes.empty()) {
      return variant.emitOpError("has no image: it has not reached the stage 'codegen'");
    }
    for (auto entry : variant.getOps<EntryOp>()) {
      exportEntry(entry);
    }
    return std::move(out);
  }

private:
  LogicalResult exportDeclaration(Operation &op) {
    if (auto weight = dyn_cast<WeightOp>(op)) {
      number(weight.getSymName(), ::dsv2::ArgKind::Weight, out.weights.size());
      out.weights.push_back(exportWeight(weight));
    } else if (auto kernel = dyn_cast<KernelOp>(op)) {
      if (!kernel.getOffset()) {
        return kernel.emitOpError("has no code: the module has not reached the stage 'codegen'");
      }
      kernels[kernel.getSymName()] = out.kernels.size();
      out.kernels.push_back(
          {kernel.getSymName().str(), kernel.getKernelBuilder().str(), *kernel.getOffset(),
           *kernel.getSize(), kernel.getScratch(), uint32_t(kernel.getThreads().value_or(1)),
           uint32_t(kernel.getShared().value_or(0)), exportMaps(kernel),
           kernel.getBinaryOffset().value_or(0), kernel.getBinarySize().value_or(0)});
    } else if (auto image = dyn_cast<ImageOp>(op)) {
      for (auto format : {::dsv2::ImageFormat::Flat, ::dsv2::ImageFormat::Ptx,
                          ::dsv2::ImageFormat::Cubin, ::dsv2::ImageFormat::Hsaco}) {
        if (image.getFormat() == ::dsv2::imageFormatName(format)) {
          out.image.format = format;
        }
      }
      out.image.textBytes = image.getTextSize();
      out.image.bytes = image.getBytes();
    } else if (auto buffer = dyn_cast<BufferOp>(op)) {
      return exportBuffer(buffer);
    } else if (auto cache = dyn_cast<CacheOp>(op)) {
      number(cache.getSymName(), ::dsv2::ArgKind::Cache, out.caches.size());
      out.caches.push_back({cache.getSymName().str(), exportType(cache.getElementType()),
                            int64_t(cache.getLayers()), int64_t(cache.getPageTokens()),
                            int64_t(cache.getRowElements())});
    }
    return success();
  }

  std::vector<::dsv2::TensorMap> exportMaps(KernelOp kernel) {
    std::vector<::dsv2::TensorMap> maps;
    if (std::optional<ArrayAttr> attributes = kernel.getTensorMaps()) {
      for (TensorMapAttr map : attributes->getAsRange<TensorMapAttr>()) {
        maps.push_back({uint32_t(map.getSlot()), map.getColumns(), map.getRowBytes(),
                        int32_t(map.getRowsSlot()), uint32_t(map.getBoxRows())});
      }
    }
    return maps;
  }

  LogicalResult exportBuffer(BufferOp op) {
    ::dsv2::Buffer buffer;
    buffer.name = op.getSymName().str();
    buffer.type = exportType(op.getElementType());
    buffer.elements = exportMap(op.getElements());
    if (op.getTable()) {
      buffer.kind = ::dsv2::BufferKind::Table;
      buffer.table = op.getTable()->str();
    } else if (op.getOutput()) {
      buffer.kind = ::dsv2::BufferKind::Output;
      buffer.table = op.getOutput()->str();
    } else if (!op.getLiveBegin() || !op.getLiveEnd()) {
      return op.emitOpError("has no live interval: the module has not reached the stage 'buffers'");
    } else {
      buffer.liveBegin = *op.getLiveBegin();
      buffer.liveEnd = *op.getLiveEnd();
    }
    number(op.getSymName(), ::dsv2::ArgKind::Buffer, out.buffers.size());
    out.buffers.push_back(std::move(buffer));
    return success();
  }

  ::dsv2::Weight exportWeight(WeightOp op) {
    ::dsv2::Weight weight;
    weight.name = op.getSymName().str();
    weight.type = exportType(op.getElementType());
    weight.elements = op.getElements();
    if (LayersAttr layers = op.getLayersAttr()) {
      weight.layers = {layers.getBegin(), layers.getEnd(), layers.getStep(), false};
    }
    for (auto source : op.getSources().getAsRange<SourceAttr>()) {
      weight.sources.push_back({source.getName().str(),
                                exportType(source.getType().getElementType()),
                                source.getType().getShape().vec(),
                                source.getScales() ? source.getScales().str() : std::string(),
                                source.getBlockRows(), source.getBlockColumns()});
    }
    for (auto attribute : op.getCopies().getAsRange<CopyAttr>()) {
      ::dsv2::WeightCopy copy;
      copy.source = uint32_t(attribute.getSource());
      copy.srcOffset = attribute.getSrcOffset();
      copy.dstOffset = attribute.getDstOffset();
      for (auto [extent, from, to] : llvm::zip(attribute.getExtents(), attribute.getSrcStrides(),
                                               attribute.getDstStrides())) {
        copy.dims.push_back({extent, from, to});
      }
      copy.expertBegin = attribute.getExpertBegin();
      copy.expertCount = attribute.getExpertCount();
      copy.expertDstStride = attribute.getExpertDstStride();
      weight.copies.push_back(std::move(copy));
    }
    return weight;
  }

  void exportEntry(EntryOp op) {
    ::dsv2::Entry entry;
    entry.name = op.getSymName().str();
    if (std::optional<IntegerSet> guard = op.getGuard()) {
      for (AffineExpr constraint : guard->getConstraints()) {
        entry.guard.emplace_back();
        appendExpr(constraint, entry.guard.back());
      }
    }
    std::vector<bool> used(out.buffers.size());
    for (Operation &inner : *op.getBody()) {
      ::dsv2::Step step;
      if (auto repeat = dyn_cast<RepeatOp>(inner)) {
        step.isRepeat = true;
        step.begin = repeat.getLayers().getBegin();
        step.end = repeat.getLayers().getEnd();
        step.step = repeat.getLayers().getStep();
        for (auto dispatch : repeat.getBody()->getOps<DispatchOp>()) {
          step.body.push_back(exportDispatch(dispatch, used));
        }
      } else {
        step.dispatch = exportDispatch(cast<DispatchOp>(inner), used);
      }
      entry.steps.push_back(std::move(step));
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i]) {
        entry.buffers.push_back(uint32_t(i));
      }
    }
    out.entries.push_back(std::move(entry));
  }

  ::dsv2::Dispatch exportDispatch(DispatchOp op, std::vector<bool> &used) {
    ::dsv2::Dispatch dispatch;
    dispatch.kernel = uint32_t(kernels.lookup(op.getKernel()));
    dispatch.items = exportMap(op.getItems());
    for (auto attribute : op.getArgs().getAsRange<ArgAttr>()) {
      ::dsv2::Arg arg;
      if (attribute.isRef()) {
        auto [kind, index] = numbers.lookup(attribute.getRef().getValue());
        arg.kind = kind;
        arg.index = index;
        arg.layerScale = attribute.getScale();
        arg.layerOffset = attribute.getOffset();
        if (kind == ::dsv2::ArgKind::Buffer &&
            out.buffers[index].kind == ::dsv2::BufferKind::Arena) {
          used[index] = true;
        }
      } else if (attribute.isLaunchSymbol()) {
        arg.kind = ::dsv2::ArgKind::Symbol;
        arg.index = uint32_t(attribute.getLaunchSymbol());
      } else {
        arg.kind = ::dsv2::ArgKind::Constant;
        arg.value = attribute.getValue();
      }
      dispatch.args.push_back(arg);
    }
    return dispatch;
  }

  void number(StringRef name, ::dsv2::ArgKind kind, size_t index) {
    numbers[name] = {kind, uint32_t(index)};
  }

  VariantOp variant;
  ::dsv2::Variant out;
  llvm::StringMap<std::pair<::dsv2::ArgKind, uint32_t>> numbers;
  llvm::StringMap<size_t> kernels;
};

LogicalResult exportModel(ModuleOp module, ::dsv2::ModelInfo &out) {
  auto model = module->getAttrOfType<DictionaryAttr>("dsv2.model");
  if (!model) {
    return module.emitError("has no attribute 'dsv2.model'");
  }
  auto integer = [&](StringRef key, int64_t absent) {
    auto value = model.getAs<IntegerAttr>(key);
    return value ? value.getInt() : absent;
  };
  for (StringRef key : {"vocab", "hidden", "layers", "max_context"}) {
    if (!model.getAs<IntegerAttr>(key)) {
      return module.emitError() << "attribute 'dsv2.model' has no integer '" << key << "'";
    }
  }
  if (auto name = model.getAs<StringAttr>("name")) {
    out.name = name.str();
  }
  out.vocab = integer("vocab", 0);
  out.hidden = integer("hidden", 0);
  out.layers = integer("layers", 0);
  out.maxPosition = integer("max_context", 0);
  out.bos = integer("bos", -1);
  out.routedExperts = integer("routed_experts", 0);
  out.topK = integer("top_k", 0);
  if (auto layers = model.getAs<DenseI64ArrayAttr>("routed_layers")) {
    out.routedLayerNumbers.assign(layers.asArrayRef().begin(), layers.asArrayRef().end());
  }
  if (auto eos = model.getAs<ArrayAttr>("eos")) {
    for (auto id : eos.getAsRange<IntegerAttr>()) {
      out.eos.push_back(id.getInt());
    }
  }
  return success();
}

} // namespace

FailureOr<::dsv2::Program> mlir::dsv2::exportProgram(ModuleOp module) {
  auto stage = module->getAttrOfType<StringAttr>("dsv2.stage");
  if (!stage || stage.getValue() != "codegen") {
    return module.emitError() << "is at stage '" << (stage ? stage.getValue() : StringRef("none"))
                              << "', expected 'codegen' (dsv2-opt --dsv2-compile)";
  }
  ::dsv2::Program program;
  if (failed(exportModel(module, program.model))) {
    return failure();
  }
  for (auto variant : module.getOps<VariantOp>()) {
    FailureOr<::dsv2::Variant> exported = VariantExporter(variant).run();
    if (failed(exported)) {
      return failure();
    }
    program.variants.push_back(std::move(*exported));
  }
  if (program.variants.empty()) {
    return module.emitError("has no variant");
  }
  return program;
}
