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

/// X.weight has its scales in X.weight_scale_inv (factors, in spite of the name).
static constexpr StringRef kScaleSuffix = "_scale_inv";

/// "[3, 4]".
static std::string shapeText(ArrayRef<uint64_t> shape) {
  std::string text = "[";
  for (auto [i, size] : llvm::enumerate(shape)) {
    text += (i ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

/// " of layers 1 to 60", as ranges print; nothing for tensors outside the layers.
static std::string layersText(RangeAttr layers) {
  if (!layers) {
    return "";
  }
  std::string text =
      " of layers " + std::to_string(layers.getBegin()) + " to " + std::to_string(layers.getEnd());
  return layers.getStep() == 1 ? text : text + " step " + std::to_string(layers.getStep());
}

WeightFamilies::WeightFamilies(const ::dsv2::Checkpoint &checkpoint,
                               const std::optional<::dsv2::QuantizationConfig> &quantization,
                               OpBuilder &builder)
    : checkpoint(checkpoint), quantization(quantization), builder(builder),
      used(checkpoint.tensors().size(), false) {}

void WeightFamilies::fail(ErrorKind kind, const Tensor &tensor, const std::string &rest) {
  if (!failure) {
    failure = Error(kind, checkpoint.fileOf(tensor), ": tensor ", ::dsv2::quote(tensor.name()), " ",
                    rest);
  }
}

const WeightFamilies::Tensor *WeightFamilies::check(const std::string &name,
                                                    ArrayRef<uint64_t> shape, StringRef field) {
  std::string by =
      " by " + (field.empty() ? "" : "field '" + field.str() + "' of ") + checkpoint.configPath();
  const Tensor *tensor = checkpoint.find(name);
  if (!tensor) {
    failure = Error(ErrorKind::Mismatch, checkpoint.directory(), ": tensor ", ::dsv2::quote(name),
                    " is missing, expected ", shapeText(shape), by);
    return nullptr;
  }
  used[tensor - checkpoint.tensors().data()] = true;
  if (ArrayRef<uint64_t>(tensor->shape()) != shape) {
    fail(ErrorKind::Mismatch, *tensor,
         "is " + ::dsv2::describeTensor(tensor->dtype(), tensor->shape()) + ", expected " +
             shapeText(shape) + by);
    return nullptr;
  }
  return tensor;
}

void WeightFamilies::checkScales(const Tensor &tensor, ArrayRef<uint64_t> shape) {
  uint64_t block[] = {quantization->blockRows, quantization->blockColumns};
  SmallVector<uint64_t> blocks;
  for (auto [size, extent] : llvm::zip(shape, block)) {
    blocks.push_back(llvm::divideCeil(size, extent));
  }
  const Tensor *scales = check(tensor.name() + kScaleSuffix.str(), blocks);
  if (scales && scales->dtype() != DType::F32) {
    fail(ErrorKind::Unsupported, *scales,
         "is " + ::dsv2::describeTensor(scales->dtype(), scales->shape()) + ", expected F32");
  }
}

Type WeightFamilies::elementType(const Tensor &tensor, Storage storage) {
  if (tensor.dtype() == DType::F32) {
    return builder.getF32Type();
  }
  if (tensor.dtype() == DType::BF16 && storage != Storage::Single) {
    return builder.getBF16Type();
  }
  bool scaled = storage == Storage::Contraction;
  if (tensor.dtype() == DType::F8E4M3 && scaled) {
    if (!quantization) {
      fail(ErrorKind::Mismatch, tensor,
           "is F8_E4M3, but " + checkpoint.configPath() + " has no quantization_config");
      return {};
    }
    sawQuantized = true;
    int64_t block[] = {static_cast<int64_t>(quantization->blockRows),
                       static_cast<int64_t>(quantization->blockColumns)};
    return ScaledType::get(builder.getContext(), builder.getType<Float8E4M3FNType>(), block,
                           builder.getF32Type());
  }
  fail(ErrorKind::Unsupported, tensor,
       "is " + ::dsv2::describeTensor(tensor.dtype(), tensor.shape()) + ", expected F32" +
           (storage == Storage::Single ? ""
            : scaled                   ? ", BF16 or F8_E4M3"
                                       : " or BF16"));
  return {};
}

void WeightFamilies::add(StringRef symbol, StringRef pattern, ArrayRef<uint64_t> shape,
                         Storage storage, RangeAttr layers, RangeAttr experts, StringRef field) {
  if (failure) {
    return;
  }
  SmallVector<int64_t> dims(shape.begin(), shape.end());
  // Element type and file are known once the tensors have been seen.
  auto guess = TypeAttr::get(RankedTensorType::get(dims, builder.getF32Type()));
  auto weights = WeightsOp::create(builder, builder.getUnknownLoc(), builder.getStringAttr(symbol),
                                   layers, experts, guess, builder.getStringAttr(pattern));
  RangeAttr one = RangeAttr::get(builder.getContext(), 0, 1);
  RangeAttr layerRange = layers ? layers : one;
  RangeAttr expertRange = experts ? experts : one;
  Type element;
  const Tensor *first = nullptr;
  bool oneFile = true;
  for (int64_t l = layerRange.getBegin(); l < layerRange.getEnd(); l += layerRange.getStep()) {
    for (int64_t e = expertRange.getBegin(); e < expertRange.getEnd(); e += expertRange.getStep()) {
      const Tensor *tensor = check(weights.getTensorName(l, e), shape, field);
      Type type = tensor ? elementType(*tensor, storage) : Type();
      if (type && isa<ScaledType>(type)) {
        checkScales(*tensor, shape);
      }
      if (!failure && first && type != element) {
        fail(ErrorKind::Mismatch, *tensor,
             "is " + std::string(::dsv2::dtypeName(tensor->dtype())) + ", expected the type of " +
                 ::dsv2::quote(first->name()));
      }
      if (failure) {
        return;
      }
      if (!first) {
        first = tensor;
        element = type;
      }
      oneFile &= tensor->shard == first->shard;
    }
  }
  weights.setTypeAttr(TypeAttr::get(RankedTensorType::get(dims, element)));
  if (isa<ScaledType>(element)) {
    weights.setScalesAttr(builder.getStringAttr(pattern + kScaleSuffix));
  }
  StringRef file = oneFile ? checkpoint.fileOf(*first) : checkpoint.directory();
  weights->setLoc(
      NameLoc::get(builder.getStringAttr(pattern), NameLoc::get(builder.getStringAttr(file))));
  families[symbol] = weights;
}

void WeightFamilies::addUnused(const std::string &name, ArrayRef<uint64_t> shape) {
  if (!failure) {
    if (const Tensor *tensor = check(name, shape)) {
      elementType(*tensor, Storage::Float);
    }
  }
}

int64_t WeightFamilies::countTensors(StringRef prefix) const {
  return llvm::count_if(checkpoint.tensors(), [&](const Tensor &tensor) {
    return StringRef(tensor.name()).starts_with(prefix);
  });
}

void WeightFamilies::addSlice(StringRef symbol, StringRef source, ArrayRef<int64_t> offsets,
                              ArrayRef<int64_t> sizes) {
  if (failure) {
    return;
  }
  Operation *family = families.lookup(source);
  auto type = RankedTensorType::get(sizes, getFamilyType(family).getElementType());
  Location location = locate("slice", family);
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

Location WeightFamilies::locate(StringRef name, Operation *family) {
  Location origin = family->getLoc();
  // The tensors' name, with the layers, and the file behind it.
  if (auto weights = dyn_cast<WeightsOp>(family)) {
    Location file = cast<NameLoc>(origin).getChildLoc();
    std::string tensors = weights.getSource().str() + layersText(getFamilyLayers(family));
    origin = NameLoc::get(builder.getStringAttr(tensors), file);
  }
  return NameLoc::get(builder.getStringAttr(name), origin);
}

Location WeightFamilies::locate(StringRef name, StringRef pattern, RangeAttr layers) {
  Location file = NameLoc::get(builder.getStringAttr(checkpoint.directory()));
  Location origin = NameLoc::get(builder.getStringAttr(pattern + layersText(layers)), file);
  return NameLoc::get(builder.getStringAttr(name), origin);
}

Value WeightFamilies::use(OpBuilder &at, StringRef symbol, Value layer) {
  Operation *family = families.lookup(symbol);
  StringRef name = symbol.contains('.') ? symbol.rsplit('.').second : symbol;
  return WeightOp::create(at, locate(("w." + name).str(), family), getFamilyType(family), symbol,
                          getFamilyLayers(family) ? layer : Value());
}

std::optional<Error> WeightFamilies::finish() {
  if (failure) {
    return failure;
  }
  for (auto [tensor, taken] : llvm::zip(checkpoint.tensors(), used)) {
    // Old checkpoints store rope's frequencies, which follow from the config.
    if (!taken && !StringRef(tensor.name()).ends_with(".rotary_emb.inv_freq")) {
      fail(ErrorKind::Mismatch, tensor,
           "is no part of the model that " + checkpoint.configPath() + " describes");
      return failure;
    }
  }
  if (quantization && !sawQuantized) {
    return Error(ErrorKind::Mismatch, checkpoint.configPath(),
                 ": field 'quantization_config' is there, but no tensor of the model is F8_E4M3");
  }
  return std::nullopt;
}

} // namespace mlir::dsv2
