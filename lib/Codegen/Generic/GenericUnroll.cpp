//===- GenericUnroll.cpp - Unroll innermost loops of few trips ------------===//
//
// Runs before bufferization, where an unrolled chain of slices still folds.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICUNROLLPASS
#include "lib/Codegen/Generic/Passes.h.inc"

namespace {
struct GenericUnrollPass : impl::GenericUnrollPassBase<GenericUnrollPass> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) {
      bool innermost = true;
      loop.getBody()->walk([&](scf::ForOp) { innermost = false; });
      std::optional<APInt> trips = loop.getStaticTripCount();
      if (innermost && trips && trips->ule(static_cast<uint64_t>(maxTrips))) {
        loops.push_back(loop);
      }
    });
    for (scf::ForOp loop : loops) {
      if (succeeded(loopUnrollFull(loop))) {
        ++numUnrolled;
      }
    }
  }
};
} // namespace
} // namespace mlir::dsv2
