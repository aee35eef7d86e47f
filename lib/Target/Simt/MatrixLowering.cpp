//===- MatrixLowering.cpp - matrix loads and multiplications --------------===//
//
// Registers go through memory: each lane leaves its operands in a slot and finds the result in one.
// Which lane holds what is the emitters' table, handed to the driver as a constant of the image.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/OpLowering.h"

#include "lib/Codegen/Gpu/FragmentLayouts.h"
#include "lib/Support/SimtAbi.h"

#include "mlir/Dialect/AMDGPU/IR/AMDGPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/DataLayoutInterfaces.h"

using namespace mlir;

namespace dsv2 {
namespace {

SimtFragment fragmentOf(const FragmentLayout &layout) {
  SimtFragment out = {};
  out.elementBits = uint8_t(layout.valueBits.size());
  out.laneBits = uint8_t(layout.laneBits.size());
  for (auto [bit, place] : llvm::enumerate(layout.valueBits)) {
    out.element[bit][0] = uint8_t(place.row);
    out.element[bit][1] = uint8_t(place.column);
  }
  for (auto [bit, place] : llvm::enumerate(layout.laneBits)) {
    out.lane[bit][0] = uint8_t(place.row);
    out.lane[bit][1] = uint8_t(place.column);
  }
  return out;
}

SimtMatrixOp matrixOp(StringRef a, StringRef second, StringRef sum, SimtElement factors) {
  const FragmentLayout &left = fragmentLayout(a), &right = fragmentLayout(second);
  SimtMatrixOp out = {};
  out.rows = uint8_t(left.rows);
  out.columns = uint8_t(right.columns);
  out.depth = uint8_t(left.columns);
  out.lanes = uint8_t(left.lanes());
  out.factorType = factors;
  out.sumType = SimtF32;
  out.a = fragmentOf(left);
  out.b = fragmentOf(right);
  out.c = fragmentOf(fragmentLayout(sum));
  return out;
}

StringRef bytesOf(const SimtMatrixOp &op) {
  return StringRef(reinterpret_cast<const char *>(&op), sizeof(op));
}

int64_t sizeOf(Operation *op, Type type) {
  return int64_t(DataLayout::closest(op).getTypeSize(type).getFixedValue());
}

} // namespace

Value OpLowering::spill(Location loc, ValueRange values, int64_t bytes) {
  Value memory = slot(loc, bytes);
  int64_t offset = 0;
  for (Value value : values) {
    if (auto vector = dyn_cast<VectorType>(value.getType()); vector && vector.getRank() != 1) {
      auto flat = VectorType::get({vector.getNumElements()}, vector.getElementType());
      value = vector::ShapeCastOp::create(b, loc, flat, value);
    }
    LLVM::StoreOp::create(b, loc, value, byteOffset(loc, memory, offset));
    offset += sizeOf(self.getParentBlock()->getParentOp(), value.getType());
  }
  return memory;
}

/// Replaces the operation by what the driver has left in the slot: a vector, a word, or a struct of
/// words.
Value OpLowering::reload(Operation *op, Value memory) {
  Location loc = op->getLoc();
  Type type = op->getResult(0).getType();
  Value result;
  if (auto fields = dyn_cast<LLVM::LLVMStructType>(type)) {
    result = LLVM::UndefOp::create(b, loc, type);
    int64_t offset = 0;
    for (auto [number, field] : llvm::enumerate(fields.getBody())) {
      Value value = LLVM::LoadOp::create(b, loc, field, byteOffset(loc, memory, offset));
      result = LLVM::InsertValueOp::create(b, loc, result, value, int64_t(number));
      offset += sizeOf(op, field);
    }
  } else if (auto vector = dyn_cast<VectorType>(type)) {
    auto flat = VectorType::get({vector.getNumElements()}, vector.getElementType());
    result = LLVM::LoadOp::create(b, loc, flat, memory);
    if (flat != vector) {
      result = vector::ShapeCastOp::create(b, loc, vector, result);
    }
  } else {
    result = LLVM::LoadOp::create(b, loc, type, memory);
  }
  replace(op, result);
  return result;
}

/// A matrix of 8 x 8 elements of 2 bytes is a word in each lane.
void OpLowering::loadMatrices(Operation *op, Value address, int64_t tiles, bool transpose) {
  Location loc = op->getLoc();
  Value memory = slot(loc, tiles * 4);
  call(op, RuntimeCall::MatrixLoad, {address, i32(loc, tiles), i32(loc, transpose), memory});
  reload(op, memory);
}

/// Matrix instructions of waves: operands A, B and C in this order, whole vectors.
LogicalResult OpLowering::multiplyWaves(Operation *op) {
  Location loc = op->getLoc();
  static const SimtMatrixOp mfma =
      matrixOp("mfma16x16x16.a", "mfma16x16x16.b", "mfma16x16.d", SimtElement::SimtBF16);
  static const SimtMatrixOp wmma =
      matrixOp("wmma16x16x16.a", "wmma16x16x16.b", "wmma16x16.d", SimtElement::SimtBF16);
  SmallVector<int64_t> shape;
  if (auto multiply = dyn_cast<amdgpu::MFMAOp>(op)) {
    shape = {multiply.getM(), multiply.getN(), multiply.getK(), multiply.getBlocks()};
  } else {
    auto wave = cast<amdgpu::WMMAOp>(op);
    shape = {wave.getM(), wave.getN(), wave.getK(), 1};
  }
  bool isBf16 = getElementTypeOrSelf(op->getOperand(0).getType()).isBF16();
  if (!isBf16 || shape != SmallVector<int64_t>{16, 16, 16, 1}) {
    return op->emitError("only 16x16x16 of bf16 is modelled by Simt");
  }
  const SimtMatrixOp &table = isa<amdgpu::MFMAOp>(op) ? mfma : wmma;
  Value description = calls.constant(b, loc, "matrix", bytesOf(table), 1);
  SmallVector<Value> arguments = {description};
  for (Value operand : op->getOperands()) {
    arguments.push_back(spill(loc, operand, sizeOf(op, operand.getType())));
  }
  Value result = slot(loc, sizeOf(op, op->getResult(0).getType()));
  arguments.push_back(result);
  call(op, RuntimeCall::MatrixMultiply, arguments);
  reload(op, result);
  return success();
}

std::optional<LogicalResult> OpLowering::lowerMatrix(Operation *op) {
  Location loc = op->getLoc();
  if (auto load = dyn_cast<nvgpu::LdMatrixOp>(op)) {
    if (cast<VectorType>(load.getType()).getElementTypeBitWidth() != 16) {
      return op->emitError("a matrix load of elements other than 2 bytes is not modelled by Simt");
    }
    SmallVector<int64_t> lengths(load.getIndices().size(), 1);
    lengths.back() = 8;
    loadMatrices(op, addressOf(loc, load.getSrcMemref(), load.getIndices()), load.getNumTiles(),
                 load.getTranspose());
    return success();
  }
  if (auto load = dyn_cast<NVVM::LdMatrixOp>(op)) {
    loadMatrices(op, load.getPtr(), load.getNum(), load.getLayout() == NVVM::MMALayout::col);
    return success();
  }
  if (isa<amdgpu::MFMAOp, amdgpu::WMMAOp>(op)) {
    return multiplyWaves(op);
  }
  SmallVector<Value> factors[3];
  bool isBf16 = false;
  SmallVector<int64_t> shape;
  if (auto multiply = dyn_cast<NVVM::MmaOp>(op)) {
    llvm::append_range(factors[0], multiply.getOperandA());
    llvm::append_range(factors[1], multiply.getOperandB());
    llvm::append_range(factors[2], multiply.getOperandC());
    isBf16 = multiply.getMultiplicandAPtxType() == NVVM::MMATypes::bf16;
    shape = {multiply.getShape().getM(), multiply.getShape().getN(), multiply.getShape().getK()};
  } else if (auto multiply = dyn_cast<nvgpu::MmaSyncOp>(op)) {
    factors[0] = {multiply.getMatrixA()};
    factors[1] = {multiply.getMatrixB()};
    factors[2] = {multiply.getMatrixC()};
    isBf16 = cast<VectorType>(multiply.getMatrixA().getType()).getElementType().isBF16();
    std::array<int64_t, 3> given = multiply.getMmaShapeAsArray();
    shape.assign(given.begin(), given.end());
  } else {
    return std::nullopt;
  }
  if (!isBf16 || shape != SmallVector<int64_t>{16, 8, 16}) {
    return op->emitError("only m16n8k16 of bf16 is modelled by Simt");
  }
  static const SimtMatrixOp table =
      matrixOp("m16n8k16.a", "m16n8k16.b", "m16n8.d", SimtElement::SimtBF16);
  Value description = calls.constant(b, loc, "matrix", bytesOf(table), 1);
  Value a = spill(loc, factors[0], 16), second = spill(loc, factors[1], 8),
        sum = spill(loc, factors[2], 16), result = slot(loc, 16);
  call(op, RuntimeCall::MatrixMultiply, {description, a, second, sum, result});
  reload(op, result);
  return success();
}

} // namespace dsv2
