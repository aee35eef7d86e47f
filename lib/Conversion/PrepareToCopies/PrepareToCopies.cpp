//===- PrepareToCopies.cpp - A derived weight as a table of copies ----------------------------===//
//
// A body is evaluated backwards from what it yields, each value as boxes of checkpoint tensors
// (Pieces.h); the packed layout is one more change of shape at the end.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/PrepareToCopies/PrepareToCopies.h"
#include "lib/Conversion/PrepareToCopies/Pieces.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// Evaluates the values of one prepare body (and of those it uses) to pieces.
class Reducer {
public:
  Reducer(SymbolTable &symbols) : symbols(symbols) {}

  std::vector<::dsv2::WeightSource> sources;

  FailureOr<PieceTensor> evaluateSymbol(Operation *symbol) {
    if (auto family = dyn_cast<WeightsOp>(symbol)) {
      if (isa<ScaledType>(family.getTensorType().getElementType())) {
        return family.emitOpError("holds scaled weights: only dsv2.dequantize can prepare them");
      }
      return evaluateFamily(family);
    }
    auto prepare = dyn_cast<PrepareOp>(symbol);
    if (!prepare) {
      return symbol->emitError("expected dsv2.weights or dsv2.prepare");
    }
    return evaluate(prepare.getYielded());
  }

private:
  /// All of a family, its numbers already widened where they are scaled.
  FailureOr<PieceTensor> evaluateFamily(WeightsOp family) {
    FailureOr<::dsv2::WeightSource> source = sourceOf(family);
    if (failed(source)) {
      return failure();
    }
    unsigned number = 0;
    while (number < sources.size() && sources[number].name != source->name) {
      ++number;
    }
    if (number == sources.size()) {
      sources.push_back(std::move(*source));
    }
    RangeAttr experts = family.getExpertsAttr();
    if (experts && experts.getStep() != 1) {
      return family.emitOpError("experts with a step other than 1 cannot be prepared");
    }
    return PieceTensor::whole(number, family.getTensorType().getShape(),
                              experts ? experts.size() : 0, experts ? experts.getBegin() : 0);
  }

  static FailureOr<::dsv2::WeightSource> sourceOf(WeightsOp family) {
    auto type = family.getTensorType();
    ::dsv2::WeightSource source;
    source.name = family.getSource().str();
    source.shape = type.getShape().vec();
    auto scaled = dyn_cast<ScaledType>(type.getElementType());
    if (!scaled) {
      source.type =
          type.getElementType().isF32() ? ::dsv2::ElementType::F32 : ::dsv2::ElementType::BF16;
      return source;
    }
    if (!isa<Float8E4M3FNType>(scaled.getStored()) || !scaled.getScale().isF32() ||
        type.getRank() != 2) {
      return family.emitOpError() << "has type " << type
                                  << ", expected a matrix of f8E4M3FN with scales in f32 to be "
                                     "prepared";
    }
    source.type = ::dsv2::ElementType::F8E4M3;
    source.scales = family.getScales()->str();
    auto block = [&](unsigned dim) {
      int64_t size = scaled.getBlock()[dim], all = type.getDimSize(dim);
      return size == 0 ? all : std::min(size, all);
    };
    source.blockRows = block(0);
    source.blockColumns = block(1);
    return source;
  }

