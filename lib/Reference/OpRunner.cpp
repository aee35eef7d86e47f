//===- OpRunner.cpp - One op of the interpreter ---------------------------===//
//
// The dispatch from IR to the plain semantics. A new dsv2 op gets its case here.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/OpRunner.h"

#include "dialects/DSV2/IR/Forms.h"

#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Experts.h"
#include "lib/Reference/Ops/Linear.h"
#include "lib/Reference/Ops/Rope.h"
#include "lib/Reference/Ops/Routing.h"
#include "lib/Reference/Ops/Shape.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/ADT/TypeSwitch.h"

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
  return type.isBF16() ? Rounding::BF16 : Rounding::F32;
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

LogicalResult OpRunner::run() {
  // Optional parts of ops whose meaning has no implementation here yet.
  if (failed(ir::refuseForms(&op, "the interpreter", {ir::Form::LayerArithmetic}))) {
    return failure();
  }
  if (mlir::isa<ir::RMSNormOp, ir::LinearOp, ir::HeadLinearOp, ir::AddOp, ir::CastOp, ir::EmbedOp,
                ir::SelectRowsOp, ir::SplitHeadsOp, ir::MergeHeadsOp>(op)) {
    return runRows();
  }
  if (mlir::isa<ir::MLACompressOp, ir::RopeOp, ir::CacheAppendOp, ir::DecompressOp, ir::AttentionOp,
                ir::LatentAttentionOp>(op)) {
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

/// Ops whose rows do not see each other.
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
        return set(linear(tensor(linearOp.getX()), tensor(linearOp.getWeight())));
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
      .Case([&](ir::SplitHeadsOp split) {
        return set(splitHeads(tensor(split.getX()), int64_t(split.getHeads()), split.getWidths()));
      })
      .Case([&](ir::MergeHeadsOp merge) { return set(mergeHeads(tensor(merge.getX()))); })
      .Case([&](ir::SelectRowsOp select) {
        return set(selectRows(tensor(select.getX()), step(select.getBatch()).wanted));
      });
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

LogicalResult OpRunner::runAttention() {
  return llvm::TypeSwitch<mlir::Operation *, LogicalResult>(&op)
      .Case([&](ir::MLACompressOp compress) {
        return set(mlaCompress(tensor(compress.getX()), tensor(compress.getKvA()),
                               tensor(compress.getNorm()), compress.getEps().convertToDouble()));
      })
      .Case([&](ir::RopeOp ropeOp) {
        return set(
            rope(tensor(ropeOp.getX()), ropeSpec(ropeOp.getRope()), step(ropeOp.getBatch())));
      })
      .Case([&](ir::CacheAppendOp append) {
        Cache &into = cache(append.getCache());
        std::vector<const Tensor *> parts;
        for (mlir::Value part : append.getParts()) {
          // What is stored counts as results: the cache itself cannot be compared.
          interpreter.observe(&op, unsigned(parts.size()), interpreter.currentLayer, value(part));
          parts.push_back(&tensor(part));
        }
        into.append(index(append.getLayer()), parts, step(append.getBatch()));
        return set(0, &into);
      })
      .Case([&](ir::DecompressOp decompressOp) {
        return set(decompress(cache(decompressOp.getCache()), index(decompressOp.getLayer()),
                              tensor(decompressOp.getKvB()), int64_t(decompressOp.getHeads()),
                              decompressOp.getWidths()[0], step(decompressOp.getBatch())));
      })
      .Case([&](ir::AttentionOp attend) {
        AttentionSpec spec{attend.getScale().getValue(), rounding(attend.getInner())};
        return set(attention(tensor(attend.getQNope()), &tensor(attend.getQRope()),
                             tensor(attend.getKNope()), &tensor(attend.getKRope()),
                             tensor(attend.getV()), spec, step(attend.getBatch()))
                       .values);
      })
      .Case([&](ir::LatentAttentionOp attend) {
        AttentionSpec spec{attend.getScale().getValue(), rounding(attend.getInner())};
        return set(latentAttention(tensor(attend.getQLatent()), tensor(attend.getQRope()),
                                   cache(attend.getCache()), index(attend.getLayer()), spec,
                                   step(attend.getBatch()))
                       .values);
      });
}

LogicalResult OpRunner::runExperts() {
  auto runMlp = [&](auto mlpOp) {
    return set(mlp(tensor(mlpOp.getX()), tensor(mlpOp.getGate()), tensor(mlpOp.getUp()),
                   tensor(mlpOp.getDown()), {rounding(mlpOp.getInner())}));
  };
  return llvm::TypeSwitch<mlir::Operation *, LogicalResult>(&op)
      .Case([&](ir::GateOp gateOp) { return runGate(gateOp); })
      .Case([&](ir::MLPOp mlpOp) { return runMlp(mlpOp); })
      .Case([&](ir::SharedExpertsOp shared) { return runMlp(shared); })
      .Case([&](ir::RoutedExpertsOp routed) {
        return set(routedExperts(tensor(routed.getX()), tensor(routed.getWeights()),
                                 ids(routed.getIds()), tensor(routed.getGate()),
                                 tensor(routed.getUp()), tensor(routed.getDown()),
                                 {rounding(routed.getInner())}));
      })
      .Case([&](ir::FusedExpertsOp fused) {
        return set(fusedExperts(tensor(fused.getX()), tensor(fused.getWeights()),
                                ids(fused.getIds()), tensor(fused.getGateUp()),
                                tensor(fused.getDown()), int64_t(fused.getShared()),
                                {rounding(fused.getInner())}));
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
  GateResult result =
      gate(tensor(gateOp.getX()), weight, spec, interpreter.replayRouting ? &replayed : nullptr);
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
        std::vector<const Tensor *> parts;
        for (mlir::Value input : concat.getInputs()) {
          parts.push_back(&tensor(input));
        }
        return set(concatenate(parts, int64_t(concat.getDim())));
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
