//===- WeightFamilies.cpp - families of tensors, checked against headers -------===//
//
// Config and checkpoint come from different hands, so nothing of one is believed without the other.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/WeightFamilies.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::dsv2 {

using ::dsv2::DType;
using ::dsv2::Error;
using ::dsv2::ErrorKind;

/// "[3, 4]".
static std::string shapeText(ArrayRef<uint64_t> shape) {
  std::string text = "[";
  for (auto [i, size] : llvm::enumerate(shape)) {
    text += (i ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

Type WeightFamilies::check(const std::string &name, ArrayRef<uint64_t> shape) {
  const ::dsv2::CheckpointTensor *tensor = checkpoint.find(name);
  if (!tensor) {
    failure = Error(ErrorKind::Mismatch, checkpoint.directory(), ": tensor ", ::dsv2::quote(name),
                    " is missing, expected ", shapeText(shape), " by ", checkpoint.configPath());
    return {};
  }
  used.insert(name);
  std::string actual = ::dsv2::describeTensor(tensor->dtype(), tensor->shape());
  if (ArrayRef<uint64_t>(tensor->shape()) != shape) {
    failure =
        Error(ErrorKind::Mismatch, checkpoint.fileOf(*tensor), ": tensor ", ::dsv2::quote(name),
              " is ", actual, ", expected ", shapeText(shape), " by ", checkpoint.configPath());
    return {};
  }
  if (tensor->dtype() == DType::F32) {
    return builder.getF32Type();
  }
  if (tensor->dtype() == DType::BF16) {
    return builder.getBF16Type();
  }
  failure = Error(ErrorKind::Unsupported, checkpoint.fileOf(*tensor), ": tensor ",
                  ::dsv2::quote(name), " is ", actual, ", expected F32 or BF16");
  return {};
}

void WeightFamilies::add(StringRef symbol, StringRef pattern, ArrayRef<uint64_t> shape,
                         RangeAttr layers, RangeAttr experts) {
  if (failure) {
    return;
  }
  SmallVector<int64_t> dims(shape.begin(), shape.end());
  auto location = NameLoc::get(builder.getStringAttr(pattern));
  // The element type is known once the first tensor has been seen.
  auto guess = TypeAttr::get(RankedTensorType::get(dims, builder.getF32Type()));
  auto weights = WeightsOp::create(builder, location, builder.getStringAttr(symbol), layers,
                                   experts, guess, builder.getStringAttr(pattern));
  RangeAttr one = RangeAttr::get(builder.getContext(), 0, 1);
  RangeAttr layerRange = layers ? layers : one;
  RangeAttr expertRange = experts ? experts : one;
  Type element;
  std::string first;
  for (int64_t l = layerRange.getBegin(); l < layerRange.getEnd(); l += layerRange.getStep()) {
    for (int64_t e = expertRange.getBegin(); e < expertRange.getEnd(); e += expertRange.getStep()) {
      std::string name = weights.getTensorName(l, e);
      Type type = check(name, shape);
      if (!type) {
        return;
      }
      if (!element) {
        element = type;
        first = name;
      } else if (type != element) {
        const ::dsv2::CheckpointTensor *tensor = checkpoint.find(name);
        failure = Error(ErrorKind::Mismatch, checkpoint.fileOf(*tensor), ": tensor ",
                        ::dsv2::quote(name), " is ", ::dsv2::dtypeName(tensor->dtype()),
                        ", expected the type of ", ::dsv2::quote(first));
        return;
      }
    }
  }
  weights.setTypeAttr(TypeAttr::get(RankedTensorType::get(dims, element)));
  families[symbol] = weights;
}

void WeightFamilies::addF32(StringRef symbol, StringRef pattern, ArrayRef<uint64_t> shape,
                            RangeAttr layers) {
  add(symbol, pattern, shape, layers);
  if (failure) {
    return;
  }
  auto weights = cast<WeightsOp>(families.lookup(symbol));
  if (getFamilyType(weights).getElementType().isF32()) {
    return;
  }
  std::string name = weights.getTensorName(layers.getBegin(), 0);
  const ::dsv2::CheckpointTensor *tensor = checkpoint.find(name);
  failure =
      Error(ErrorKind::Unsupported, checkpoint.fileOf(*tensor), ": tensor ", ::dsv2::quote(name),
            " is ", ::dsv2::dtypeName(tensor->dtype()), ", expected F32");
}

int64_t WeightFamilies::leaveOut(StringRef prefix) {
  int64_t count = 0;
  for (const ::dsv2::CheckpointTensor &tensor : checkpoint.tensors()) {
    if (StringRef(tensor.name()).starts_with(prefix)) {
      used.insert(tensor.name());
      ++count;
    }
  }
  return count;
}

void WeightFamilies::addSlice(StringRef symbol, StringRef source, ArrayRef<int64_t> offsets,
                              ArrayRef<int64_t> sizes) {
  if (failure) {
    return;
  }
  Operation *family = families.lookup(source);
  auto type = RankedTensorType::get(sizes, getFamilyType(family).getElementType());
  Location location = NameLoc::get(builder.getStringAttr("slice"), family->getLoc());
  auto prepare = PrepareOp::create(builder, location, symbol, getFamilyLayers(family), type);
  OpBuilder body = OpBuilder::atBlockEnd(prepare.getBody());
  Value whole = use(body, source, prepare.getLayer());
  auto attributes = [&](ArrayRef<int64_t> values) {
    return getAsIndexOpFoldResult(body.getContext(), values);
  };
  SmallVector<int64_t> strides(sizes.size(), 1);
  Value slice = tensor::ExtractSliceOp::create(body, location, type, whole, attributes(offsets),
                                               attributes(sizes), attributes(strides));
  YieldOp::create(body, location, ValueRange{slice});
  families[symbol] = prepare;
}

Value WeightFamilies::use(OpBuilder &at, StringRef symbol, Value layer) {
  Operation *family = families.lookup(symbol);
  // Printed as the value's name; the tensor's name stays behind it.
  StringRef name = symbol.contains('.') ? symbol.rsplit('.').second : symbol;
  Location location = NameLoc::get(at.getStringAttr("w." + name), family->getLoc());
  return WeightOp::create(at, location, getFamilyType(family), symbol,
                          getFamilyLayers(family) ? layer : Value());
}

std::optional<Error> WeightFamilies::finish() {
  if (failure) {
    return failure;
  }
  for (const ::dsv2::CheckpointTensor &tensor : checkpoint.tensors()) {
    // Old checkpoints store rope's frequencies, which follow from the config.
    StringRef name = tensor.name();
    if (!used.contains(name) && !name.ends_with(".rotary_emb.inv_freq")) {
      return Error(ErrorKind::Mismatch, checkpoint.fileOf(tensor), ": tensor ",
                   ::dsv2::quote(tensor.name()), " is no part of the model that ",
                   checkpoint.configPath(), " describes");
    }
  }
  return std::nullopt;
}

} // namespace mlir::dsv2