  FailureOr<PieceTensor> evaluate(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op) {
      return emitError(value.getLoc(), "a prepared weight must come from a dsv2.weight");
    }
    return TypeSwitch<Operation *, FailureOr<PieceTensor>>(op)
        .Case<WeightOp>([&](WeightOp o) -> FailureOr<PieceTensor> {
          Operation *symbol = symbols.lookup(o.getFamily());
          if (!symbol) {
            return o.emitOpError() << "names an unknown family " << o.getFamilyAttr();
          }
          return evaluateSymbol(symbol);
        })
        .Case<DequantizeOp>([&](DequantizeOp o) -> FailureOr<PieceTensor> {
          auto read = o.getWeight().getDefiningOp<WeightOp>();
          auto family =
              read ? dyn_cast_or_null<WeightsOp>(symbols.lookup(read.getFamily())) : WeightsOp();
          if (!family) {
            return o.emitOpError("must widen a family of the checkpoint as it is");
          }
          rounded |= !getElementTypeOrSelf(o.getResult().getType()).isF32();
          return evaluateFamily(family);
        })
        .Case<tensor::ExtractSliceOp>([&](tensor::ExtractSliceOp o) -> FailureOr<PieceTensor> {
          FailureOr<PieceTensor> x = evaluate(o.getSource());
          bool fixed = !llvm::any_of(o.getStaticOffsets(), ShapedType::isDynamic) &&
                       !llvm::any_of(o.getStaticSizes(), ShapedType::isDynamic) &&
                       llvm::all_of(o.getStaticStrides(), [](int64_t s) { return s == 1; });
          if (failed(x)) {
            return failure();
          }
          if (!fixed) {
            return o.emitOpError("must be static, with unit strides");
          }
          x->slice(o.getStaticOffsets(), o.getStaticSizes());
          llvm::SmallBitVector dropped = o.getDroppedDims();
          for (int dim = int(dropped.size()) - 1; dim >= 0; --dim) {
            if (dropped.test(dim)) {
              x->drop(dim);
            }
          }
          return x;
        })
        .Case<tensor::ConcatOp>([&](tensor::ConcatOp o) -> FailureOr<PieceTensor> {
          std::optional<PieceTensor> all;
          for (Value input : o.getInputs()) {
            FailureOr<PieceTensor> x = evaluate(input);
            if (failed(x)) {
              return failure();
            }
            if (all) {
              all->concat(*x, o.getDim());
            } else {
              all = *x;
            }
          }
          return *all;
        })
        .Case<tensor::ExpandShapeOp>([&](tensor::ExpandShapeOp o) -> FailureOr<PieceTensor> {
          FailureOr<PieceTensor> x = evaluate(o.getSrc());
          if (failed(x)) {
            return failure();
          }
          auto shape = o.getResultType().getShape();
          for (const ReassociationIndices &group : o.getReassociationIndices()) {
            // [s] -> [a, b, c]: split off c, then b.
            for (unsigned last = group.size() - 1; last > 0; --last) {
              x->expand(group.front(), shape[group[last]]);
            }
          }
          return x;
        })
        .Case<tensor::CollapseShapeOp>([&](tensor::CollapseShapeOp o) -> FailureOr<PieceTensor> {
          FailureOr<PieceTensor> x = evaluate(o.getSrc());
          if (failed(x)) {
            return failure();
          }
          for (auto [to, group] : llvm::enumerate(o.getReassociationIndices())) {
            for (unsigned i = 1; i < group.size(); ++i) {
              x->collapse(to);
            }
          }
          return x;
        })
        .Case<TransposeOp>([&](TransposeOp o) -> FailureOr<PieceTensor> {
          FailureOr<PieceTensor> x = evaluate(o.getSource());
          if (succeeded(x)) {
            x->transpose(o.getPermutation());
          }
          return x;
        })
        .Case<CastOp>([&](CastOp o) -> FailureOr<PieceTensor> {
          FailureOr<PieceTensor> x = evaluate(o.getX());
          // Copies convert once, from the checkpoint's type to the prepared one.
          bool widens = getElementTypeOrSelf(o.getResult().getType()).isF32();
          if (succeeded(x) && widens && rounded) {
            return o.emitOpError("widens values that were rounded before: a copy converts once");
          }
          rounded |= !widens;
          return x;
        })
        .Default([](Operation *o) -> FailureOr<PieceTensor> {
          return o->emitError("is not data movement, so this weight cannot be prepared by copies");
        });
  }

  SymbolTable &symbols;
  bool rounded = false; ///< a cast to bf16 has been passed
};

