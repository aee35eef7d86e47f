//===- Alignment.cpp - what certainly divides an address ------------------===//
//
// Divisors instead of ranges: a place is a sum of products, and a product's divisor is the product
// of its factors' divisors.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/Alignment.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <numeric>

using namespace mlir;

namespace dsv2 {
namespace {

/// Bytes that slots are aligned to.
constexpr int64_t kSlotAlignment = 64;

int64_t divisorOf(OpFoldResult value) {
  if (auto attribute = dyn_cast<Attribute>(value)) {
    return std::abs(cast<IntegerAttr>(attribute).getInt());
  }
  return dsv2::divisorOf(cast<Value>(value));
}

/// Divides where the memory begins, in elements from a slot; 1 where nothing is known.
int64_t divisorOfStart(Value memory) {
  if (auto argument = dyn_cast<BlockArgument>(memory)) {
    int64_t bits = cast<MemRefType>(memory.getType()).getElementTypeBitWidth();
    bool slot = isa_and_nonnull<FunctionOpInterface>(argument.getOwner()->getParentOp());
    return slot && bits >= 8 ? kSlotAlignment * 8 / bits : 1;
  }
  Operation *op = memory.getDefiningOp();
  if (auto cast = dyn_cast<memref::ReinterpretCastOp>(op)) {
    return std::gcd(divisorOfStart(cast.getSource()), divisorOf(cast.getMixedOffsets().front()));
  }
  if (auto view = dyn_cast<memref::SubViewOp>(op)) {
    int64_t out = divisorOfStart(view.getSource()), offset;
    SmallVector<int64_t> strides;
    if (failed(view.getSourceType().getStridesAndOffset(strides, offset))) {
      return 1;
    }
    for (auto [shift, stride] : llvm::zip(view.getMixedOffsets(), strides)) {
      if (ShapedType::isDynamic(stride)) {
        return 1;
      }
      out = std::gcd(out, divisorOf(shift) * stride);
    }
    return out;
  }
  if (auto cast = dyn_cast<memref::CastOp>(op)) {
    return divisorOfStart(cast.getSource());
  }
  return 1;
}

template <typename Access> void align(Access access, VectorType type) {
  auto memory = cast<MemRefType>(access.getBase().getType());
  int64_t divisor = divisorOfStart(access.getBase()), offset;
  SmallVector<int64_t> strides;
  if (access->hasAttr("alignment") || failed(memory.getStridesAndOffset(strides, offset))) {
    return;
  }
  for (auto [index, stride] : llvm::zip(access.getIndices(), strides)) {
    divisor = std::gcd(divisor, ShapedType::isDynamic(stride) ? 1 : divisorOf(index) * stride);
  }
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  int64_t known = std::gcd(divisor, type.getNumElements()) * bytes;
  if (bytes > 0 && known > bytes && (known & (known - 1)) == 0) {
    access->setAttr("alignment", Builder(access.getContext()).getI64IntegerAttr(known));
  }
}

} // namespace

int64_t divisorOf(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant))) {
    return std::abs(constant.getSExtValue());
  }
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    // A loop that is being built is nobody's parent yet.
    auto loop = dyn_cast_or_null<scf::ForOp>(argument.getOwner()->getParentOp());
    return loop && value == loop.getInductionVar()
               ? std::gcd(divisorOf(loop.getLowerBound()), divisorOf(loop.getStep()))
               : 1;
  }
  if (auto sum = value.getDefiningOp<arith::AddIOp>()) {
    return std::gcd(divisorOf(sum.getLhs()), divisorOf(sum.getRhs()));
  }
  if (auto product = value.getDefiningOp<arith::MulIOp>()) {
    return divisorOf(product.getLhs()) * divisorOf(product.getRhs());
  }
  return 1;
}

void alignVectorAccesses(Operation *root) {
  root->walk([](Operation *op) {
    if (auto load = dyn_cast<vector::LoadOp>(op)) {
      align(load, load.getVectorType());
    } else if (auto store = dyn_cast<vector::StoreOp>(op)) {
      align(store, store.getVectorType());
    }
  });
}

} // namespace dsv2
