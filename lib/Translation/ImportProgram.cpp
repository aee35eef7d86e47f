//===- ImportProgram.cpp - the artifact's program to dsv2_exec IR -------------===//
//
// A plain walk. Expressions are rebuilt node by node; the affine constructors simplify, but what an
// exporter wrote is simplified already.
//
//===----------------------------------------------------------------------===//

#include "lib/Translation/ImportProgram.h"

#include "dialects/Exec/IR/Exec.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::dsv2_exec;
using ::dsv2::ExprOp;

namespace {

class ProgramImporter {
public:
  ProgramImporter(MLIRContext &context, const ::dsv2::Program &program)
      : context(context), program(program), builder(&context), loc(builder.getUnknownLoc()) {}

  OwningOpRef<ModuleOp> run();

private:
  /// The results whose minimum the expression is.
  SmallVector<AffineExpr> importResults(const ::dsv2::Expr &expr);
  AffineMap importMap(const ::dsv2::Expr &expr) {
    return getLaunchMap(&context, importResults(expr));
  }
  Type importType(::dsv2::ElementType type);
  DictionaryAttr importModel();

  void importVariant(const ::dsv2::Variant &variant);
  void importWeight(const ::dsv2::Weight &weight);
  void importBuffer(const ::dsv2::Buffer &buffer);
  void importKernel(const ::dsv2::Kernel &kernel);
  void importEntry(const ::dsv2::Variant &variant, const ::dsv2::Entry &entry);
  void importDispatch(const ::dsv2::Variant &variant, const ::dsv2::Dispatch &dispatch);
  ArgAttr importArg(const ::dsv2::Variant &variant, const ::dsv2::Arg &arg);

  MLIRContext &context;
  const ::dsv2::Program &program;
  OpBuilder builder;
  Location loc;
};

} // namespace

SmallVector<AffineExpr> ProgramImporter::importResults(const ::dsv2::Expr &expr) {
  SmallVector<AffineExpr> stack;
  for (const ::dsv2::ExprNode &node : expr.code) {
    if (node.op == ExprOp::Constant) {
      stack.push_back(getAffineConstantExpr(node.value, &context));
      continue;
    }
    if (node.op == ExprOp::Symbol) {
      stack.push_back(getAffineSymbolExpr(static_cast<unsigned>(node.value), &context));
      continue;
    }
    if (node.op == ExprOp::Min) {
      break; // they stand at the end and join what is on the stack
    }
    AffineExpr right = stack.pop_back_val();
    AffineExpr &left = stack.back();
    switch (node.op) {
    case ExprOp::Add:
      left = left + right;
      break;
    case ExprOp::Mul:
      left = left * right;
      break;
    case ExprOp::CeilDiv:
      left = left.ceilDiv(right);
      break;
    case ExprOp::FloorDiv:
      left = left.floorDiv(right);
      break;
    default:
      left = left % right;
      break;
    }
  }
  return stack;
}

Type ProgramImporter::importType(::dsv2::ElementType type) {
  switch (type) {
  case ::dsv2::ElementType::F32:
    return builder.getF32Type();
  case ::dsv2::ElementType::BF16:
    return builder.getBF16Type();
  case ::dsv2::ElementType::I32:
    return builder.getI32Type();
  case ::dsv2::ElementType::I64:
    return builder.getI64Type();
  case ::dsv2::ElementType::F8E4M3:
    return Float8E4M3FNType::get(&context);
  }
  return {};
}

DictionaryAttr ProgramImporter::importModel() {
  const ::dsv2::ModelInfo &model = program.model;
  NamedAttrList facts;
  facts.set("name", builder.getStringAttr(model.name));
  facts.set("vocab", builder.getI64IntegerAttr(model.vocab));
  facts.set("hidden", builder.getI64IntegerAttr(model.hidden));
  facts.set("layers", builder.getI64IntegerAttr(model.layers));
  facts.set("max_context", builder.getI64IntegerAttr(model.maxPosition));
  if (model.bos >= 0) {
    facts.set("bos", builder.getI64IntegerAttr(model.bos));
  }
  facts.set("eos", builder.getI64ArrayAttr(model.eos));
  if (!model.routedLayerNumbers.empty()) {
    facts.set("routed_experts", builder.getI64IntegerAttr(model.routedExperts));
    facts.set("top_k", builder.getI64IntegerAttr(model.topK));
    facts.set("routed_layers", builder.getDenseI64ArrayAttr(model.routedLayerNumbers));
  }
  return facts.getDictionary(&context);
}

