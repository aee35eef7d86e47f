//===- DerivedWeights.cpp - new prepare functions from old families ------------===//
//
// A prepare body never reads another prepare: its body is copied in, so that each function stands
// alone and lowers to one table of copies, whatever order the passes ran in.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/Transforms/DerivedWeights.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::dsv2 {

Operation *DerivedWeights::familyOf(Value weight) {
  auto use = weight.getDefiningOp<WeightOp>();
  return use ? symbols.lookup(use.getFamily()) : nullptr;
}

/// A quantized value's numbers, exact but for one rounding to f32; any other value itself.
static Value dequantized(OpBuilder &builder, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!isa<ScaledType>(type.getElementType())) {
    return value;
  }
  return DequantizeOp::create(builder, value.getLoc(), type.clone(builder.getF32Type()), value);
}

Value DerivedWeights::expand(OpBuilder &builder, Operation *family, Value layer) {
  if (auto weights = dyn_cast<WeightsOp>(family)) {
    Value value = WeightOp::create(builder, weights.getLoc(), weights.getValueType(),
                                   weights.getSymName(), weights.getLayersAttr() ? layer : Value());
    return dequantized(builder, value);
  }
  auto prepare = cast<PrepareOp>(family);
  IRMapping mapping;
  if (Value from = prepare.getLayer()) {
    mapping.map(from, layer);
  }
  for (Operation &op : prepare.getBody()->without_terminator()) {
    builder.clone(op, mapping);
  }
  return dequantized(builder, mapping.lookup(prepare.getYielded()));
}

PrepareOp DerivedWeights::makePrepare(ArrayRef<Operation *> families, RangeAttr layers,
                                      StringRef symbol, Location location, Body body) {
  // The type follows from the body, which needs a function to stand in: start with any type.
  OpBuilder builder(module.getContext());
  builder.setInsertionPointAfter(families.back());
  auto prepare =
      PrepareOp::create(builder, location, symbol, layers, getFamilyType(families.front()));
  OpBuilder inner = OpBuilder::atBlockEnd(prepare.getBody());
  SmallVector<Value> values;
  for (Operation *family : families) {
    values.push_back(expand(inner, family, prepare.getLayer()));
  }
  Value result = body(inner, values);
  YieldOp::create(inner, location, ValueRange{result});
  prepare.setTypeAttr(TypeAttr::get(result.getType()));
  symbols.insert(prepare);
  return prepare;
}

Value DerivedWeights::derive(OpBuilder &builder, ValueRange sources, StringRef name, Body body) {
  SmallVector<Operation *> families;
  std::string key = name.str();
  for (Value source : sources) {
    families.push_back(familyOf(source));
    key += "|" + SymbolTable::getSymbolName(families.back()).str();
  }
  auto first = sources.front().getDefiningOp<WeightOp>();
  StringRef base = SymbolTable::getSymbolName(families.front());
  std::string symbol =
      base.contains('.') ? (base.rsplit('.').first + "." + name).str() : name.str();
  // Families of the same layers share one function; else the loop that asks gets its own.
  RangeAttr layers = getFamilyLayers(families.front());
  if (llvm::any_of(families,
                   [&](Operation *family) { return getFamilyLayers(family) != layers; })) {
    layers = getRangeOfLayer(first.getLayer());
    key += "|" + std::to_string(layers.getBegin()) + "-" + std::to_string(layers.getEnd()) + "-" +
           std::to_string(layers.getStep());
  }
  PrepareOp &prepare = made[key];
  if (!prepare) {
    prepare = makePrepare(families, layers, symbol, first.getLoc(), body);
  }
  return WeightOp::create(builder, first.getLoc(), prepare.getValueType(), prepare.getSymName(),
                          layers ? first.getLayer() : Value());
}

void DerivedWeights::eraseUnused() {
  SmallVector<WeightOp> dead;
  module.walk([&](WeightOp use) {
    if (use->use_empty()) {
      dead.push_back(use);
    }
  });
  for (WeightOp use : dead) {
    use.erase();
  }
  for (PrepareOp prepare : llvm::make_early_inc_range(module.getOps<PrepareOp>())) {
    if (SymbolTable::symbolKnownUseEmpty(prepare, module)) {
      symbols.erase(prepare);
    }
  }
}

Value sliceWeight(OpBuilder &builder, Value weight, unsigned dim, int64_t begin, int64_t size) {
  auto type = cast<RankedTensorType>(weight.getType());
  SmallVector<int64_t> offsets(type.getRank(), 0);
  SmallVector<int64_t> sizes(type.getShape());
  SmallVector<int64_t> strides(type.getRank(), 1);
  offsets[dim] = begin;
  sizes[dim] = size;
  auto attributes = [&](ArrayRef<int64_t> values) {
    return getAsIndexOpFoldResult(builder.getContext(), values);
  };
  return tensor::ExtractSliceOp::create(builder, weight.getLoc(), type.clone(sizes), weight,
                                        attributes(offsets), attributes(sizes),
                                        attributes(strides));
}

Value splitWeight(OpBuilder &builder, Value weight, unsigned dim, int64_t outer) {
  auto type = cast<RankedTensorType>(weight.getType());
  SmallVector<int64_t> shape;
  SmallVector<ReassociationIndices> groups;
  for (auto [i, size] : llvm::enumerate(type.getShape())) {
    ReassociationIndices &group = groups.emplace_back();
    group.push_back(shape.size());
    if (i != dim) {
      shape.push_back(size);
      continue;
    }
    group.push_back(shape.size() + 1);
    shape.push_back(outer);
    shape.push_back(size / outer);
  }
  return tensor::ExpandShapeOp::create(builder, weight.getLoc(), type.clone(shape), weight, groups);
}

Value stripCasts(Value value) {
  while (auto cast = value.getDefiningOp<CastOp>()) {
    value = cast.getX();
  }
  return value;
}

} // namespace mlir::dsv2
