//===- GenericPipeline.cpp - The route of generic kernels -----------------===//
//
// Three sections: tensors (fuse, tile, vectorize), buffers, vectors. Canonicalization between
// passes is load-bearing: each later pass matches the folded form.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/GenericPipeline.h"
#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/AllInterfaces.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/TensorTilingInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Vector/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/SubsetOpInterfaceImpl.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace mlir::dsv2 {

static void addSimplification(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void buildGenericKernelPipeline(OpPassManager &pm, const GenericOptions &options) {
  // Tensors. Fusion leaves an empty tensor where a body does not read its output: bufferized as it
  // is it would be an allocation and a copy, so the stored row takes its place before anything is
  // tiled.
  pm.addNestedPass<func::FuncOp>(createGenericFusePass());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  GenericTilePassOptions tile;
  tile.tile = options.tile;
  tile.lanes = options.lanes;
  pm.addNestedPass<func::FuncOp>(createGenericTilePass(tile));
  addSimplification(pm);
  pm.addNestedPass<func::FuncOp>(createGenericVectorizePass());
  addSimplification(pm);
  // Keeps the partial sums of a reduction in registers; without it the accumulator is a buffer.
  pm.addNestedPass<func::FuncOp>(createLoopInvariantSubsetHoistingPass());
  addSimplification(pm);
  GenericUnrollPassOptions unroll;
  unroll.maxTrips = options.unroll;
  pm.addNestedPass<func::FuncOp>(createGenericUnrollPass(unroll));
  addSimplification(pm);

  // Buffers. The second canonicalization removes what the first one leaves of identity loops.
  pm.addPass(bufferization::createOneShotBufferizePass());
  addSimplification(pm);
  pm.addPass(createCanonicalizerPass());
  pm.addNestedPass<func::FuncOp>(createGenericCopyPass());
  pm.addNestedPass<func::FuncOp>(createGenericTilePass(tile));
  addSimplification(pm);
  pm.addNestedPass<func::FuncOp>(createGenericVectorizePass());
  pm.addPass(memref::createFoldMemRefAliasOpsPass());

  // Vectors.
  GenericTreePassOptions tree;
  tree.keepBF16 = options.keepBF16;
  pm.addNestedPass<func::FuncOp>(createGenericTreePass(tree));
  pm.addNestedPass<func::FuncOp>(vector::createLowerVectorMaskPass());
  pm.addNestedPass<func::FuncOp>(createConvertVectorToSCFPass(
      VectorTransferToSCFOptions().enableFullUnroll().setTargetRank(1)));
  pm.addPass(createLowerAffinePass());
  addSimplification(pm);
  pm.addNestedPass<func::FuncOp>(createGenericCheckPass());
}

void registerGenericKernelDialects(DialectRegistry &registry) {
  registry
      .insert<affine::AffineDialect, arith::ArithDialect, bufferization::BufferizationDialect,
              func::FuncDialect, linalg::LinalgDialect, math::MathDialect, memref::MemRefDialect,
              scf::SCFDialect, tensor::TensorDialect, ub::UBDialect, vector::VectorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerAllDialectInterfaceImplementations(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  tensor::registerTilingInterfaceExternalModels(registry);
  tensor::registerValueBoundsOpInterfaceExternalModels(registry);
  vector::registerBufferizableOpInterfaceExternalModels(registry);
  vector::registerSubsetOpInterfaceExternalModels(registry);
}

namespace {
struct PipelineOptions : PassPipelineOptions<PipelineOptions> {
  Option<int64_t> tile{*this, "tile", llvm::cl::desc("elements of a full piece"),
                       llvm::cl::init(64)};
  Option<int64_t> lanes{*this, "lanes", llvm::cl::desc("a piece is a multiple of this"),
                        llvm::cl::init(16)};
  Option<bool> keepBF16{*this, "keep-bf16", llvm::cl::desc("leave roundings to bf16 to the target"),
                        llvm::cl::init(false)};
};
} // namespace

void registerGenericKernelPasses() {
  registerDSV2GenericPasses();
  PassPipelineRegistration<PipelineOptions>("dsv2-generic-kernel",
                                            "lower kernels in row form to loops and vectors",
                                            [](OpPassManager &pm, const PipelineOptions &options) {
                                              GenericOptions generic;
                                              generic.tile = options.tile;
                                              generic.lanes = options.lanes;
                                              generic.keepBF16 = options.keepBF16;
                                              buildGenericKernelPipeline(pm, generic);
                                            });
}

} // namespace mlir::dsv2