void ProgramImporter::importWeight(const ::dsv2::Weight &weight) {
  SmallVector<Attribute> sources, copies;
  for (const ::dsv2::WeightSource &source : weight.sources) {
    StringAttr scales = source.scales.empty() ? StringAttr() : builder.getStringAttr(source.scales);
    sources.push_back(SourceAttr::get(&context, builder.getStringAttr(source.name),
                                      RankedTensorType::get(source.shape, importType(source.type)),
                                      scales, source.blockRows, source.blockColumns));
  }
  for (const ::dsv2::WeightCopy &copy : weight.copies) {
    SmallVector<int64_t> extents, srcStrides, dstStrides;
    for (const ::dsv2::CopyDim &dim : copy.dims) {
      extents.push_back(dim.extent);
      srcStrides.push_back(dim.srcStride);
      dstStrides.push_back(dim.dstStride);
    }
    copies.push_back(CopyAttr::get(&context, copy.source, copy.srcOffset, copy.dstOffset, extents,
                                   srcStrides, dstStrides, copy.expertBegin, copy.expertCount,
                                   copy.expertDstStride));
  }
  LayersAttr layers;
  if (!weight.layers.global) {
    layers = LayersAttr::get(&context, weight.layers.begin, weight.layers.end, weight.layers.step);
  }
  WeightOp::create(builder, loc, builder.getStringAttr(weight.name), layers,
                   TypeAttr::get(importType(weight.type)),
                   builder.getI64IntegerAttr(weight.elements), builder.getArrayAttr(sources),
                   builder.getArrayAttr(copies));
}

void ProgramImporter::importBuffer(const ::dsv2::Buffer &buffer) {
  auto op = BufferOp::create(builder, loc, buffer.name, importType(buffer.type),
                             importMap(buffer.elements));
  switch (buffer.kind) {
  case ::dsv2::BufferKind::Table:
    op.setTable(buffer.table);
    break;
  case ::dsv2::BufferKind::Output:
    op.setOutput(buffer.table);
    break;
  case ::dsv2::BufferKind::Arena:
    op.setLiveBegin(buffer.liveBegin);
    op.setLiveEnd(buffer.liveEnd);
    break;
  }
}

void ProgramImporter::importKernel(const ::dsv2::Kernel &kernel) {
  auto op = KernelOp::create(builder, loc, kernel.name, kernel.builder, DictionaryAttr());
  op.setScratch(kernel.scratchBytes);
  op.setOffset(kernel.offset);
  op.setSize(kernel.size);
  if (kernel.threads != 1 || kernel.sharedBytes != 0) {
    op.setThreads(kernel.threads);
    op.setShared(kernel.sharedBytes);
  }
  if (kernel.binarySize != 0) {
    op.setBinaryOffset(kernel.binaryOffset);
    op.setBinarySize(kernel.binarySize);
  }
  SmallVector<Attribute> maps;
  for (const ::dsv2::TensorMap &map : kernel.tensorMaps) {
    maps.push_back(TensorMapAttr::get(&context, map.slot, map.columns, map.rowBytes, map.boxRows,
                                      map.rowsSlot));
  }
  if (!maps.empty()) {
    op.setTensorMapsAttr(builder.getArrayAttr(maps));
  }
}

