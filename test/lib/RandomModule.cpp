//===- RandomModule.cpp - Valid dsv2 modules, made at random --------------===//
//
// The same frame as an importer's module: loops over layers of one shape (or one
// period of shapes), the final norm, logits of the wanted rows.
//
//===----------------------------------------------------------------------===//
#include "RandomModule.h"

#include "dialects/DSV2/Transforms/DerivedWeights.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "llvm/ADT/StringMap.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

/// Layers that a piece of code is built for: the families' prefix and numbers, and
/// the number of the layer at hand.
struct LayerKind {
  std::string prefix;
  ir::RangeAttr layers;
  bool isMoe;
  Value layer;
};

class ModuleMaker {
public:
  ModuleMaker(MLIRContext &context, const RandomModel &model)
      : context(context), model(model), builder(&context), declarations(&context) {}

  OwningOpRef<ModuleOp> run();

private:
  using Attention = RandomModel::Attention;

  Location named(const Twine &name) { return NameLoc::get(builder.getStringAttr(name)); }
  Type f32() { return builder.getF32Type(); }
  RankedTensorType rowsType(ArrayRef<int64_t> extents, Type element) {
    SmallVector<int64_t> shape{ShapedType::kDynamic};
    shape.append(extents.begin(), extents.end());
    return RankedTensorType::get(shape, element);
  }
  FloatAttr eps() { return builder.getF64FloatAttr(model.eps); }

  /// Uses of weights; a family is declared by its first use. Projections may be
  /// quantized, `plain` weights are not.
  Value weight(const LayerKind &kind, StringRef name, ArrayRef<int64_t> shape, bool plain = false,
               int64_t experts = 0, Type element = {});
  Value globalWeight(StringRef name, ArrayRef<int64_t> shape);
  Value bias(const LayerKind &kind, StringRef name, int64_t width, bool isThere) {
    return isThere ? weight(kind, (name + "_bias").str(), {width}, true) : Value();
  }
  /// An operand of a contraction, rounded where the model rounds operands.
  Value operand(Value rows);
  TypeAttr inner() {
    return model.bf16Operands ? TypeAttr::get(builder.getBF16Type()) : TypeAttr();
  }
  Value linear(const LayerKind &kind, StringRef name, Value x, int64_t width, bool hasBias = false,
               Value add = {});

  ir::RopeAttr ropeAttr(int64_t width);
  ir::AttentionScaleAttr scaleAttr(int64_t width);
  ir::CacheType cacheType(int64_t layers);
  /// The cache with these parts, in its type, in the layer at hand.
  void append(Value &cache, SmallVector<Value> parts, Value batch);
  /// Runs `attend` on each part of the context and merges what it gives.
  Value overParts(llvm::function_ref<ValueRange(ir::ContextAttr, bool)> attend);

  Value latentAttention(const LayerKind &kind, Value h, Value &cache, Value batch);
  Value groupedAttention(const LayerKind &kind, Value h, Value &cache, Value batch);
  Value feedForward(const LayerKind &kind, Value h);
  Value experts(const LayerKind &kind, Value h);
  /// One decoder layer on `x`; `cache` becomes the one after it. `cacheLayer` is null
  /// where the cache has the layer's own number.
  Value decoderLayer(const LayerKind &kind, Value x, Value &cache, Value batch,
                     Value cacheLayer = {});
  /// A loop whose body holds one layer of each kind, `layer` + its place in the list.
  void loop(ir::RangeAttr range, ArrayRef<LayerKind> kinds, Value &x, Value &cache, Value batch);
  void allLayers(Value &x, Value &cache, Value batch);
  void buildStep();
  void buildDraft();

  MLIRContext &context;
  const RandomModel &model;
  OpBuilder builder, declarations;
  llvm::StringMap<Operation *> families;
  ModuleOp module;
  Value cacheLayer; // of the layer that is being built
};

} // namespace

//===----------------------------------------------------------------------===//
// Weights and attributes
//===----------------------------------------------------------------------===//

