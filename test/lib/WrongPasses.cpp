//===- WrongPasses.cpp - Passes that are wrong on purpose -----------------===//
//
// Each wrong edit as a pass, so that it can stand anywhere in a list of passes.
//
//===----------------------------------------------------------------------===//
#include "WrongPasses.h"

#include "TestGates.h"
#include "WrongEdits.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace dsv2 {

using namespace mlir;

namespace {

class WrongPass : public PassWrapper<WrongPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(WrongPass)

  explicit WrongPass(const WrongEdit &edit) : edit(edit) {}
  StringRef getArgument() const override { return edit.name; }
  StringRef getDescription() const override { return edit.mistake; }
  StringRef getName() const override { return edit.name; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, tensor::TensorDialect, TestDialect>();
  }
  void runOnOperation() override { edit.apply(getOperation()); }

private:
  const WrongEdit &edit;
};

} // namespace

void registerWrongPasses() {
  for (ArrayRef<WrongEdit> edits : {wrongAttentionEdits(), wrongGateEdits(), wrongExpertEdits(),
                                    wrongWeightEdits(), wrongFormEdits()}) {
    for (const WrongEdit &edit : edits) {
      registerPass([&edit] { return std::make_unique<WrongPass>(edit); });
    }
  }
}

} // namespace dsv2
