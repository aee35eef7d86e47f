//===- OpRunner.cpp - One op of the interpreter ---------------------------===//
//
// The dispatch from IR to the plain semantics. A new dsv2 op gets its case here.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/OpRunner.h"

#include "lib/Reference/GateExtension.h"
#include "lib/Reference/Ops/Experts.h"
#include "lib/Reference/Ops/Rope.h"
#include "lib/Reference/Ops/Routing.h"
#include "lib/Reference/Ops/Shape.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/ADT/TypeSwitch.h"

MLIR_DEFINE_EXPLICIT_TYPE_ID(::dsv2::GateExtension)

namespace dsv2 {

namespace ir = mlir::dsv2;
using mlir::failure;
using mlir::LogicalResult;
using mlir::success;

const InterpreterValue &OpRunner::value(mlir::Value of) const {
  for (Interpreter::Frame *in = &frame; in; in = in->outer) {
    auto found = in->values.find(of);
    if (found != in->values.end()) {
      return found->second;
    }
  }
  llvm_unreachable("a value is used before it is computed");
}

Rounding OpRunner::rounding(mlir::Type type) const {
  if (!interpreter.options.round) {
    return Rounding::None;
  }
  return type.isBF16() ? Rounding::BF16 : type.isF16() ? Rounding::F16 : Rounding::F32;
}

StoredType storedType(mlir::Type type) {
  return type.isInteger(8)   ? StoredType::I8
         : type.isInteger(4) ? StoredType::I4
                             : StoredType::F8E4M3FN;
}

ScaleBlocks scaleBlocks(ir::ScaledType type) { return {type.getBlock()[0], type.getBlock()[1]}; }

const ActivationRounding *OpRunner::rounding(std::optional<ir::ActivationAttr> stated) {
  if (!interpreter.options.round || !stated) {
    return nullptr;
  }
  activation = {storedType(stated->getStored()), stated->getGroup(),
                stated->getScale() == ir::ScaleRule::ue8m0};
  return &activation;
}

template <typename AttentionOp> AttentionSpec OpRunner::attentionSpec(AttentionOp attend) const {
  AttentionSpec spec{attend.getScale().getValue(), rounding(attend.getInner()), {}};
  if (ir::ContextAttr context = attend.getPartAttr()) {
    spec.context.begin = context.getBegin();
    spec.context.end = context.getEnd().value_or(spec.context.end);
  }
  return spec;
}

std::vector<const Tensor *> OpRunner::tensors(mlir::ValueRange of) const {
  std::vector<const Tensor *> result;
  for (mlir::Value value : of) {
    result.push_back(&tensor(value));
  }
  return result;
}

LogicalResult OpRunner::set(unsigned result, InterpreterValue value) {
  interpreter.observe(&op, result, interpreter.currentLayer, value);
  frame.values[op.getResult(result)] = std::move(value);
  return success();
}

LogicalResult OpRunner::set(std::vector<Tensor> results) {
  for (size_t i = 0; i < results.size(); ++i) {
    (void)set(unsigned(i), std::make_shared<const Tensor>(std::move(results[i])));
  }
  return success();
}

LogicalResult OpRunner::set(AttentionResult result) {
  (void)set(std::move(result.values));
  if (op.getNumResults() == 1) {
    return success();
  }
  return set(1, std::make_shared<const Tensor>(std::move(result.logSumExp)));
}

LogicalResult OpRunner::run() {
  if (mlir::isa<ir::RMSNormOp, ir::LinearOp, ir::HeadLinearOp, ir::AddOp, ir::CastOp,
                ir::DequantizeOp, ir::QuantizeOp, ir::EmbedOp, ir::SelectRowsOp, ir::SplitHeadsOp,
                ir::MergeHeadsOp, ir::MLACompressOp, ir::RopeOp>(op)) {
    return runRows();
  }
  if (mlir::isa<ir::CacheAppendOp, ir::CacheReadOp, ir::DecompressOp>(op)) {
    return runCache();
  }
  if (mlir::isa<ir::AttentionOp, ir::LatentAttentionOp, ir::MergeAttentionOp>(op)) {
    return runAttention();
  }
  if (mlir::isa<ir::GateOp, ir::MLPOp, ir::SharedExpertsOp, ir::RoutedExpertsOp,
                ir::FusedExpertsOp>(op)) {
    return runExperts();
  }
  if (auto weight = mlir::dyn_cast<ir::WeightOp>(op)) {
    return runWeight(weight);
  }
  return runShape();
}

static RopeSpec ropeSpec(ir::RopeAttr rope) {
  RopeSpec spec;
  for (float frequency : rope.getInvFreq().getValues<float>()) {
    spec.inverseFrequencies.push_back(frequency);
  }
  spec.layout =
      rope.getLayout() == ir::RopeLayout::halves ? RopeLayout::Halves : RopeLayout::AdjacentPairs;
  spec.magnitude = rope.getMagnitude();
  return spec;
}

/// Ops whose rows do not see each other, and the roundings of weights.
LogicalResult OpRunner::runRows() {
  return llvm::TypeSwitch<mlir::Operation *, LogicalResult>(&op)
      .Case([&](ir::EmbedOp embedOp) {
        return set(embed(ids(embedOp.getTokens()), tensor(embedOp.getWeight())));
      })
      .Case([&](ir::RMSNormOp norm) {
        return set(rmsNorm(tensor(norm.getX()), tensor(norm.getWeight()),
                           norm.getEps().convertToDouble()));
      })
      .Case([&](ir::LinearOp linearOp) {
        LinearSpec spec{optional(linearOp.getBias()), optional(linearOp.getAdd()),
                        rounding(linearOp.getActivation())};
        return set(linear(tensor(linearOp.getX()), tensor(linearOp.getWeight()), spec));
      })
      .Case([&](ir::HeadLinearOp headOp) {
        return set(headLinear(tensor(headOp.getX()), tensor(headOp.getWeight())));
      })
      .Case(
          [&](ir::AddOp addOp) { return set(add(tensor(addOp.getLhs()), tensor(addOp.getRhs()))); })
      .Case([&](ir::CastOp castOp) {
        Tensor result = tensor(castOp.getX());
        roundInPlace(result.values, rounding(castOp.getType().getElementType()));
        return set(std::move(result));
      })
      .Case([&](ir::DequantizeOp dequantize) {
        // The tensor of a quantized weight holds stored * scale already.
        Tensor result = tensor(dequantize.getWeight());
        roundInPlace(result.values, rounding(dequantize.getType().getElementType()));
        return set(std::move(result));
      })
      .Case([&](ir::QuantizeOp quantizeOp) {
        auto type = mlir::cast<ir::ScaledType>(quantizeOp.getType().getElementType());
        if (!interpreter.options.round) {
          return set(0, value(quantizeOp.getWeight()));
        }
        return set(quantize(tensor(quantizeOp.getWeight()), storedType(type.getStored()),
                            scaleBlocks(type), rounding(type.getScale())));
      })
      .Case([&](ir::MLACompressOp compress) {
        LinearSpec spec{optional(compress.getBias()), nullptr, rounding(compress.getActivation())};
        return set(mlaCompress(tensor(compress.getX()), tensor(compress.getKvA()),
                               tensor(compress.getNorm()), compress.getEps().convertToDouble(),
                               spec));
      })
      .Case([&](ir::RopeOp ropeOp) {
        return set(
            rope(tensor(ropeOp.getX()), ropeSpec(ropeOp.getRope()), step(ropeOp.getBatch())));
      })
      .Case([&](ir::SplitHeadsOp split) {
        return set(splitHeads(tensor(split.getX()), int64_t(split.getHeads()), split.getWidths()));
      })
      .Case([&](ir::MergeHeadsOp merge) { return set(mergeHeads(tensor(merge.getX()))); })
      .Case([&](ir::SelectRowsOp select) {
        return set(selectRows(tensor(select.getX()), step(select.getBatch()).wanted));
      });
}

/// Ops that touch the cache itself.
LogicalResult OpRunner::runCache() {
  return llvm::TypeSwitch<mlir::Operation *, LogicalResult>(&op)
      .Case([&](ir::CacheAppendOp append) {
        Cache &into = cache(append.getCache());
        for (auto [i, part] : llvm::enumerate(append.getParts())) {
          // What is stored counts as results: the cache itself cannot be compared.
          interpreter.observe(&op, unsigned(i), interpreter.currentLayer, value(part));
        }
        into.append(index(append.getLayer()), tensors(append.getParts()), step(append.getBatch()));
        return set(0, &into);
      })
      .Case([&](ir::CacheReadOp read) {
        return set(cacheRead(cache(read.getCache()), index(read.getLayer()),
                             int64_t(read.getHeads()), step(read.getBatch())));
      })
      .Case([&](ir::DecompressOp decompressOp) {
        return set(decompress(cache(decompressOp.getCache()), index(decompressOp.getLayer()),
                              tensor(decompressOp.getKvB()), int64_t(decompressOp.getHeads()),
                              decompressOp.getWidths()[0], step(decompressOp.getBatch())));
      });
}

LogicalResult OpRunner::runAttention() {
  return llvm::TypeSwitch<mlir::Operation *, LogicalResult>(&op)
      .Case([&](ir::AttentionOp attend) {
        return set(attention(tensor(attend.getQNope()), optional(attend.getQRope()),
                             tensor(attend.getKNope()), optional(attend.getKRope()),
                             tensor(attend.getV()), attentionSpec(attend),
                             step(attend.getBatch())));
      })
      .Case([&](ir::LatentAttentionOp attend) {
        return set(latentAttention(tensor(attend.getQLatent()), tensor(attend.getQRope()),
                                   cache(attend.getCache()), index(attend.getLayer()),
                                   attentionSpec(attend), step(attend.getBatch())));
      })
      .Case([&](ir::MergeAttentionOp merge) {
        return set(mergeAttention(tensors(merge.getParts()), tensors(merge.getLses())));
      });
}

LogicalResult OpRunner::runExperts() {
  auto specOf = [&](auto expertsOp) {
    MlpSpec spec;
    spec.inner = rounding(expertsOp.getInner());
    spec.activation = rounding(expertsOp.getActivation());
    return spec;
  };
  auto runMlp = [&](auto mlpOp) {
    MlpSpec spec = specOf(mlpOp);
    spec.biasGate = optional(mlpOp.getBiasGate());
    spec.biasUp = optional(mlpOp.getBiasUp());
    spec.biasDown = optional(mlpOp.getBiasDown());
    return set(mlp(tensor(mlpOp.getX()), tensor(mlpOp.getGate()), tensor(mlpOp.getUp()),
                   tensor(mlpOp.getDown()), spec));
  };
  return llvm::TypeSwitch<mlir::Operation *, LogicalResult>(&op)
      .Case([&](ir::GateOp gateOp) { return runGate(gateOp); })
      .Case([&](ir::MLPOp mlpOp) { return runMlp(mlpOp); })
      .Case([&](ir::SharedExpertsOp shared) { return runMlp(shared); })
      .Case([&](ir::RoutedExpertsOp routed) {
        return set(routedExperts(tensor(routed.getX()), tensor(routed.getWeights()),
                                 ids(routed.getIds()), tensor(routed.getGate()),
                                 tensor(routed.getUp()), tensor(routed.getDown()), specOf(routed)));
      })
      .Case([&](ir::FusedExpertsOp fused) {
        return set(fusedExperts(tensor(fused.getX()), tensor(fused.getWeights()),
                                ids(fused.getIds()), tensor(fused.getGateUp()),
                                tensor(fused.getDown()), int64_t(fused.getShared()),
                                specOf(fused)));
      });
}

LogicalResult OpRunner::runGate(ir::GateOp gateOp) {
  auto method = gateOp.getMethod();
  GateSpec spec{method.getTopK(), method.getGroups(), method.getKeep(), gateOp.getNormalize(),
                gateOp.getScale().convertToDouble()};
  if (gateOp.getBias()) {
    spec.bias = &tensor(gateOp.getBias());
  }
  const Tensor &weight = tensor(gateOp.getWeight());
  int64_t layer = interpreter.currentLayer;
  if (auto source = gateOp.getWeight().getDefiningOp<ir::WeightOp>()) {
    layer = source.getLayer() ? index(source.getLayer()) : layer;
  }
  IntTensor replayed;
  if (interpreter.replayRouting) {
    Expected<IntTensor> choice = interpreter.replayRouting->replay(layer, spec.topK, weight.rows(),
                                                                   *interpreter.currentStep);
    if (!choice) {
      return mlir::emitError(op.getLoc(), choice.error().message());
    }
    replayed = std::move(*choice);
  }
  const Tensor &x = tensor(gateOp.getX());
  auto *extension = method.getDialect().getRegisteredInterface<GateExtension>();
  GateResult result = extension
                          ? extension->run(method, x, weight, spec)
                          : gate(x, weight, spec, interpreter.replayRouting ? &replayed : nullptr);
  if (interpreter.recordRouting) {
    interpreter.recordRouting->record(layer, result.ids, *interpreter.currentStep);
  }
  (void)set(0, std::make_shared<const Tensor>(std::move(result.weights)));
  return set(1, std::make_shared<const IntTensor>(std::move(result.ids)));
}

LogicalResult OpRunner::runWeight(ir::WeightOp weight) {
  int64_t layer = weight.getLayer() ? index(weight.getLayer()) : -1;
  mlir::FailureOr<TensorRef> loaded = interpreter.weightValue(op, weight.getFamily(), layer);
  if (failed(loaded)) {
    return failure();
  }
  // No set(): weights are no values that a pass could be blamed for.
  frame.values[weight.getResult()] = *loaded;
  return success();
}

/// The ops of prepare bodies, and index arithmetic on numbers of rows.
LogicalResult OpRunner::runShape() {
  auto binary = [&](auto apply) {
    return set(0, int64_t(apply(index(op.getOperand(0)), index(op.getOperand(1)))));
  };
  auto reshaped = [&](mlir::Type type) {
    return set(reshape(tensor(op.getOperand(0)),
                       mlir::cast<mlir::RankedTensorType>(type).getShape().vec()));
  };
  return llvm::TypeSwitch<mlir::Operation *, LogicalResult>(&op)
      .Case([&](ir::TransposeOp transposeOp) {
        return set(transpose(tensor(transposeOp.getSource()), transposeOp.getPermutation()));
      })
      .Case([&](mlir::tensor::ExtractSliceOp slice) { return runSlice(slice); })
      .Case([&](mlir::tensor::ConcatOp concat) {
        return set(concatenate(tensors(concat.getInputs()), int64_t(concat.getDim())));
      })
      .Case([&](mlir::tensor::ExpandShapeOp expand) { return reshaped(expand.getType()); })
      .Case([&](mlir::tensor::CollapseShapeOp collapse) { return reshaped(collapse.getType()); })
      .Case([&](mlir::tensor::CastOp) { return set(0, value(op.getOperand(0))); })
      .Case([&](mlir::tensor::DimOp dim) {
        return set(0, tensor(dim.getSource()).dim(index(dim.getIndex())));
      })
      .Case(
          [&](mlir::arith::ConstantIndexOp constant) { return set(0, int64_t(constant.value())); })
      .Case([&](mlir::arith::AddIOp) { return binary(std::plus<int64_t>()); })
      .Case([&](mlir::arith::SubIOp) { return binary(std::minus<int64_t>()); })
      .Case([&](mlir::arith::MulIOp) { return binary(std::multiplies<int64_t>()); })
      .Default([](mlir::Operation *unknown) {
        return mlir::emitError(unknown->getLoc(), "the interpreter does not know the op '")
               << unknown->getName() << "'";
      });
}

LogicalResult OpRunner::runSlice(mlir::tensor::ExtractSliceOp slice) {
  auto resolve = [&](llvm::ArrayRef<mlir::OpFoldResult> mixed) {
    std::vector<int64_t> numbers;
    for (mlir::OpFoldResult entry : mixed) {
      std::optional<int64_t> constant = mlir::getConstantIntValue(entry);
      numbers.push_back(constant ? *constant : index(mlir::cast<mlir::Value>(entry)));
    }
    return numbers;
  };
  std::vector<int64_t> sizes = resolve(slice.getMixedSizes());
  Tensor result = extractSlice(tensor(slice.getSource()), resolve(slice.getMixedOffsets()), sizes,
                               resolve(slice.getMixedStrides()));
  llvm::SmallBitVector dropped = slice.getDroppedDims();
  std::vector<int64_t> shape;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (!dropped[d]) {
      shape.push_back(sizes[d]);
    }
  }
  return set(reshape(result, std::move(shape)));
}

} // namespace dsv2