Value ModuleMaker::weight(const LayerKind &kind, StringRef name, ArrayRef<int64_t> shape,
                          bool plain, int64_t experts, Type element) {
  std::string symbol = kind.prefix + "." + name.str();
  Operation *&family = families[symbol];
  if (!family) {
    bool isScaled = !plain && model.element == RandomModel::Element::Scaled && shape.size() == 2;
    if (!element) {
      element = isScaled                                     ? Type(model.scaled)
                : model.element == RandomModel::Element::F32 ? f32()
                                                             : builder.getBF16Type();
    }
    std::string source = "model." + kind.prefix + ".{l}." + (experts ? "{e}." : "") + name.str();
    auto type = TypeAttr::get(RankedTensorType::get(shape, element));
    auto scales = isScaled ? builder.getStringAttr(source + "_scale") : StringAttr();
    ir::RangeAttr range = experts ? ir::RangeAttr::get(&context, 0, experts) : ir::RangeAttr();
    family = ir::WeightsOp::create(declarations, named(symbol), builder.getStringAttr(symbol),
                                   kind.layers, range, type, builder.getStringAttr(source), scales);
  }
  return ir::WeightOp::create(builder, named("w." + name), ir::getFamilyType(family), symbol,
                              kind.layer);
}

Value ModuleMaker::globalWeight(StringRef name, ArrayRef<int64_t> shape) {
  Operation *&family = families[name];
  if (!family) {
    Type element = model.element == RandomModel::Element::F32 ? f32() : builder.getBF16Type();
    family = ir::WeightsOp::create(declarations, named(name), builder.getStringAttr(name),
                                   ir::RangeAttr(), ir::RangeAttr(),
                                   TypeAttr::get(RankedTensorType::get(shape, element)),
                                   builder.getStringAttr(("model." + name).str()), StringAttr());
  }
  return ir::WeightOp::create(builder, named("w." + name), ir::getFamilyType(family), name,
                              Value());
}

Value ModuleMaker::operand(Value rows) {
  auto type = cast<RankedTensorType>(rows.getType());
  if (!model.bf16Operands || type.getElementType().isBF16()) {
    return rows;
  }
  return ir::CastOp::create(builder, rows.getLoc(), type.clone(builder.getBF16Type()), rows);
}

Value ModuleMaker::linear(const LayerKind &kind, StringRef name, Value x, int64_t width,
                          bool hasBias, Value add) {
  int64_t inputs = cast<RankedTensorType>(x.getType()).getDimSize(1);
  return ir::LinearOp::create(builder, named(name), operand(x), weight(kind, name, {width, inputs}),
                              bias(kind, name, width, hasBias), add, model.activation);
}

ir::RopeAttr ModuleMaker::ropeAttr(int64_t width) {
  ir::YarnAttr yarn =
      model.yarn ? ir::YarnAttr::get(&context, 40.0, 4096, 32.0, 1.0, 0.707, 1.0) : ir::YarnAttr();
  auto layout = model.halves ? ir::RopeLayout::halves : ir::RopeLayout::adjacent_pairs;
  return ir::RopeAttr::get(&context, width, model.theta, layout, yarn);
}

ir::AttentionScaleAttr ModuleMaker::scaleAttr(int64_t width) {
  return ir::AttentionScaleAttr::get(&context, width, model.yarn ? 40.0 : 1.0,
                                     model.yarn ? 1.0 : 0.0);
}

