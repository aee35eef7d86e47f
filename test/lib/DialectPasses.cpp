//===- DialectPasses.cpp - Passes that show what the dialect offers -------===//
//
// Utilities that no pass of the pipeline uses yet, or whose answers no pass prints, behind an
// option of dsv2-opt-test.
//
//===----------------------------------------------------------------------===//
#include "DialectPasses.h"

#include "dialects/DSV2/Transforms/LayerRanges.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

/// Cuts every loop over layers: `split=N` before layer N, `peel=first|last`; with `inline` what was
/// peeled (or any loop of one layer) loses its loop. A loop that cannot be cut gets a remark.
struct TestLayerRanges : PassWrapper<TestLayerRanges, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestLayerRanges)

  TestLayerRanges() = default;
  TestLayerRanges(const TestLayerRanges &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "test-layer-ranges"; }
  StringRef getDescription() const override { return "cut every loop over layers"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect>();
  }

  void runOnOperation() override {
    SmallVector<ir::LayersOp> loops;
    getOperation().walk([&](ir::LayersOp loop) { loops.push_back(loop); });
    IRRewriter rewriter(&getContext());
    for (ir::LayersOp loop : loops) {
      run(rewriter, loop);
    }
  }

  void run(IRRewriter &rewriter, ir::LayersOp loop) {
    ir::LayersOp one = loop;
    if (split.hasValue() || !peel.empty()) {
      FailureOr<ir::LayerSplit> parts = peel == "first"  ? ir::peelFirstLayer(rewriter, loop)
                                        : peel == "last" ? ir::peelLastLayer(rewriter, loop)
                                                         : ir::splitLayers(rewriter, loop, split);
      if (failed(parts)) {
        loop.emitRemark("cannot be cut there");
        return;
      }
      one = peel == "last" ? parts->second : parts->first;
    }
    if (inlineIt && failed(ir::inlineOneLayer(rewriter, one))) {
      one.emitRemark("is not a loop of one layer");
    }
  }

  Option<int64_t> split{*this, "split", llvm::cl::desc("first layer of the second loop")};
  Option<std::string> peel{*this, "peel", llvm::cl::desc("first or last")};
  Option<bool> inlineIt{*this, "inline", llvm::cl::desc("inline the loop of one layer"),
                        llvm::cl::init(false)};
};

/// Says what each op costs in a step of the given size.
struct TestCost : PassWrapper<TestCost, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestCost)

  TestCost() = default;
  TestCost(const TestCost &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "test-cost"; }
  StringRef getDescription() const override { return "say what each op costs"; }

  void runOnOperation() override {
    ir::StepShape shape;
    shape.rows = rows;
    shape.seen = seen;
    shape.cached = cached;
    shape.wanted = wanted;
    getOperation().walk([&](ir::CostOpInterface op) {
      ir::Cost cost = op.getCost(shape);
      InFlightDiagnostic remark = op->emitRemark();
      remark << op->getName().stripDialect() << ": " << cost.flops << " flops, reads [";
      llvm::interleaveComma(cost.operandBytes, remark);
      remark << "], writes [";
      llvm::interleaveComma(cost.resultBytes, remark);
      remark << "], in all " << cost.totalBytes();
    });
  }

  Option<int64_t> rows{*this, "rows", llvm::cl::init(1)};
  Option<int64_t> seen{*this, "seen", llvm::cl::init(1)};
  Option<int64_t> cached{*this, "cached", llvm::cl::init(1)};
  Option<int64_t> wanted{*this, "wanted", llvm::cl::init(1)};
};

} // namespace

void registerDialectPasses() {
  PassRegistration<TestLayerRanges>();
  PassRegistration<TestCost>();
}

} // namespace dsv2
