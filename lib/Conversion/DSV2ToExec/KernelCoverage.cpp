//===- KernelCoverage.cpp - Which ops of a step have kernels ----------------------------------===//
//
// Attention over a latent cache has kernels. Attention of grouped queries keeps keys and values of
// heads, which nothing here reads; the naive form of MLA has a counterpart that does.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToExec/KernelCoverage.h"

#include "dialects/DSV2/IR/Forms.h"

using namespace mlir;
using namespace mlir::dsv2;

/// What the kernels know beyond the plain form of an op.
static constexpr Form knownForms[] = {Form::Bias, Form::Add, Form::LayerArithmetic};

static LogicalResult check(Operation *op) {
  SmallVector<Form> forms = formsOf(op);
  auto has = [&](Form form) { return llvm::is_contained(forms, form); };
  if (isa<CacheReadOp>(op) || has(Form::NoRope) || has(Form::GroupedHeads) ||
      has(Form::OtherParts)) {
    return op->emitOpError("has no kernel yet: grouped-query attention cannot be compiled");
  }
  if (isa<DecompressOp, AttentionOp>(op)) {
    return op->emitOpError("has no kernel yet: only the reassociated form of attention can be "
                           "compiled (absorb=reassociated)");
  }
  if (isa<MergeAttentionOp>(op)) {
    return op->emitOpError("has no kernel yet: parts of attention cannot be compiled");
  }
  return refuseForms(op, "the kernels", knownForms);
}

LogicalResult mlir::dsv2::checkKernelCoverage(func::FuncOp step) {
  WalkResult result = step.walk<WalkOrder::PreOrder>([](Operation *op) {
    return failed(check(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
