//===- DeviceFormTest.cpp - kernel functions as workgroups' programs ------===//
//
// What the wrapper adds, what it keeps, and what it refuses.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Target/TargetBackend.h"

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
