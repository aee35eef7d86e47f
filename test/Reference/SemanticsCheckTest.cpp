//===- SemanticsCheckTest.cpp - Passes over small modules, checked --------===//
//
// The check sees what only the block of multi-token prediction computes, and what
// prepare functions make of quantized weights.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/SemanticsCheck.h"

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"

#include <gtest/gtest.h>

using namespace dsv2;

namespace {

/// A model whose one weight is quantized and widened at preparation, and a block
/// of [embedding ; hidden].
const char *const text = R"(
!cache = !dsv2.cache<1 x [4, 4] x f32>
!scaled = !dsv2.scaled<i8, [4, 0], f32>
module attributes {dsv2.stage = "model"} {
  dsv2.weights @embed : tensor<10x8xf32> = "embed"
  dsv2.weights @w : tensor<8x8x!scaled> = "w" scales "w.scale"
  dsv2.prepare @wide : tensor<8x8xf32> {
    %w = dsv2.weight @w : tensor<8x8x!scaled>
    %d = dsv2.dequantize %w : tensor<8x8x!scaled> to tensor<8x8xf32>
    dsv2.yield %d : tensor<8x8xf32>
  }
  dsv2.weights @eh : tensor<8x16xf32> = "eh"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache)
      -> (tensor<?x8xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<10x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<10x8xf32>
    %w = dsv2.weight @wide : tensor<8x8xf32>
    %y = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<8x8xf32>
    %wanted = dsv2.select_rows %y of %batch : tensor<?x8xf32>
    return %wanted, %y, %cache : tensor<?x8xf32>, tensor<?x8xf32>, !cache
  }
  func.func @mtp(%tokens: tensor<?xi32>, %hidden: tensor<?x8xf32>, %batch: !dsv2.batch,
                 %cache: !cache) -> (tensor<?x8xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<10x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<10x8xf32>
    %both = tensor.concat dim(1) %x, %hidden
        : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
    %w = dsv2.weight @eh : tensor<8x16xf32>
    %h = dsv2.linear %both, %w : tensor<?x16xf32>, tensor<8x16xf32>
    %wanted = dsv2.select_rows %h of %batch : tensor<?x8xf32>
    return %wanted, %h, %cache : tensor<?x8xf32>, tensor<?x8xf32>, !cache
  }
}
)";

using Edit = std::function<void(mlir::ModuleOp)>;

class EditPass : public mlir::PassWrapper<EditPass, mlir::OperationPass<mlir::ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EditPass)
  explicit EditPass(Edit edit) : edit(std::move(edit)) {}
  llvm::StringRef getArgument() const override { return "edit"; }
  void runOnOperation() override { edit(getOperation()); }

private:
  Edit edit;
};

/// What the check says of an edit; empty: nothing.
std::string messagesOf(Edit edit) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::dsv2::DSV2Dialect, mlir::func::FuncDialect, mlir::tensor::TensorDialect,
                      mlir::arith::ArithDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(module);
  std::string messages;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    messages += diagnostic.str() + "\n";
    for (mlir::Diagnostic &note : diagnostic.getNotes()) {
      messages += "note: " + note.str() + "\n";
    }
    return mlir::success();
  });
  mlir::PassManager manager(&context);
  manager.addPass(std::make_unique<EditPass>(std::move(edit)));
  checkSemantics(manager, {});
  EXPECT_EQ(succeeded(manager.run(*module)), messages.empty()) << messages;
  return messages;
}

mlir::func::FuncOp mtpOf(mlir::ModuleOp module) {
  return module.lookupSymbol<mlir::func::FuncOp>("mtp");
}

TEST(SemanticsCheck, SeesTheMtpBlock) {
  // [hidden ; embedding] in place of [embedding ; hidden]: the model itself stays.
  std::string messages = messagesOf([](mlir::ModuleOp module) {
    mtpOf(module).walk([](mlir::tensor::ConcatOp concat) {
      mlir::Value first = concat->getOperand(0), second = concat->getOperand(1);
      concat->setOperands({second, first});
    });
  });
  EXPECT_NE(messages.find("pass 'edit' changed what the module computes: result 0 of "
                          "'tensor.concat'"),
            std::string::npos)
      << messages;
  EXPECT_NE(messages.find("note: logits of @mtp of step 0"), std::string::npos) << messages;
}

TEST(SemanticsCheck, APassMayLeaveTheMtpBlockOut) {
  EXPECT_EQ(messagesOf([](mlir::ModuleOp module) { mtpOf(module).erase(); }), "");
}

TEST(SemanticsCheck, SeesThroughPreparedScaledWeights) {
  // A prepare function that transposes what it widens moves the model.
  std::string messages = messagesOf([](mlir::ModuleOp module) {
    auto wide = module.lookupSymbol<mlir::dsv2::PrepareOp>("wide");
    wide.walk([&](mlir::dsv2::DequantizeOp dequantize) {
      mlir::OpBuilder builder(dequantize->getContext());
      builder.setInsertionPointAfter(dequantize);
      auto turned = mlir::dsv2::TransposeOp::create(
          builder, dequantize.getLoc(), dequantize.getResult(), llvm::ArrayRef<int64_t>{1, 0});
      dequantize.getResult().replaceAllUsesExcept(turned.getResult(), turned);
    });
  });
  EXPECT_NE(messages.find("result 0 of 'dsv2.linear'"), std::string::npos) << messages;
}

TEST(SemanticsCheck, SaysNothingOfAnEditWithoutMeaning) {
  EXPECT_EQ(messagesOf([](mlir::ModuleOp module) {
              module->setAttr("dsv2.note", mlir::UnitAttr::get(module.getContext()));
            }),
            "");
}

} // namespace
