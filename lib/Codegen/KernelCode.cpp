//===- KernelCode.cpp - Short names for writing a kernel by hand ----------===//
//
// Nothing here decides anything: each function is one op, or the few that always go together.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelCode.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dsv2 {

// The bare-pointer convention needs static shapes; nothing is sized by this number.
static constexpr int64_t kSlotElements = int64_t(1) << 40;
static constexpr int64_t kScratchAlignment = 64;

KernelCode::KernelCode(const KernelRequest &request, llvm::ArrayRef<Type> slots)
    : b(request.loc.getContext()), loc(request.loc), slotCount(slots.size()) {
  b.getContext()
      ->loadDialect<arith::ArithDialect, func::FuncDialect, memref::MemRefDialect, scf::SCFDialect,
                    vector::VectorDialect>();
  f32 = b.getF32Type();
  i32 = b.getI32Type();
  index = b.getIndexType();
  module = ModuleOp::create(loc);
  b.setInsertionPointToStart(module->getBody());
  llvm::SmallVector<Type> types;
  for (Type type : slots) {
    types.push_back(type.isIndex() ? type : MemRefType::get({kSlotElements}, type));
  }
  types.append({index, index, MemRefType::get({1}, b.getI8Type())});
  function = func::FuncOp::create(b, loc, request.name, b.getFunctionType(types, {}));
  for (unsigned i = 0; i < types.size(); ++i) {
    if (isa<MemRefType>(types[i])) {
      function.setArgAttr(i, "llvm.noalias", b.getUnitAttr());
    }
  }
  b.setInsertionPointToStart(function.addEntryBlock());
}

Value KernelCode::scratch(Type element, int64_t count) { return scratch(element, count, 1, {}); }

Value KernelCode::scratch(Type element, int64_t count, int64_t parts, Value part) {
  int64_t bytes = llvm::alignTo(count * element.getIntOrFloatBitWidth() / 8, kScratchAlignment);
  Value shift = constant(scratchBytes);
  if (part) {
    shift = add(shift, mul(part, bytes));
  }
  scratchBytes += parts * bytes;
  return memref::ViewOp::create(b, loc, MemRefType::get({count}, element),
                                function.getArguments().back(), shift, ValueRange{});
}

Value KernelCode::constant(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

Value KernelCode::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = isa<FloatType>(element)
                       ? TypedAttr(b.getFloatAttr(element, static_cast<float>(value)))
                       : TypedAttr(b.getIntegerAttr(element, static_cast<int64_t>(value)));
  if (auto vector = dyn_cast<VectorType>(type)) {
    attr = DenseElementsAttr::get(vector, cast<Attribute>(attr));
  }
  return arith::ConstantOp::create(b, loc, attr);
}

Value KernelCode::add(Value x, Value y) {
  if (isa<FloatType>(getElementTypeOrSelf(x.getType()))) {
    return arith::AddFOp::create(b, loc, x, y);
  }
  return arith::AddIOp::create(b, loc, x, y);
}

Value KernelCode::mul(Value x, Value y) {
  if (isa<FloatType>(getElementTypeOrSelf(x.getType()))) {
    return arith::MulFOp::create(b, loc, x, y);
  }
  return arith::MulIOp::create(b, loc, x, y);
}

Value KernelCode::toIndex(Value integer) {
  return arith::IndexCastOp::create(b, loc, index, integer);
}

Value KernelCode::toI32(Value value) { return arith::IndexCastOp::create(b, loc, i32, value); }

Value KernelCode::clampedIndex(Value integer, int64_t limit) {
  Value last = constant(i32, static_cast<double>(limit - 1));
  return toIndex(arith::MinUIOp::create(b, loc, integer, last));
}

Value KernelCode::load(Value memory, Value at) {
  return memref::LoadOp::create(b, loc, memory, ValueRange{at});
}

void KernelCode::store(Value value, Value memory, Value at) {
  if (isa<VectorType>(value.getType())) {
    vector::StoreOp::create(b, loc, value, memory, ValueRange{at});
  } else {
    memref::StoreOp::create(b, loc, value, memory, ValueRange{at});
  }
}

Value KernelCode::loadVector(Value memory, Value at, int64_t width) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  return vector::LoadOp::create(b, loc, VectorType::get({width}, element), memory, ValueRange{at});
}

Value KernelCode::broadcast(Value scalar, int64_t width) {
  return vector::BroadcastOp::create(b, loc, VectorType::get({width}, scalar.getType()), scalar);
}

KernelCode::Values KernelCode::loop(Value from, Value to, int64_t step, ValueRange carried,
                                    llvm::function_ref<Values(Value, ValueRange)> body) {
  Value by = constant(step);
  auto loop = scf::ForOp::create(b, loc, from, to, by, carried);
  OpBuilder::InsertionGuard guard(b);
  Block *block = loop.getBody();
  // A loop that carries nothing has its terminator already.
  b.setInsertionPointToStart(block);
  Values results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!carried.empty()) {
    scf::YieldOp::create(b, loc, results);
  }
  return Values(loop.getResults());
}

void KernelCode::loop(Value from, Value to, llvm::function_ref<void(Value)> body) {
  loop(from, to, 1, {}, [&](Value at, ValueRange) {
    body(at);
    return Values{};
  });
}

BuiltKernel KernelCode::finish() {
  func::ReturnOp::create(b, loc);
  Block &entry = function.getBody().front();
  entry.getArguments().back().setType(
      MemRefType::get({std::max<int64_t>(scratchBytes, 1)}, b.getI8Type()));
  function.setFunctionType(b.getFunctionType(entry.getArgumentTypes(), {}));
  BuiltKernel kernel;
  kernel.module = std::move(module);
  kernel.function = function;
  kernel.scratchBytes = scratchBytes;
  return kernel;
}

} // namespace dsv2
