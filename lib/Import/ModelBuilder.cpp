//===- ModelBuilder.cpp - the frame of a step ----------------------------------===//
//
// Embedding, loops over layers, final norm and logits; what a layer holds is in LayerBuilder.cpp.
// The text is as long for 60 layers as for 6.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::dsv2 {

ModelBuilder::ModelBuilder(MLIRContext &context, const ::dsv2::Checkpoint &checkpoint,
                           const ::dsv2::ModelConfig &config, ExpertNames expertNames)
    : context(context), checkpoint(checkpoint), builder(&context), moduleBuilder(&context),
      families(checkpoint, config.quantization, moduleBuilder), model(config),
      expertNames(expertNames), plan(planLayers(context, config)) {}

ModelBuilder::~ModelBuilder() = default;

//===----------------------------------------------------------------------===//
// Types and attributes
//===----------------------------------------------------------------------===//

RankedTensorType ModelBuilder::rowsType(uint64_t width) {
  return RankedTensorType::get({ShapedType::kDynamic, static_cast<int64_t>(width)},
                               builder.getF32Type());
}

CacheType ModelBuilder::cacheType(int64_t layers) {
  return CacheType::get(&context, layers, cacheWidths(), builder.getF32Type());
}

RopeAttr ModelBuilder::ropeAttr(uint64_t width, RopeLayout layout) {
  YarnAttr yarn;
  if (model.rope.yarn) {
    const ::dsv2::YarnConfig &from = *model.rope.yarn;
    yarn = YarnAttr::get(&context, from.factor, from.originalMaxPositionEmbeddings, from.betaFast,
                         from.betaSlow, from.mscale, from.mscaleAllDim);
  }
  return RopeAttr::get(&context, width, model.rope.theta, layout, yarn);
}

DictionaryAttr ModelBuilder::modelFacts() {
  SmallVector<NamedAttribute> facts{
      builder.getNamedAttr("name", builder.getStringAttr(checkpoint.modelType())),
      builder.getNamedAttr("max_context", builder.getI64IntegerAttr(model.maxPositionEmbeddings)),
      builder.getNamedAttr("vocab", builder.getI64IntegerAttr(model.vocabSize))};
  if (std::optional<int64_t> bos = checkpoint.bosTokenId()) {
    facts.push_back(builder.getNamedAttr("bos", builder.getI64IntegerAttr(*bos)));
  }
  facts.push_back(builder.getNamedAttr("eos", builder.getI64ArrayAttr(checkpoint.eosTokenIds())));
  return builder.getDictionaryAttr(facts);
}

//===----------------------------------------------------------------------===//
// Weights outside the layers
//===----------------------------------------------------------------------===//

/// With tied embeddings the head is @embed; some checkpoints hold a copy under the head's name.
void ModelBuilder::declareHead() {
  StringRef name = "lm_head.weight";
  if (!model.tiedEmbeddings) {
    families.add("head", name, {model.vocabSize, model.hiddenSize}, Storage::Float);
  } else if (!families.failed() && checkpoint.find(name)) {
    families.addUnused(name.str(), {model.vocabSize, model.hiddenSize});
    emitRemark(builder.getUnknownLoc())
        << checkpoint.configPath() << ": field 'tie_word_embeddings' is true, so tensor '" << name
        << "' is left out";
  }
}

//===----------------------------------------------------------------------===//
// The step
//===----------------------------------------------------------------------===//

Block *ModelBuilder::startFunction(StringRef name, FunctionType type,
                                   ArrayRef<StringRef> arguments) {
  Location location = families.locate(name, "model");
  auto function = func::FuncOp::create(moduleBuilder, location, name, type);
  Block *body = function.addEntryBlock();
  for (auto [argument, label] : llvm::zip(body->getArguments(), arguments)) {
    argument.setLoc(families.locate(label, "model"));
  }
  builder.setInsertionPointToStart(body);
  return body;
}

StepValues ModelBuilder::buildLoop(const LayerLoop &loop, StepValues outer) {
  const LayerGroup &first = plan.groups[loop.groups.front()];
  Location location = families.locate(first.prefix, "model.layers.{l}", loop.range);
  auto layers = LayersOp::create(builder, location, loop.range, ValueRange{outer.x, outer.cache});
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(layers.getBody());
  const char *names[] = {"l", "x", "cache"};
  for (auto [argument, name] : llvm::zip(layers.getBody()->getArguments(), names)) {
    argument.setLoc(families.locate(name, "model.layers.{l}", loop.range));
  }
  StepValues values{layers.getCarried()[0], layers.getCarried()[1], outer.batch};
  for (auto [place, index] : llvm::enumerate(loop.groups)) {
    const LayerGroup &group = plan.groups[index];
    Value layer = layers.getLayer();
    if (place > 0) {
      Location at = locatePart(group, "l", "");
      Value offset = arith::ConstantIndexOp::create(builder, at, place);
      layer = arith::AddIOp::create(builder, at, layer, offset);
    }
    buildLayer(group, {layer, layer}, values);
  }
  YieldOp::create(builder, location, ValueRange{values.x, values.cache});
  return {layers.getResult(0), layers.getResult(1), outer.batch};
}

void ModelBuilder::buildStep() {
  auto tokens = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  CacheType cache = cacheType(model.numLayers);
  auto type =
      builder.getFunctionType({tokens, BatchType::get(&context), cache},
                              {rowsType(model.vocabSize), rowsType(model.hiddenSize), cache});
  Block *body = startFunction("step", type, {"tokens", "batch", "cache"});

  Operation *embed = families.lookup("embed");
  Value x = EmbedOp::create(builder, families.locate("x", embed), body->getArgument(0),
                            families.use(builder, "embed"));
  StepValues values{x, body->getArgument(2), body->getArgument(1)};
  for (const LayerLoop &loop : plan.loops) {
    values = buildLoop(loop, values);
  }
  Location normed = families.locate("hidden", families.lookup("norm"));
  Value hidden = RMSNormOp::create(builder, normed, values.x, families.use(builder, "norm"),
                                   real(model.rmsNormEps));
  StringRef head = model.tiedEmbeddings ? "embed" : "head";
  Operation *headFamily = families.lookup(head);
  Value wanted =
      SelectRowsOp::create(builder, families.locate("wanted", headFamily), hidden, values.batch);
  Value logits = LinearOp::create(builder, families.locate("logits", headFamily), wanted,
                                  families.use(builder, head));
  func::ReturnOp::create(builder, families.locate("step", "model"),
                         ValueRange{logits, hidden, values.cache});
}

::dsv2::Expected<OwningOpRef<ModuleOp>> ModelBuilder::run() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(families.locate(checkpoint.modelType(), "model"));
  (*module)->setAttr(DSV2Dialect::kStageAttr, builder.getStringAttr("import"));
  (*module)->setAttr(DSV2Dialect::kModelAttr, modelFacts());
  moduleBuilder.setInsertionPointToEnd(module->getBody());
  families.add("embed", "model.embed_tokens.weight", {model.vocabSize, model.hiddenSize},
               Storage::Float);
  for (const LayerGroup &group : plan.groups) {
    declareLayer(group);
  }
  families.add("norm", "model.norm.weight", {model.hiddenSize}, Storage::Float);
  declareHead();
  declareDrafts();
  if (std::optional<::dsv2::Error> error = families.finish()) {
    return *error;
  }
  buildStep();
  buildDrafts();
  return module;
}

} // namespace mlir::dsv2
