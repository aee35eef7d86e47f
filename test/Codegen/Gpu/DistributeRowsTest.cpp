//===- DistributeRowsTest.cpp - rows of generic kernels over a warp -------===//
//
// Which loops go round the lanes, where barriers stand and where none do, and what is left alone.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/DistributeRows.h"
#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;

namespace dsv2 {
namespace {

class DistributeRowsTest : public ::testing::Test {
protected:
  DistributeRowsTest() {
    DialectRegistry registry;
    registerKernelDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// Distributes a kernel whose loop over rows holds `body`; its text after that.
  std::string distribute(const std::string &body) {
    module = parseSourceString<ModuleOp>(R"(
func.func @k(%x: memref<65536x41xf32>, %y: memref<65536x41xf32>, %begin: index, %end: index,
             %scratch: memref<64xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c40 = arith.constant 40 : index
  %zero = arith.constant 0.0 : f32
  %zeros = arith.constant dense<0.0> : vector<4xf32>
  scf.for %row = %begin to %end step %c1 {
)" + body + "  }\n  return\n}\n",
                                         &context);
    EXPECT_TRUE(module);
    func::FuncOp kernel = *module->getOps<func::FuncOp>().begin();
    reason = distributeRows(kernel, 32);
    EXPECT_TRUE(succeeded(verify(*module)));
    threads = kernel->getAttrOfType<IntegerAttr>(kThreadsAttr);
    std::string text;
    llvm::raw_string_ostream(text) << kernel;
    return text;
  }

  static size_t count(const std::string &text, const std::string &what) {
    size_t out = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
      ++out;
    }
    return out;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::string reason;
  IntegerAttr threads;
};

const std::string kScale = R"(
    scf.for %i = %c0 to %c40 step %c4 {
      %v = vector.load %x[%row, %i] : memref<65536x41xf32>, vector<4xf32>
      %d = arith.addf %v, %v : vector<4xf32>
      vector.store %d, %y[%row, %i] : memref<65536x41xf32>, vector<4xf32>
    }
)";
const std::string kSum = R"(
    %sum = scf.for %i = %c0 to %c40 step %c4 iter_args(%s = %zeros) -> vector<4xf32> {
      %v = vector.load %y[%row, %i] : memref<65536x41xf32>, vector<4xf32>
      %t = arith.addf %s, %v : vector<4xf32>
      scf.yield %t : vector<4xf32>
    }
)";

TEST_F(DistributeRowsTest, PiecesGoRoundTheLanes) {
  // What a lane adds up it has written itself: no barrier.
  std::string text = distribute(kScale + kSum + R"(
    %one = vector.extract %sum[0] : f32 from vector<4xf32>
    memref.store %one, %y[%row, %c40] : memref<65536x41xf32>
)");
  EXPECT_EQ(reason, "");
  ASSERT_TRUE(threads);
  EXPECT_EQ(threads.getInt(), 32);
  EXPECT_EQ(count(text, "gpu.barrier"), 0u) << text;
  EXPECT_EQ(count(text, "gpu.shuffle"), 4u * 5u) << text; // four values, five distances
  EXPECT_EQ(count(text, "scf.if"), 1u) << text;           // one lane stores the last column
}

TEST_F(DistributeRowsTest, LanesWaitWhereTheyMeet) {
  // One lane stores the tail, all read it.
  std::string text = distribute(kScale + R"(
    memref.store %zero, %y[%row, %c40] : memref<65536x41xf32>
    %tail = memref.load %y[%row, %c40] : memref<65536x41xf32>
    scf.for %i = %c0 to %c40 step %c4 {
      %b = vector.broadcast %tail : f32 to vector<4xf32>
      vector.store %b, %x[%row, %i] : memref<65536x41xf32>, vector<4xf32>
    }
)");
  EXPECT_EQ(reason, "");
  EXPECT_EQ(count(text, "gpu.barrier"), 1u) << text;
}

TEST_F(DistributeRowsTest, LanesWaitForTheNextRowWhereMemoryIsSharedByRows) {
  std::string text = distribute(R"(
    memref.store %zero, %scratch[%c0] : memref<64xf32>
    %v = memref.load %scratch[%c0] : memref<64xf32>
    memref.store %v, %y[%row, %c40] : memref<65536x41xf32>
)");
  EXPECT_EQ(reason, "");
  // Between store and load, and between the load and the next row's store.
  EXPECT_EQ(count(text, "gpu.barrier"), 2u) << text;
}

TEST_F(DistributeRowsTest, WhatIsNotUnderstoodStaysOneThreads) {
  std::string text = distribute(R"(
    scf.for %i = %c0 to %c40 step %c4 {
      %v = memref.load %x[%row, %i] : memref<65536x41xf32>
      memref.store %v, %y[%row, %c0] : memref<65536x41xf32>
    }
)");
  EXPECT_EQ(reason, "a loop over pieces stores at a place that does not move with it");
  EXPECT_FALSE(threads);
  EXPECT_EQ(count(text, "gpu."), 0u) << text;
  distribute(R"(
    %p = scf.for %i = %c0 to %c40 step %c4 iter_args(%s = %zero) -> f32 {
      %v = memref.load %x[%row, %i] : memref<65536x41xf32>
      %t = arith.mulf %s, %v : f32
      scf.yield %t : f32
    }
)");
  EXPECT_EQ(reason, "a loop carries what is no sum or maximum");
}

} // namespace
} // namespace dsv2