ir::CacheType ModuleMaker::cacheType(int64_t layers) {
  int64_t width = model.keyHeads * model.value;
  bool isGrouped = model.attention == Attention::Grouped;
  SmallVector<int64_t> widths{isGrouped ? width : model.latent, isGrouped ? width : model.rope};
  return ir::CacheType::get(&context, layers, widths,
                            model.bf16Cache ? builder.getBF16Type() : f32());
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

void ModuleMaker::append(Value &cache, SmallVector<Value> parts, Value batch) {
  for (Value &part : parts) {
    if (model.bf16Cache) {
      auto type = cast<RankedTensorType>(part.getType()).clone(builder.getBF16Type());
      part = ir::CastOp::create(builder, named("cached"), type, part);
    }
  }
  cache = ir::CacheAppendOp::create(builder, named("cache"), cache, cacheLayer, parts, batch);
}

Value ModuleMaker::overParts(llvm::function_ref<ValueRange(ir::ContextAttr, bool)> attend) {
  if (model.contextParts == 1) {
    return attend({}, false)[0];
  }
  // Cuts within the few tokens of a test, so that parts are neither all full nor all empty.
  constexpr int64_t cuts[] = {0, 3, 11};
  SmallVector<Value> results, lses;
  for (int64_t i = 0; i < model.contextParts; ++i) {
    std::optional<int64_t> end;
    if (i + 1 < model.contextParts) {
      end = cuts[i + 1];
    }
    ValueRange part = attend(ir::ContextAttr::get(&context, cuts[i], end), true);
    results.push_back(part[0]);
    lses.push_back(part[1]);
  }
  return ir::MergeAttentionOp::create(builder, named("merged"), results, lses, false).getResult();
}

Value ModuleMaker::latentAttention(const LayerKind &kind, Value h, Value &cache, Value batch) {
  int64_t nope = model.nope, rope = model.rope, value = model.value, heads = model.heads;
  Value x = h;
  if (model.queryRank) {
    x = linear(kind, "q_a", h, *model.queryRank, model.attentionBias);
    x = ir::RMSNormOp::create(builder, named("q_a_norm"), x,
                              weight(kind, "q_a_norm", {*model.queryRank}, true), eps());
  }
  Value q = linear(kind, "q", x, heads * (nope + rope));
  auto split =
      ir::SplitHeadsOp::create(builder, named("q"), q, heads, ArrayRef<int64_t>{nope, rope});
  auto compressed = ir::MLACompressOp::create(
      builder, named("kv"), operand(h), weight(kind, "kv_a", {model.latent + rope, model.hidden}),
      weight(kind, "kv_a_norm", {model.latent}, true),
      bias(kind, "kv_a", model.latent + rope, model.attentionBias), eps(), model.activation);
  auto rotated = [&](Value part) {
    return ir::RopeOp::create(builder, named("rope"), part, batch, ropeAttr(rope)).getResult();
  };
  append(cache, {compressed.getLatent(), rotated(compressed.getKRope())}, batch);
  Value qRope = operand(rotated(split.getParts()[1]));
  Value kvB = weight(kind, "kv_b", {heads * (nope + value), model.latent});
  ir::AttentionScaleAttr scale = scaleAttr(nope + rope);
  if (model.attention == Attention::Decompressed) {
    auto keys = ir::DecompressOp::create(builder, named("kv"), cache, cacheLayer, kvB, batch, heads,
                                         ArrayRef<int64_t>{nope, value});
    Value qNope = operand(split.getParts()[0]);
    Value kNope = operand(keys.getKNope()), kRope = operand(keys.getKRope());
    Value v = operand(keys.getV());
    return overParts([&](ir::ContextAttr part, bool lse) -> ValueRange {
      return ir::AttentionOp::create(builder, named("attention"), qNope, qRope, kNope, kRope, v,
                                     batch, scale, inner(), part, lse)
          ->getResults();
    });
  }
  // W_UK moves to q and W_UV to the result, through prepare functions.
  ir::DerivedWeights weights(module);
  auto perHead = [&](OpBuilder &b, Value matrix) {
    auto type = cast<RankedTensorType>(matrix.getType());
    if (isa<ir::ScaledType>(type.getElementType())) {
      matrix = ir::DequantizeOp::create(b, named("kv_b"), type.clone(f32()), matrix);
    }
    return ir::splitWeight(b, matrix, 0, heads);
  };
  Value keyWeight = weights.derive(builder, kvB, "q_latent", [&](OpBuilder &b, ValueRange kv) {
    Value keys = ir::sliceWeight(b, perHead(b, kv[0]), 1, 0, nope);
    return ir::TransposeOp::create(b, named("q_latent"), keys, ArrayRef<int64_t>{0, 2, 1})
        .getResult();
  });
  Value valueWeight = weights.derive(builder, kvB, "v_up", [&](OpBuilder &b, ValueRange kv) {
    return ir::sliceWeight(b, perHead(b, kv[0]), 1, nope, value);
  });
  Value qLatent = operand(ir::HeadLinearOp::create(builder, named("q_latent"),
                                                   operand(split.getParts()[0]), keyWeight));
  Value out = overParts([&](ir::ContextAttr part, bool lse) -> ValueRange {
    return ir::LatentAttentionOp::create(builder, named("attention"), qLatent, qRope, cache,
                                         cacheLayer, batch, scale, inner(), part, lse)
        ->getResults();
  });
  return ir::HeadLinearOp::create(builder, named("v_up"), operand(out), valueWeight);
}

Value ModuleMaker::groupedAttention(const LayerKind &kind, Value h, Value &cache, Value batch) {
  int64_t width = model.value;
  auto headsOf = [&](StringRef name, int64_t heads) -> Value {
    Value all = linear(kind, name, h, heads * width, model.attentionBias);
    return ir::SplitHeadsOp::create(builder, named(name), all, heads, ArrayRef<int64_t>{width})
        .getParts()[0];
  };
  Value q = headsOf("q", model.heads), k = headsOf("k", model.keyHeads);
  Value v = headsOf("v", model.keyHeads);
  q = ir::RopeOp::create(builder, named("q_rope"), q, batch, ropeAttr(width));
  k = ir::RopeOp::create(builder, named("k_rope"), k, batch, ropeAttr(width));
  k = ir::MergeHeadsOp::create(builder, named("cached"), k);
  v = ir::MergeHeadsOp::create(builder, named("cached"), v);
  append(cache, {k, v}, batch);
  auto read =
      ir::CacheReadOp::create(builder, named("kv"), cache, cacheLayer, batch, model.keyHeads);
  Value queries = operand(q), keys = operand(read.getParts()[0]);
  Value values = operand(read.getParts()[1]);
  return overParts([&](ir::ContextAttr part, bool lse) -> ValueRange {
    return ir::AttentionOp::create(builder, named("attention"), queries, Value(), keys, Value(),
                                   values, batch, scaleAttr(width), inner(), part, lse)
        ->getResults();
  });
}

//===----------------------------------------------------------------------===//
// Experts and MLPs
//===----------------------------------------------------------------------===//

Value ModuleMaker::experts(const LayerKind &kind, Value h) {
  int64_t hidden = model.hidden, width = model.expertWidth, count = model.experts;
  Attribute method;
  Value correction;
  if (model.gate == RandomModel::Gate::Greedy) {
    method = ir::GreedyAttr::get(&context, model.topK);
  } else if (model.gate == RandomModel::Gate::GroupLimited) {
    method = ir::GroupLimitedAttr::get(&context, model.groups, model.keep, model.topK);
  } else {
    method = ir::NoauxTCAttr::get(&context, model.groups, model.keep, model.topK);
    correction = weight(kind, "gate_correction", {count}, true, 0, f32());
  }
  auto gate = ir::GateOp::create(
      builder, named("gate"), h, weight(kind, "gate", {count, hidden}, true), correction,
      cast<ir::GateMethodInterface>(method), model.normalize, APFloat(model.scale));
  Value x = operand(h);
  Value routed = ir::RoutedExpertsOp::create(
      builder, named("routed"), x, gate.getWeights(), gate.getIds(),
      weight(kind, "experts_gate", {width, hidden}, false, count),
      weight(kind, "experts_up", {width, hidden}, false, count),
      weight(kind, "experts_down", {hidden, width}, false, count), inner(), model.activation);
  if (model.sharedExperts == 0) {
    return routed;
  }
  int64_t all = model.sharedExperts * width;
  Value shared = ir::SharedExpertsOp::create(
      builder, named("shared"), x, weight(kind, "shared_gate", {all, hidden}),
      weight(kind, "shared_up", {all, hidden}), weight(kind, "shared_down", {hidden, all}),
      bias(kind, "shared_gate", all, model.mlpBias), bias(kind, "shared_up", all, model.mlpBias),
      bias(kind, "shared_down", hidden, model.mlpBias), inner(), model.activation);
  return ir::AddOp::create(builder, named("experts"), routed, shared);
}

Value ModuleMaker::feedForward(const LayerKind &kind, Value h) {
  if (kind.isMoe) {
    return experts(kind, h);
  }
  int64_t width = model.intermediate, hidden = model.hidden;
  return ir::MLPOp::create(
      builder, named("mlp"), operand(h), weight(kind, "mlp_gate", {width, hidden}),
      weight(kind, "mlp_up", {width, hidden}), weight(kind, "mlp_down", {hidden, width}),
      bias(kind, "mlp_gate", width, model.mlpBias), bias(kind, "mlp_up", width, model.mlpBias),
      bias(kind, "mlp_down", hidden, model.mlpBias), inner(), model.activation);
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

Value ModuleMaker::decoderLayer(const LayerKind &kind, Value x, Value &cache, Value batch,
                                Value ownCacheLayer) {
  cacheLayer = ownCacheLayer ? ownCacheLayer : kind.layer;
  Value h = ir::RMSNormOp::create(builder, named("h"), x,
                                  weight(kind, "input_norm", {model.hidden}, true), eps());
  Value heads = model.attention == Attention::Grouped ? groupedAttention(kind, h, cache, batch)
                                                      : latentAttention(kind, h, cache, batch);
  Value merged = ir::MergeHeadsOp::create(builder, named("heads"), heads);
  if (model.fusedAdd) {
    x = linear(kind, "o", merged, model.hidden, model.attentionBias, x);
  } else {
    Value o = linear(kind, "o", merged, model.hidden, model.attentionBias);
    x = ir::AddOp::create(builder, named("x"), x, o);
  }
  h = ir::RMSNormOp::create(builder, named("h"), x, weight(kind, "post_norm", {model.hidden}, true),
                            eps());
  return ir::AddOp::create(builder, named("x"), x, feedForward(kind, h));
}

void ModuleMaker::loop(ir::RangeAttr range, ArrayRef<LayerKind> kinds, Value &x, Value &cache,
                       Value batch) {
  auto layers =
      ir::LayersOp::create(builder, named(kinds.front().prefix), range, ValueRange{x, cache});
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(layers.getBody());
  Value innerX = layers.getCarried()[0], innerCache = layers.getCarried()[1];
  for (auto [i, kind] : llvm::enumerate(kinds)) {
    LayerKind here = kind;
    here.layer = layers.getLayer();
    if (i != 0) {
      Value offset = arith::ConstantIndexOp::create(builder, named("l"), int64_t(i));
      here.layer = arith::AddIOp::create(builder, named("l"), here.layer, offset);
    }
    innerX = decoderLayer(here, innerX, innerCache, batch);
  }
  ir::YieldOp::create(builder, named(kinds.front().prefix), ValueRange{innerX, innerCache});
  x = layers.getResult(0);
  cache = layers.getResult(1);
}

void ModuleMaker::allLayers(Value &x, Value &cache, Value batch) {
  auto range = [&](int64_t begin, int64_t end, int64_t step = 1) {
    return ir::RangeAttr::get(&context, begin, end, step);
  };
  int64_t total = model.layers;
  int64_t dense =
      model.gate == RandomModel::Gate::None ? total : std::min(model.denseLayers, total);
  if (dense > 0) {
    loop(range(0, dense), LayerKind{"dense", range(0, dense), false, {}}, x, cache, batch);
  }
  if (dense == total) {
    return;
  }
  if (model.period == 1) {
    loop(range(dense, total), LayerKind{"moe", range(dense, total), true, {}}, x, cache, batch);
    return;
  }
  // Pairs of an MoE and a dense layer, then what is left over.
  int64_t pairs = (total - dense) / 2, end = dense + 2 * pairs;
  if (pairs > 0) {
    ir::RangeAttr moe = range(dense, end - 1, 2), plain = range(dense + 1, end, 2);
    LayerKind kinds[] = {{"moe", moe, true, {}}, {"plain", plain, false, {}}};
    loop(moe, kinds, x, cache, batch);
  }
  if (end < total) {
    loop(range(end, total), LayerKind{"last", range(end, total), true, {}}, x, cache, batch);
  }
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

void ModuleMaker::buildStep() {
  auto tokens = rowsType({}, builder.getI32Type());
  ir::CacheType cacheOf = cacheType(model.layers);
  auto type = builder.getFunctionType(
      {tokens, ir::BatchType::get(&context), cacheOf},
      {rowsType({model.vocab}, f32()), rowsType({model.hidden}, f32()), cacheOf});
  builder.setInsertionPointToEnd(module.getBody());
  auto step = func::FuncOp::create(builder, named("step"), "step", type);
  builder.setInsertionPointToStart(step.addEntryBlock());
  Value batch = step.getArgument(1), cache = step.getArgument(2);
  Value x = ir::EmbedOp::create(builder, named("x"), step.getArgument(0),
                                globalWeight("embed", {model.vocab, model.hidden}));
  allLayers(x, cache, batch);
  Value hidden = ir::RMSNormOp::create(builder, named("hidden"), x,
                                       globalWeight("norm", {model.hidden}), eps());
  Value wanted = ir::SelectRowsOp::create(builder, named("wanted"), hidden, batch);
  Value head = globalWeight(model.tiedEmbeddings ? "embed" : "head", {model.vocab, model.hidden});
  Value logits = ir::LinearOp::create(builder, named("logits"), operand(wanted), head);
  func::ReturnOp::create(builder, named("step"), ValueRange{logits, hidden, cache});
}

/// The block of multi-token prediction: layer number `layers`, a cache of its own.
void ModuleMaker::buildDraft() {
  auto tokens = rowsType({}, builder.getI32Type());
  auto states = rowsType({model.hidden}, f32());
  ir::CacheType cacheOf = cacheType(1);
  auto type = builder.getFunctionType({tokens, states, ir::BatchType::get(&context), cacheOf},
                                      {rowsType({model.vocab}, f32()), states, cacheOf});
  builder.setInsertionPointToEnd(module.getBody());
  auto draft = func::FuncOp::create(builder, named("mtp"), "mtp", type);
  builder.setInsertionPointToStart(draft.addEntryBlock());
  Value batch = draft.getArgument(2), cache = draft.getArgument(3);
  LayerKind kind{"mtp", ir::RangeAttr::get(&context, model.layers, model.layers + 1),
                 model.gate != RandomModel::Gate::None,
                 arith::ConstantIndexOp::create(builder, named("l"), model.layers)};
  Value zero = arith::ConstantIndexOp::create(builder, named("l"), 0);
  Value embedded = ir::EmbedOp::create(builder, named("x"), draft.getArgument(0),
                                       globalWeight("embed", {model.vocab, model.hidden}));
  SmallVector<Value> halves;
  for (auto [name, value] :
       {std::pair("enorm", embedded), std::pair("hnorm", Value(draft.getArgument(1)))}) {
    halves.push_back(ir::RMSNormOp::create(builder, named(name), value,
                                           weight(kind, name, {model.hidden}, true), eps()));
  }
  Value joined = tensor::ConcatOp::create(builder, named("joined"),
                                          rowsType({2 * model.hidden}, f32()), 1, halves);
  Value x = linear(kind, "eh_proj", joined, model.hidden);
  x = decoderLayer(kind, x, cache, batch, zero);
  Value hidden = ir::RMSNormOp::create(
      builder, named("hidden"), x, weight(kind, "shared_head_norm", {model.hidden}, true), eps());
  Value wanted = ir::SelectRowsOp::create(builder, named("wanted"), hidden, batch);
  Value logits = linear(kind, "shared_head", wanted, model.vocab);
  func::ReturnOp::create(builder, named("mtp"), ValueRange{logits, hidden, cache});
}

OwningOpRef<ModuleOp> ModuleMaker::run() {
  OwningOpRef<ModuleOp> owner = ModuleOp::create(named("random"));
  module = *owner;
  NamedAttribute facts[] = {builder.getNamedAttr("name", builder.getStringAttr("random")),
                            builder.getNamedAttr("max_context", builder.getI64IntegerAttr(163840)),
                            builder.getNamedAttr("vocab", builder.getI64IntegerAttr(model.vocab)),
                            builder.getNamedAttr("eos", builder.getI64ArrayAttr({1}))};
  module->setAttr(ir::DSV2Dialect::kStageAttr, builder.getStringAttr("import"));
  module->setAttr(ir::DSV2Dialect::kModelAttr, builder.getDictionaryAttr(facts));
  // Declarations go before the functions, in the order of their first use.
  declarations.setInsertionPointToStart(module.getBody());
  buildStep();
  if (model.draft) {
    buildDraft();
  }
  return owner;
}

OwningOpRef<ModuleOp> makeModule(MLIRContext &context, const RandomModel &model) {
  context.loadDialect<ir::DSV2Dialect, arith::ArithDialect, func::FuncDialect,
                      tensor::TensorDialect>();
  return ModuleMaker(context, model).run();
}

} // namespace dsv2