ArgAttr ProgramImporter::importArg(const ::dsv2::Variant &variant, const ::dsv2::Arg &arg) {
  switch (arg.kind) {
  case ::dsv2::ArgKind::Buffer:
    return ArgAttr::ref(&context, variant.buffers[arg.index].name, arg.layerScale, arg.layerOffset);
  case ::dsv2::ArgKind::Weight:
    return ArgAttr::ref(&context, variant.weights[arg.index].name, arg.layerScale, arg.layerOffset);
  case ::dsv2::ArgKind::Cache:
    return ArgAttr::ref(&context, variant.caches[arg.index].name, arg.layerScale, arg.layerOffset);
  case ::dsv2::ArgKind::Symbol:
    return ArgAttr::launch(&context, static_cast<LaunchSymbol>(arg.index));
  case ::dsv2::ArgKind::Constant:
    break;
  }
  return ArgAttr::constant(&context, arg.value);
}

void ProgramImporter::importDispatch(const ::dsv2::Variant &variant,
                                     const ::dsv2::Dispatch &dispatch) {
  SmallVector<ArgAttr> args;
  for (const ::dsv2::Arg &arg : dispatch.args) {
    args.push_back(importArg(variant, arg));
  }
  DispatchOp::create(builder, loc, variant.kernels[dispatch.kernel].name, importMap(dispatch.items),
                     args);
}

void ProgramImporter::importEntry(const ::dsv2::Variant &variant, const ::dsv2::Entry &entry) {
  SmallVector<AffineExpr> guard;
  for (const ::dsv2::Expr &expr : entry.guard) {
    // A minimum is >= 0 where all that it is taken over are.
    guard.append(importResults(expr));
  }
  auto op = EntryOp::create(builder, loc, entry.name, getGuard(&context, guard));
  OpBuilder::InsertionGuard outside(builder);
  builder.setInsertionPointToStart(op.getBody());
  for (const ::dsv2::Step &step : entry.steps) {
    if (!step.isRepeat) {
      importDispatch(variant, step.dispatch);
      continue;
    }
    auto repeat = RepeatOp::create(builder, loc, step.begin, step.end, step.step);
    OpBuilder::InsertionGuard outsideLoop(builder);
    builder.setInsertionPointToStart(repeat.getBody());
    for (const ::dsv2::Dispatch &dispatch : step.body) {
      importDispatch(variant, dispatch);
    }
  }
}

void ProgramImporter::importVariant(const ::dsv2::Variant &variant) {
  auto op =
      VariantOp::create(builder, loc, variant.name, variant.driver, variant.tier, variant.compute,
                        variant.maxContext, variant.maxBatch, variant.maxStepTokens,
                        variant.ropeInverseFrequencies, variant.ropeMagnitude);
  OpBuilder::InsertionGuard outside(builder);
  builder.setInsertionPointToStart(op.getBody());
  for (const ::dsv2::Weight &weight : variant.weights) {
    importWeight(weight);
  }
  for (const ::dsv2::Buffer &buffer : variant.buffers) {
    importBuffer(buffer);
  }
  for (const ::dsv2::Cache &cache : variant.caches) {
    CacheOp::create(builder, loc, cache.name, importType(cache.type), cache.layers,
                    cache.pageTokens, cache.rowElements);
  }
  for (const ::dsv2::Kernel &kernel : variant.kernels) {
    importKernel(kernel);
  }
  for (const ::dsv2::Entry &entry : variant.entries) {
    importEntry(variant, entry);
  }
  ImageOp::create(builder, loc, ::dsv2::imageFormatName(variant.image.format),
                  variant.image.textBytes, variant.image.bytes);
}

OwningOpRef<ModuleOp> ProgramImporter::run() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  (*module)->setAttr("dsv2.stage", builder.getStringAttr("codegen"));
  (*module)->setAttr("dsv2.model", importModel());
  (*module)->setAttr(kFromArtifactAttr, builder.getUnitAttr());
  builder.setInsertionPointToStart(module->getBody());
  for (const ::dsv2::Variant &variant : program.variants) {
    importVariant(variant);
  }
  return module;
}

OwningOpRef<ModuleOp> mlir::dsv2::importProgram(MLIRContext &context,
                                                const ::dsv2::Program &program) {
  context.loadDialect<ExecDialect>();
  return ProgramImporter(context, program).run();
}