/// Row-major strides of a shape.
SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int i = int(shape.size()) - 2; i >= 0; --i) {
    strides[i] = strides[i + 1] * shape[i + 1];
  }
  return strides;
}

::dsv2::WeightCopy toCopy(const Piece &piece, ArrayRef<int64_t> strides) {
  ::dsv2::WeightCopy copy;
  copy.source = piece.source;
  copy.srcOffset = piece.base;
  copy.expertBegin = piece.expert;
  for (auto [i, dim] : llvm::enumerate(piece.dims)) {
    copy.dstOffset += dim.offset * strides[i];
    if (int(i) == piece.expertDim) {
      copy.expertCount = dim.size;
      copy.expertDstStride = dim.size > 1 ? strides[i] : 0;
      continue;
    }
    if (dim.size == 1) {
      continue;
    }
    ::dsv2::CopyDim next{dim.size, dim.stride, strides[i]};
    if (!copy.dims.empty() && copy.dims.back().srcStride == next.srcStride * next.extent &&
        copy.dims.back().dstStride == next.dstStride * next.extent) {
      copy.dims.back() = {copy.dims.back().extent * next.extent, next.srcStride, next.dstStride};
    } else {
      copy.dims.push_back(next);
    }
  }
  return copy;
}

} // namespace

FailureOr<::dsv2::Weight> mlir::dsv2::reduceWeight(Operation *symbol, SymbolTable &symbols,
                                                   const WeightLayout &layout,
                                                   ::dsv2::ElementType element) {
  Reducer reducer(symbols);
  FailureOr<PieceTensor> tensor = reducer.evaluateSymbol(symbol);
  if (failed(tensor)) {
    return failure();
  }
  // One conversion from the checkpoint to memory: a type in between that is narrower than the
  // result would have rounded values that the copies do not.
  Type written = getFamilyType(symbol).getElementType();
  for (const ::dsv2::WeightSource &source : reducer.sources) {
    if (source.type != ::dsv2::ElementType::BF16 && written.isBF16() &&
        element == ::dsv2::ElementType::F32) {
      return symbol->emitError("rounds its weights to bf16, but f32 is asked for");
    }
  }
  if (layout.panel > 0) {
    unsigned rows = tensor->shape.size() - 2;
    if (tensor->shape.size() < 2 || tensor->shape[rows] % layout.rowParts != 0) {
      return symbol->emitError() << "cannot be packed in " << layout.rowParts << " parts of rows";
    }
    // [N, K] -> [N, K/pair, pair] -> [parts, N/parts, ...] -> [parts, panels, P, K/pair, pair] -> P
    // inside.
    tensor->expand(rows + 1, layout.pair);
    if (layout.rowParts > 1) {
      tensor->expand(rows, tensor->shape[rows] / layout.rowParts);
      ++rows;
    }
    tensor->expand(rows, layout.panel);
    SmallVector<int64_t> order;
    for (unsigned i = 0; i <= rows; ++i) {
      order.push_back(i);
    }
    order.append({int64_t(rows) + 2, int64_t(rows) + 1, int64_t(rows) + 3});
    tensor->transpose(order);
  }
  ::dsv2::Weight out;
  out.type = element;
  out.sources = std::move(reducer.sources);
  if (RangeAttr range = getFamilyLayers(symbol)) {
    out.layers = {range.getBegin(), range.getEnd(), range.getStep(), false};
  }
  out.elements = 1;
  for (int64_t size : tensor->shape) {
    out.elements *= size;
  }
  SmallVector<int64_t> strides = stridesOf(tensor->shape);
  for (const Piece &piece : tensor->pieces) {
    out.copies.push_back(toCopy(piece, strides));
    if (out.copies.back().dims.size() > 8) {
      return symbol->emitError("needs a copy of more than 8 dimensions");
    }
  }
  return out;
}
