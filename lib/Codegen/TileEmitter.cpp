//===- TileEmitter.cpp - what every target's emitter shares ---------------===//
//
// The function around a tile program, index arithmetic, and elementwise arithmetic on chunks.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/TileEmitter.h"

#include "lib/Codegen/KernelForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace dsv2 {

TargetData::~TargetData() = default;

TileEmitter::TileEmitter(MLIRContext *context) : b(context), loc(UnknownLoc::get(context)) {}
TileEmitter::~TileEmitter() = default;

AttentionTile TileEmitter::attentionTile(Type) const { return {}; }

MemRefType flatMemory(Type element) { return MemRefType::get({int64_t(1) << 40}, element); }

llvm::SmallVector<Value> TileEmitter::begin(const KernelRequest &request,
                                            llvm::ArrayRef<KernelArgument> arguments) {
  loc = request.loc;
  module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  SmallVector<Type> types;
  for (const KernelArgument &argument : arguments) {
    types.push_back(argument.element ? Type(flatMemory(argument.element)) : Type(b.getIndexType()));
  }
  unsigned count = types.size();
  types.append({b.getIndexType(), b.getIndexType(), MemRefType::get({0}, b.getI8Type())});
  function = func::FuncOp::create(b, loc, request.name, b.getFunctionType(types, {}));
  for (auto [number, argument] : llvm::enumerate(arguments)) {
    if (argument.element && !argument.mayAlias) {
      function.setArgAttr(number, "llvm.noalias", b.getUnitAttr());
    }
  }
  function.setArgAttr(count + 2, "llvm.noalias", b.getUnitAttr());
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  scratchArgument = entry->getArgument(count + 2);
  scratchBytes = 0;
  return SmallVector<Value>(entry->getArguments().take_front(count));
}

void TileEmitter::items(const std::function<void(Value)> &program) {
  Block *entry = &function.getBody().front();
  unsigned count = entry->getNumArguments() - kTrailingArguments;
  loop(entry->getArgument(count), entry->getArgument(count + 1), program);
}

BuiltKernel TileEmitter::finish() {
  func::ReturnOp::create(b, loc);
  // The size of the scratch is known only now.
  auto type = MemRefType::get({std::max<int64_t>(scratchBytes, 64)}, b.getI8Type());
  scratchArgument.setType(type);
  function.setType(b.getFunctionType(function.getBody().getArgumentTypes(), {}));
  BuiltKernel out;
  out.function = function;
  out.scratchBytes = scratchBytes;
  out.module = std::move(module);
  return out;
}

Value TileEmitter::addArgument(Type type, DictionaryAttr attributes) {
  unsigned place = function.getNumArguments() - kTrailingArguments;
  (void)function.insertArgument(place, type, attributes, loc);
  return function.getArgument(place);
}

Value TileEmitter::scratch(Type element, int64_t count) {
  // Views stand at the start of the function: one made in a loop would still mean the same bytes.
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  int64_t offset = (scratchBytes + 63) / 64 * 64;
  scratchBytes = offset + count * ((element.getIntOrFloatBitWidth() + 7) / 8);
  Value at = arith::ConstantIndexOp::create(b, loc, offset);
  return memref::ViewOp::create(b, loc, MemRefType::get({count}, element), scratchArgument, at,
                                ValueRange{});
}

Value TileEmitter::constantLike(Value like, double value) {
  auto attribute = b.getF32FloatAttr(value);
  if (auto shaped = dyn_cast<ShapedType>(like.getType())) {
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(shaped, attribute));
  }
  return arith::ConstantOp::create(b, loc, attribute);
}

Value TileEmitter::addf(Value a, Value c) { return arith::AddFOp::create(b, loc, a, c); }
Value TileEmitter::subf(Value a, Value c) { return arith::SubFOp::create(b, loc, a, c); }
Value TileEmitter::mulf(Value a, Value c) { return arith::MulFOp::create(b, loc, a, c); }
Value TileEmitter::divf(Value a, Value c) { return arith::DivFOp::create(b, loc, a, c); }
Value TileEmitter::maxf(Value a, Value c) { return whereGreater(a, c, a, c); }
Value TileEmitter::whereGreater(Value a, Value c, Value x, Value y) {
  Value greater = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, a, c);
  return arith::SelectOp::create(b, loc, greater, x, y);
}

Value TileEmitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
Value TileEmitter::add(Value a, Value c) { return b.createOrFold<arith::AddIOp>(loc, a, c); }
Value TileEmitter::sub(Value a, Value c) { return b.createOrFold<arith::SubIOp>(loc, a, c); }
Value TileEmitter::mul(Value a, Value c) { return b.createOrFold<arith::MulIOp>(loc, a, c); }
Value TileEmitter::div(Value a, Value c) { return b.createOrFold<arith::DivUIOp>(loc, a, c); }
Value TileEmitter::rem(Value a, Value c) { return b.createOrFold<arith::RemUIOp>(loc, a, c); }
Value TileEmitter::div(Value a, int64_t c) { return div(a, index(c)); }
Value TileEmitter::rem(Value a, int64_t c) { return rem(a, index(c)); }
Value TileEmitter::ceilDiv(Value a, int64_t c) { return div(add(a, c - 1), c); }
Value TileEmitter::minimum(Value a, Value c) { return b.createOrFold<arith::MinUIOp>(loc, a, c); }
Value TileEmitter::less(Value a, Value c) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, a, c);
}

Value TileEmitter::loadIndex(Value memory, Value at) {
  Value loaded = memref::LoadOp::create(b, loc, memory, at);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), loaded);
}

void TileEmitter::loop(Value begin, Value end, const std::function<void(Value)> &body) {
  scf::ForOp::create(b, loc, begin, end, index(1), ValueRange{},
                     [&](OpBuilder &inner, Location, Value iv, ValueRange) {
                       OpBuilder::InsertionGuard guard(b);
                       b.setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
                       body(iv);
                       scf::YieldOp::create(b, loc);
                     });
}

void TileEmitter::ifTrue(Value condition, const std::function<void()> &then,
                         const std::function<void()> &otherwise) {
  auto op = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  then();
  if (otherwise) {
    b.setInsertionPointToStart(op.elseBlock());
    otherwise();
  }
}

} // namespace dsv2
