//===- ProgramBuilder.cpp - Fill a variant with buffers, kernels, dispatches ------------------===//
//
// Names are the only state: everything else is in the ops. Tables keep the name that the runtime
// knows them by, whatever the weights of the model are called.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToExec/ProgramBuilder.h"
#include "lib/Conversion/PrepareToCopies/PrepareToCopies.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::dsv2;

// Vectors of a kernel may read past the last row of a buffer, never further than this many
// elements.
static constexpr int64_t kSlack = 64;

ProgramBuilder::ProgramBuilder(dsv2_exec::VariantOp variant, ModuleOp model,
                               RoutedLayers routedLayers)
    : variant(variant), modelSymbols(model), routed(routedLayers),
      declarations(OpBuilder::atBlockEnd(variant.getBody())),
      body(OpBuilder::atBlockEnd(variant.getBody())) {}

int64_t ProgramBuilder::packing(Type element, unsigned which) const {
  auto all = variant->getAttrOfType<DictionaryAttr>(kPackingAttr);
  auto numbers =
      all ? all.getAs<DenseI64ArrayAttr>(element.isBF16() ? "bf16" : "f32") : DenseI64ArrayAttr();
  return numbers && numbers.size() == 2 ? numbers[which] : 1;
}
int64_t ProgramBuilder::rowsOfItem() const {
  auto all = variant->getAttrOfType<DictionaryAttr>(kPackingAttr);
  auto rows = all ? all.getAs<IntegerAttr>("rows") : IntegerAttr();
  return rows ? rows.getInt() : 0;
}
::dsv2::AttentionTile ProgramBuilder::attentionTile(Type element) const {
  auto all = variant->getAttrOfType<DictionaryAttr>(kPackingAttr);
  auto numbers =
      all ? all.getAs<DenseI64ArrayAttr>(element.isBF16() ? "bf16_attention" : "f32_attention")
          : DenseI64ArrayAttr();
  ::dsv2::AttentionTile out;
  if (numbers && numbers.size() == 2) {
    out.heads = numbers[0];
    out.tokens = numbers[1];
  }
  return out;
}
int64_t ProgramBuilder::panelOf(Type element) const { return packing(element, 0); }
int64_t ProgramBuilder::pairOf(Type element) const {
  return isa<FloatType>(element) ? packing(element, 1) : 1;
}

std::string ProgramBuilder::unique(StringRef base) {
  // A weight of the model may already have the name that comes next.
  std::string name;
  do {
    name = (base + "_" + Twine(taken[base]++)).str();
  } while (taken.contains(name));
  taken[name] = 0;
  return name;
}

std::string ProgramBuilder::claim(StringRef name) {
  if (taken.contains(name)) {
    return unique(name);
  }
  taken[name] = 0;
  return name.str();
}

std::string ProgramBuilder::addBuffer(StringRef hint, Type element, AffineExpr elements) {
  std::string name = unique(hint);
  dsv2_exec::BufferOp::create(declarations, variant.getLoc(), name, element,
                              sizes({elements + kSlack}));
  return name;
}

std::string ProgramBuilder::useTable(StringRef table, Type element, AffineExpr elements,
                                     bool output) {
  std::string &name = tableNames[table];
  if (!name.empty()) {
    return name;
  }
  name = claim(table);
  auto buffer =
      dsv2_exec::BufferOp::create(declarations, variant.getLoc(), name, element, sizes({elements}));
  if (output) {
    buffer.setOutput(table);
  } else {
    buffer.setTable(table);
  }
  return name;
}

std::string ProgramBuilder::useCache(CacheType type, int64_t pageTokens, int64_t rowElements) {
  if (cacheName.empty()) {
    cacheName = claim("cache");
    dsv2_exec::CacheOp::create(declarations, variant.getLoc(), cacheName, type.getElementType(),
                               type.getLayers(), pageTokens, rowElements);
  }
  return cacheName;
}

/// The MLIR type of a checkpoint tensor's elements.
static Type sourceType(MLIRContext *context, ::dsv2::ElementType type) {
  switch (type) {
  case ::dsv2::ElementType::BF16:
    return BFloat16Type::get(context);
  case ::dsv2::ElementType::F8E4M3:
    return Float8E4M3FNType::get(context);
  default:
    return Float32Type::get(context);
  }
}

