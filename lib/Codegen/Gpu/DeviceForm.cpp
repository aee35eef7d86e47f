//===- DeviceForm.cpp - a kernel function as a workgroup's program --------===//
//
// Clones the function's one block into a gpu.func, after the few operations that find the
// workgroup's items and scratch.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/DeviceForm.h"

#include "lib/Codegen/KernelForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// A bound on the scratch of all workgroups that no index reaches.
constexpr int64_t kScratchBound = int64_t(1) << 40;

int64_t integerAttr(func::FuncOp kernel, StringRef name, int64_t otherwise) {
  auto attribute = kernel->getAttrOfType<IntegerAttr>(name);
  return attribute ? attribute.getInt() : otherwise;
}

/// Arguments that the body stores to.
llvm::SmallPtrSet<Value, 8> storedArguments(Block &body) {
  llvm::SmallPtrSet<Value, 8> out;
  body.walk([&](Operation *op) {
    Value memory;
    if (auto store = dyn_cast<memref::StoreOp>(op)) {
      memory = store.getMemref();
    } else if (auto store = dyn_cast<vector::StoreOp>(op)) {
      memory = store.getBase();
    } else if (auto write = dyn_cast<vector::TransferWriteOp>(op)) {
      memory = write.getBase();
    }
    while (memory) {
      out.insert(memory);
      auto view = memory.getDefiningOp<ViewLikeOpInterface>();
      memory = view ? view.getViewSource() : Value();
    }
  });
  return out;
}

/// What the body's begin, end and scratch are in workgroup `group`.
SmallVector<Value> shareOf(OpBuilder &b, Location loc, gpu::GPUFuncOp to, MemRefType scratch) {
  unsigned count = to.getNumArguments();
  Value items = to.getArgument(count - 3), workgroups = to.getArgument(count - 2);
  Value group = gpu::BlockIdOp::create(b, loc, gpu::Dimension::x);
  auto bound = [&](Value number) -> Value {
    Value product = arith::MulIOp::create(b, loc, number, items);
    return arith::DivUIOp::create(b, loc, product, workgroups);
  };
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value stride =
      arith::ConstantIndexOp::create(b, loc, kernelScratchStride(scratch.getNumElements()));
  Value shift = arith::MulIOp::create(b, loc, group, stride);
  Value own =
      memref::ViewOp::create(b, loc, scratch, to.getArgument(count - 1), shift, ValueRange{});
  return {bound(group), bound(arith::AddIOp::create(b, loc, group, one)), own};
}

} // namespace

FailureOr<DeviceForm> makeDeviceForm(func::FuncOp kernel) {
  if (failed(checkKernelForm(kernel, /*takesTensorMaps=*/true))) {
    return failure();
  }
  if (!kernel.getBody().hasOneBlock()) {
    return kernel.emitError() << "kernel '" << kernel.getName()
                              << "' has several blocks, expected structured control flow";
  }
  MLIRContext *context = kernel.getContext();
  context->loadDialect<arith::ArithDialect, gpu::GPUDialect, memref::MemRefDialect>();
  DeviceForm out;
  out.threads = integerAttr(kernel, kThreadsAttr, 1);
  out.sharedBytes = integerAttr(kernel, kSharedBytesAttr, 0);

  Location loc = kernel.getLoc();
  OpBuilder b(context);
  out.module = ModuleOp::create(loc);
  (*out.module)->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
  b.setInsertionPointToStart(out.module->getBody());
  out.device = gpu::GPUModuleOp::create(b, loc, "kernels");
  b.setInsertionPointToStart(out.device.getBody());

  Block &body = kernel.getBody().front();
  SmallVector<Type> types(body.getArgumentTypes());
  auto scratch = cast<MemRefType>(types.back());
  types.back() = MemRefType::get({kScratchBound}, b.getI8Type());
  out.kernel = gpu::GPUFuncOp::create(b, loc, kernel.getName(), b.getFunctionType(types, {}));
  out.kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  out.kernel.setKnownBlockSizeAttr(b.getDenseI32ArrayAttr({int32_t(out.threads), 1, 1}));
  out.kernel->setAttr(kSharedBytesAttr, b.getI64IntegerAttr(out.sharedBytes));
  unsigned slots = types.size() - kTrailingArguments;
  // What one thread stores another may read after a barrier: an optimizer that takes memory for one
  // thread's alone would move the read.
  llvm::SmallPtrSet<Value, 8> stored = storedArguments(body);
  for (unsigned i = 0; i < slots; ++i) {
    bool together = out.threads > 1 && stored.contains(body.getArgument(i));
    if (kernel.getArgAttr(i, "llvm.noalias") && !together) {
      out.kernel.setArgAttr(i, "llvm.noalias", b.getUnitAttr());
    }
    if (Attribute tensorMap = kernel.getArgAttr(i, kTensorMapAttr)) {
      out.kernel.setArgAttr(i, kTensorMapAttr, tensorMap);
    }
  }

  b.setInsertionPointToStart(&out.kernel.getBody().front());
  IRMapping map;
  for (unsigned i = 0; i < slots; ++i) {
    map.map(body.getArgument(i), out.kernel.getArgument(i));
  }
  map.map(body.getArguments().drop_front(slots), shareOf(b, loc, out.kernel, scratch));
  for (Operation &op : body.without_terminator()) {
    b.clone(op, map);
  }
  gpu::ReturnOp::create(b, loc);
  return std::move(out);
}

} // namespace dsv2
