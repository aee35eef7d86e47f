//===- LayerBuilder.cpp - what a layer holds beside its attention --------------===//
//
// Norms and residuals, the dense MLP, and experts with their gate.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModelBuilder.h"

namespace mlir::dsv2 {

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

void ModelBuilder::addWeight(const LayerGroup &group, StringRef name, StringRef tensor,
                             ArrayRef<uint64_t> shape, Storage storage) {
  families.add(group.prefix + "." + name.str(), ("model.layers.{l}." + tensor + ".weight").str(),
               shape, storage, group.layers);
}

void ModelBuilder::addProjection(const LayerGroup &group, StringRef name, StringRef tensor,
                                 ArrayRef<uint64_t> shape, StringRef biasField) {
  addWeight(group, name, tensor, shape);
  if (!biasField.empty()) {
    families.add(group.prefix + "." + name.str() + "_bias",
                 ("model.layers.{l}." + tensor + ".bias").str(), shape.take_front(), Storage::Float,
                 group.layers, {}, biasField);
  }
}

void ModelBuilder::declareMLP(const LayerGroup &group, StringRef name, StringRef block,
                              uint64_t width) {
  auto add = [&](StringRef part, ArrayRef<uint64_t> shape) {
    addProjection(group, (name + "_" + part).str(), (block + "." + part + "_proj").str(), shape,
                  model.mlpBias ? "mlp_bias" : "");
  };
  add("gate", {width, model.hiddenSize});
  add("up", {width, model.hiddenSize});
  add("down", {model.hiddenSize, width});
}

void ModelBuilder::declareLayer(const LayerGroup &group) {
  addNorm(group, "input_norm", "input_layernorm", model.hiddenSize);
  declareAttention(group);
  addNorm(group, "post_norm", "post_attention_layernorm", model.hiddenSize);
  if (group.moe) {
    declareExperts(group);
  } else {
    declareMLP(group, "mlp", "mlp", model.intermediateSize);
  }
}

void ModelBuilder::declareExperts(const LayerGroup &group) {
  std::string block = expertNames.block.str();
  uint64_t experts = model.numRoutedExperts;
  addWeight(group, "gate", block + ".gate", {experts, model.hiddenSize}, Storage::Float);
  if (model.topkMethod == ::dsv2::TopkMethod::NoauxTc) {
    families.add(group.prefix + ".gate_bias",
                 "model.layers.{l}." + block + ".gate.e_score_correction_bias", {experts},
                 Storage::Single, group.layers);
  }
  declareRoutedExperts(group);
  if (model.numSharedExperts > 0) {
    declareMLP(group, "shared", block + ".shared_experts",
               model.numSharedExperts * model.moeIntermediateSize);
  }
}

void ModelBuilder::declareRoutedExperts(const LayerGroup &group) {
  uint64_t hidden = model.hiddenSize;
  uint64_t width = model.moeIntermediateSize;
  uint64_t experts = model.numRoutedExperts;
  std::string prefix = group.prefix + ".experts_";
  std::string tensor = ("model.layers.{l}." + expertNames.block + ".experts.").str();
  // transformers 5 may store the experts of a layer as two stacked tensors.
  std::string first = ("model.layers." + llvm::Twine(group.layers.getBegin()) + "." +
                       expertNames.block + ".experts.gate_up_proj")
                          .str();
  if (checkpoint.find(first)) {
    int64_t e = experts;
    int64_t w = width;
    int64_t h = hidden;
    families.add(prefix + "gate_up", tensor + "gate_up_proj", {experts, 2 * width, hidden},
                 Storage::Float, group.layers);
    families.add(prefix + "down", tensor + "down_proj", {experts, hidden, width}, Storage::Float,
                 group.layers);
    families.addSlice(prefix + "gate", prefix + "gate_up", {0, 0, 0}, {e, w, h});
    families.addSlice(prefix + "up", prefix + "gate_up", {0, w, 0}, {e, w, h});
    return;
  }
  RangeAttr range = RangeAttr::get(&context, 0, experts);
  auto add = [&](StringRef name, StringRef part, ArrayRef<uint64_t> shape) {
    families.add(prefix + name.str(), (tensor + "{e}." + part + ".weight").str(), shape,
                 Storage::Contraction, group.layers, range);
  };
  add("gate", expertNames.gate, {width, hidden});
  add("up", expertNames.up, {width, hidden});
  add("down", expertNames.down, {hidden, width});
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

Value ModelBuilder::bias(const LayerGroup &group, StringRef name, Value layer) {
  std::string symbol = group.prefix + "." + name.str() + "_bias";
  return families.has(symbol) ? families.use(builder, symbol, layer) : Value();
}

Value ModelBuilder::linear(const LayerGroup &group, StringRef name, Value layer, Value x) {
  Value matrix = weight(group, name, layer);
  return LinearOp::create(builder, locate(group, name, name), x, matrix, bias(group, name, layer),
                          Value(), ActivationAttr());
}

Value ModelBuilder::norm(const LayerGroup &group, StringRef name, StringRef result, Value layer,
                         Value x, double eps) {
  return RMSNormOp::create(builder, locate(group, result, name), x, weight(group, name, layer),
                           real(eps));
}

Attribute ModelBuilder::gateMethod() {
  switch (model.topkMethod) {
  case ::dsv2::TopkMethod::Greedy:
    return GreedyAttr::get(&context, model.topK);
  case ::dsv2::TopkMethod::GroupLimitedGreedy:
    return GroupLimitedAttr::get(&context, model.numGroups, model.topkGroups, model.topK);
  case ::dsv2::TopkMethod::NoauxTc:
    return NoauxTCAttr::get(&context, model.numGroups, model.topkGroups, model.topK);
  }
  llvm_unreachable("every method has an attribute");
}

/// An MLP by the three families `name`_gate, _up, _down, with their biases.
template <typename Op>
static Value createMLP(OpBuilder &builder, Location location, Value h,
                       llvm::function_ref<Value(StringRef)> weight,
                       llvm::function_ref<Value(StringRef)> bias) {
  Value gate = weight("gate");
  Value up = weight("up");
  Value down = weight("down");
  return Op::create(builder, location, h, gate, up, down, bias("gate"), bias("up"), bias("down"),
                    TypeAttr(), ActivationAttr());
}

Value ModelBuilder::buildMLP(const LayerGroup &group, Value layer, Value h) {
  StringRef name = group.moe ? "shared" : "mlp";
  auto full = [&](StringRef part) { return (name + "_" + part).str(); };
  auto ofWeight = [&](StringRef part) { return weight(group, full(part), layer); };
  auto ofBias = [&](StringRef part) { return bias(group, full(part), layer); };
  if (group.moe) {
    Location location = locatePart(group, name, (expertNames.block + ".shared_experts").str());
    return createMLP<SharedExpertsOp>(builder, location, h, ofWeight, ofBias);
  }
  return createMLP<MLPOp>(builder, locatePart(group, name, "mlp"), h, ofWeight, ofBias);
}

Value ModelBuilder::buildExperts(const LayerGroup &group, Value layer, Value h) {
  auto method = cast<GateMethodInterface>(gateMethod());
  Value matrix = weight(group, "gate", layer);
  Value correction = bias(group, "gate", layer);
  auto gate = GateOp::create(builder, locate(group, "gate", "gate"), h, matrix, correction, method,
                             model.normalizeTopk, llvm::APFloat(model.routedScalingFactor));
  std::string experts = (expertNames.block + ".experts").str();
  Value gateWeight = weight(group, "experts_gate", layer);
  Value upWeight = weight(group, "experts_up", layer);
  Value downWeight = weight(group, "experts_down", layer);
  Value routed =
      RoutedExpertsOp::create(builder, locatePart(group, "routed", experts), h, gate.getWeights(),
                              gate.getIds(), gateWeight, upWeight, downWeight, TypeAttr());
  if (model.numSharedExperts == 0) {
    return routed;
  }
  Value shared = buildMLP(group, layer, h);
  return AddOp::create(builder, locatePart(group, "experts", expertNames.block), routed, shared);
}

void ModelBuilder::buildLayer(const LayerGroup &group, LayerNumber layer, StepValues &values) {
  double eps = model.rmsNormEps;
  Value h = norm(group, "input_norm", "h", layer.weights, values.x, eps);
  Value attention = buildAttention(group, layer, h, values);
  values.x = AddOp::create(builder, locatePart(group, "x", "self_attn"), values.x, attention);
  h = norm(group, "post_norm", "h", layer.weights, values.x, eps);
  Value mlp = group.moe ? buildExperts(group, layer.weights, h) : buildMLP(group, layer.weights, h);
  StringRef part = group.moe ? expertNames.block : "mlp";
  values.x = AddOp::create(builder, locatePart(group, "x", part), values.x, mlp);
}

} // namespace mlir::dsv2
