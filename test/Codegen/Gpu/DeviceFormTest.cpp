//===- DeviceFormTest.cpp - kernel functions as workgroups' programs ------===//
//
// What the wrapper adds, what it keeps, and what it refuses.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Codegen/KernelForm.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;

namespace dsv2 {
namespace {

class DeviceFormTest : public ::testing::Test {
protected:
  DeviceFormTest()
      : handler(&context, [this](Diagnostic &diagnostic) { message += diagnostic.str() + "\n"; }) {
    DialectRegistry registry;
    registerKernelDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  func::FuncOp parse(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << message;
    return *module->getOps<func::FuncOp>().begin();
  }

  MLIRContext context;
  std::string message;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
};

TEST_F(DeviceFormTest, WrapsTheBody) {
  func::FuncOp kernel = parse(R"(
func.func @k(%a: memref<64xf32> {llvm.noalias}, %c: memref<64xf32> {llvm.noalias}, %n: index, %begin: index, %end: index,
             %scratch: memref<100xi8>) attributes {dsv2.threads = 96, dsv2.shared_bytes = 2048} {
  %one = arith.constant 1 : index
  scf.for %i = %begin to %end step %one {
    %x = memref.load %a[%n] : memref<64xf32>
    memref.store %x, %c[%i] : memref<64xf32>
  }
  return
})");
  FailureOr<DeviceForm> form = makeDeviceForm(kernel);
  ASSERT_TRUE(succeeded(form)) << message;
  EXPECT_TRUE(succeeded(verify(*form->module))) << message;
  EXPECT_EQ(form->threads, 96);
  EXPECT_EQ(form->sharedBytes, 2048);
  EXPECT_TRUE(form->kernel.isKernel());
  EXPECT_EQ(form->kernel.getNumArguments(), 6u);
  EXPECT_TRUE(form->kernel.getArgAttr(0, "llvm.noalias"));
  // Threads may read what others have stored.
  EXPECT_FALSE(form->kernel.getArgAttr(1, "llvm.noalias"));
  EXPECT_EQ(form->kernel.getKnownBlockSize()->front(), 96);
  // Scratch of neighbouring workgroups is a multiple of 64 bytes apart.
  EXPECT_EQ(kernelScratchStride(100), 128);
  std::string text;
  llvm::raw_string_ostream(text) << *form->module;
  EXPECT_NE(text.find("gpu.block_id"), std::string::npos) << text;
  EXPECT_NE(text.find("memref<1099511627776xi8> to memref<100xi8>"), std::string::npos) << text;
  EXPECT_EQ(text.find("grid_dim"), std::string::npos) << text;
  // The function is left as it was.
  EXPECT_FALSE(kernel.getBody().empty());
}

TEST_F(DeviceFormTest, OneThreadWhereTheBodyKnowsNone) {
  FailureOr<DeviceForm> form = makeDeviceForm(
      parse("func.func @k(%begin: index, %end: index, %scratch: memref<1xi8>) { return }"));
  ASSERT_TRUE(succeeded(form)) << message;
  EXPECT_EQ(form->threads, 1);
  EXPECT_EQ(form->sharedBytes, 0);
}

/// A kernel of a matrix, its rows, and one argument of the given type and attributes.
std::string withArgument(const std::string &argument) {
  return "func.func @k(%a: memref<4096xbf16>, %rows: index, " + argument +
         ", %begin: index, %end: index, %scratch: memref<1xi8>) { return }";
}

TEST_F(DeviceFormTest, PassesTensorMapsOn) {
  func::FuncOp kernel = parse(withArgument(
      "%map: !llvm.ptr {dsv2.tensor_map = {slot = 0 : i64, columns = 60 : i64, row_bytes = 128 : "
      "i64, rows_slot = 1 : i64, box_rows = 64 : i64}}, %all: !llvm.ptr {dsv2.tensor_map = {slot = "
      "0 : i64, columns = 64 : i64, row_bytes = 128 : i64, box_rows = 256 : i64}}"));
  FailureOr<llvm::SmallVector<KernelTensorMap>> maps = tensorMapsOf(kernel);
  ASSERT_TRUE(succeeded(maps)) << message;
  ASSERT_EQ(maps->size(), 2u);
  EXPECT_EQ((*maps)[0].columns, 60);
  EXPECT_EQ((*maps)[0].rowsSlot, 1);
  EXPECT_EQ((*maps)[1].rowsSlot, -1);
  EXPECT_EQ((*maps)[1].boxRows, 256);
  // What is read is what a builder writes.
  EXPECT_EQ(tensorMapAttr(&context, (*maps)[0]), kernel.getArgAttr(2, kTensorMapAttr));
  EXPECT_EQ(tensorMapAttr(&context, (*maps)[1]), kernel.getArgAttr(3, kTensorMapAttr));
  FailureOr<DeviceForm> form = makeDeviceForm(kernel);
  ASSERT_TRUE(succeeded(form)) << message;
  EXPECT_TRUE(succeeded(verify(*form->module))) << message;
  ASSERT_EQ(form->kernel.getNumArguments(), 7u);
  EXPECT_TRUE(isa<LLVM::LLVMPointerType>(form->kernel.getArgument(2).getType()));
  EXPECT_EQ(form->kernel.getArgAttr(2, kTensorMapAttr), kernel.getArgAttr(2, kTensorMapAttr));
  EXPECT_TRUE(form->kernel.getArgAttr(3, kTensorMapAttr));
  // Targets that do not say that they take them do not get them.
  EXPECT_TRUE(failed(checkKernelForm(kernel)));
  EXPECT_NE(message.find("argument 2 is a tensor map, which this target has not"),
            std::string::npos)
      << message;
}

TEST_F(DeviceFormTest, RefusesWrongTensorMaps) {
  const char *const cases[][2] = {
      {"", "argument 2 is a pointer without dsv2.tensor_map"},
      {"slot = 0 : i64, row_bytes = 128 : i64, box_rows = 64 : i64", "tensor map without columns"},
      {"slot = 0 : i64, columns = 8 : i64, row_bytes = 16 : i64, box_rows = 1 : i64, a = 1 : i64",
       "unknown fields"},
      {"slot = 1 : i64, columns = 8 : i64, row_bytes = 16 : i64, box_rows = 1 : i64",
       "is a tensor map of slot 1, expected one of memory"},
      {"slot = 2 : i64, columns = 8 : i64, row_bytes = 16 : i64, box_rows = 1 : i64",
       "is a tensor map of slot 2, expected one of memory"},
      {"slot = 0 : i64, columns = 8 : i64, row_bytes = 16 : i64, rows_slot = 0 : i64, box_rows = 1 "
       ": i64",
       "as many rows as slot 0, expected a number"},
      {"slot = 0 : i64, columns = 8 : i64, row_bytes = 24 : i64, box_rows = 1 : i64",
       "8 columns in rows of 24 bytes"},
      {"slot = 0 : i64, columns = 9 : i64, row_bytes = 16 : i64, box_rows = 1 : i64",
       "9 columns in rows of 16 bytes"},
      {"slot = 0 : i64, columns = 8 : i64, row_bytes = 16 : i64, box_rows = 257 : i64",
       "boxes of 257 rows"},
  };
  for (const auto &[fields, expected] : cases) {
    message.clear();
    std::string attribute =
        *fields ? " {dsv2.tensor_map = {" + std::string(fields) + "}}" : std::string();
    EXPECT_TRUE(failed(makeDeviceForm(parse(withArgument("%map: !llvm.ptr" + attribute)))));
    EXPECT_NE(message.find(expected), std::string::npos) << fields << ": " << message;
  }
}

TEST_F(DeviceFormTest, RefusesOtherForms) {
  EXPECT_TRUE(failed(makeDeviceForm(parse("func.func @short(%begin: index) { return }"))));
  EXPECT_NE(message.find("kernel 'short' must have a body, no results, and arguments that end in "
                         "begin, end, scratch"),
            std::string::npos)
      << message;
  EXPECT_TRUE(failed(makeDeviceForm(parse(R"(
func.func @blocks(%begin: index, %end: index, %scratch: memref<1xi8>) {
  cf.br ^bb1
^bb1:
  return
})"))));
  EXPECT_NE(message.find("kernel 'blocks' has several blocks"), std::string::npos) << message;
}

} // namespace
} // namespace dsv2