FailureOr<std::string> ProgramBuilder::useWeight(WeightOp use, Type element,
                                                 const PreparedLayout &layout) {
  std::string key = use.getFamily().str();
  llvm::raw_string_ostream(key) << " " << element << " " << layout.packed << " "
                                << layout.splitRows;
  std::string &name = weightNames[key];
  if (!name.empty()) {
    return name;
  }
  Operation *symbol = modelSymbols.lookup(use.getFamily());
  if (!symbol) {
    return use.emitOpError() << "names an unknown family " << use.getFamilyAttr();
  }
  WeightLayout memory;
  if (layout.packed) {
    memory = {panelOf(element), pairOf(element), layout.splitRows};
  }
  FailureOr<::dsv2::Weight> weight =
      reduceWeight(symbol, modelSymbols, memory,
                   element.isBF16() ? ::dsv2::ElementType::BF16 : ::dsv2::ElementType::F32);
  if (failed(weight)) {
    return failure();
  }
  name = claim(use.getFamily());

  MLIRContext *c = context();
  SmallVector<Attribute> sources, copies;
  for (const ::dsv2::WeightSource &source : weight->sources) {
    sources.push_back(dsv2_exec::SourceAttr::get(
        c, StringAttr::get(c, source.name),
        RankedTensorType::get(source.shape, sourceType(c, source.type)),
        source.scales.empty() ? StringAttr() : StringAttr::get(c, source.scales), source.blockRows,
        source.blockColumns));
  }
  for (const ::dsv2::WeightCopy &copy : weight->copies) {
    SmallVector<int64_t> extents, from, to;
    for (const ::dsv2::CopyDim &dim : copy.dims) {
      extents.push_back(dim.extent);
      from.push_back(dim.srcStride);
      to.push_back(dim.dstStride);
    }
    copies.push_back(dsv2_exec::CopyAttr::get(c, copy.source, copy.srcOffset, copy.dstOffset,
                                              extents, from, to, copy.expertBegin, copy.expertCount,
                                              copy.expertDstStride));
  }
  dsv2_exec::LayersAttr layers;
  if (!weight->layers.global) {
    layers = dsv2_exec::LayersAttr::get(c, weight->layers.begin, weight->layers.end,
                                        weight->layers.step);
  }
  dsv2_exec::WeightOp::create(declarations, symbol->getLoc(), StringAttr::get(c, name), layers,
                              TypeAttr::get(element),
                              declarations.getI64IntegerAttr(weight->elements),
                              ArrayAttr::get(c, sources), ArrayAttr::get(c, copies));
  return name;
}

std::string ProgramBuilder::useKernel(StringRef builder, DictionaryAttr spec,
                                      ArrayRef<int64_t> writes) {
  std::string key = builder.str();
  llvm::raw_string_ostream(key) << spec;
  std::string &name = kernelNames[key];
  if (name.empty()) {
    name = unique(builder);
    auto kernel = dsv2_exec::KernelOp::create(declarations, variant.getLoc(), name, builder, spec);
    kernel->setAttr(kWritesAttr, DenseI64ArrayAttr::get(context(), writes));
    ++numKernels;
  }
  return name;
}

std::string ProgramBuilder::useKernel(RowKernel &kernel, StringRef hint, ArrayRef<int64_t> writes) {
  int64_t scratch = kernel.scratchBytes();
  OwningOpRef<ModuleOp> module = kernel.finish();
  func::FuncOp function = *module->getOps<func::FuncOp>().begin();
  std::string key;
  llvm::raw_string_ostream(key) << function;
  std::string &name = kernelNames[key];
  if (name.empty()) {
    name = unique(hint);
    auto op = dsv2_exec::KernelOp::create(declarations, variant.getLoc(), name);
    op.setScratch(scratch);
    op->setAttr(kWritesAttr, DenseI64ArrayAttr::get(context(), writes));
    function->remove();
    function.setName(name);
    op.getBody()->push_back(function);
    ++numKernels;
  }
  return name;
}

void ProgramBuilder::beginEntry(Location loc, StringRef name, ArrayRef<AffineExpr> nonNegative) {
  body.setInsertionPointToEnd(variant.getBody());
  entry = dsv2_exec::EntryOp::create(
      body, loc, name,
      nonNegative.empty() ? IntegerSetAttr() : dsv2_exec::getGuard(context(), nonNegative));
  if (declarations.getInsertionPoint() == variant.getBody()->end()) {
    declarations.setInsertionPoint(entry);
  }
  body.setInsertionPointToEnd(entry.getBody());
}

void ProgramBuilder::beginRepeat(Location loc, RangeAttr layers) {
  auto repeat =
      dsv2_exec::RepeatOp::create(body, loc, layers.getBegin(), layers.getEnd(), layers.getStep());
  body.setInsertionPointToEnd(repeat.getBody());
}

void ProgramBuilder::endRepeat() { body.setInsertionPointToEnd(entry.getBody()); }

void ProgramBuilder::dispatch(Location loc, StringRef kernel, AffineMap items,
                              ArrayRef<Slot> slots) {
  SmallVector<dsv2_exec::ArgAttr> args;
  for (const Slot &slot : slots) {
    args.push_back(slot.kind == Slot::Kind::Symbol
                       ? dsv2_exec::ArgAttr::launch(context(), slot.symbol)
                       : dsv2_exec::ArgAttr::ref(context(), slot.name, slot.scale, slot.offset));
  }
  dsv2_exec::DispatchOp::create(body, loc, kernel, items, args);
  ++numDispatches;
}
