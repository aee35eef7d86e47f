//===- DSV2Dialect.cpp - the dsv2 dialect --------------------------------------===//
//
// Registration, the aliases that keep modules readable, and the attributes of a model's module.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSwitch.h"

#include "dialects/DSV2/IR/DSV2Dialect.cpp.inc"

namespace mlir {
namespace dsv2 {

namespace {

/// Long attributes stand once, at the top of the module.
struct DSV2AsmInterface : public OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;

  AliasResult getAlias(Attribute attribute, raw_ostream &os) const override {
    if (isa<RopeAttr>(attribute)) {
      os << "rope";
      return AliasResult::FinalAlias;
    }
    if (isa<AttentionScaleAttr>(attribute)) {
      os << "scale";
      return AliasResult::FinalAlias;
    }
    return AliasResult::NoAlias;
  }

  AliasResult getAlias(Type type, raw_ostream &os) const override {
    if (isa<CacheType>(type)) {
      os << "cache";
      return AliasResult::FinalAlias;
    }
    return AliasResult::NoAlias;
  }
};

} // namespace

void DSV2Dialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/DSV2/IR/DSV2Ops.cpp.inc"
      >();
  addInterfaces<DSV2AsmInterface>();
}

static LogicalResult verifyStage(Operation *op, Attribute attribute) {
  auto stage = dyn_cast<StringAttr>(attribute);
  if (stage && llvm::is_contained({"import", "model", "dispatches", "buffers", "codegen"}, stage)) {
    return success();
  }
  return op->emitOpError("dsv2.stage is ")
         << attribute
         << R"(, expected "import", "model", "dispatches", "buffers" or "codegen" [module.1])";
}

static LogicalResult verifyModel(Operation *op, Attribute attribute) {
  auto model = dyn_cast<DictionaryAttr>(attribute);
  if (!model) {
    return op->emitOpError("dsv2.model is ") << attribute << ", expected a dictionary [module.2]";
  }
  if (!isa_and_nonnull<StringAttr>(model.get("name"))) {
    return op->emitOpError("dsv2.model lacks a string `name` [module.3]");
  }
  for (StringRef key : {"max_context", "vocab"}) {
    auto value = dyn_cast_or_null<IntegerAttr>(model.get(key));
    if (!value || value.getInt() < 1) {
      return op->emitOpError("dsv2.model lacks a positive integer `") << key << "` [module.4]";
    }
  }
  return success();
}

static LogicalResult verifyCompute(Operation *op, Attribute attribute) {
  auto compute = dyn_cast<StringAttr>(attribute);
  if (compute && (compute == "f32" || compute == "bf16")) {
    return success();
  }
  return op->emitOpError("dsv2.compute is ")
         << attribute << R"(, expected "f32" or "bf16" [module.5])";
}

LogicalResult DSV2Dialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  using Verifier = LogicalResult (*)(Operation *, Attribute);
  Verifier verifier = llvm::StringSwitch<Verifier>(attribute.getName())
                          .Case(kStageAttr, verifyStage)
                          .Case(kModelAttr, verifyModel)
                          .Case(kComputeAttr, verifyCompute)
                          .Default(nullptr);
  if (!verifier) {
    return success();
  }
  if (!isa<ModuleOp>(op)) {
    return op->emitOpError() << attribute.getName().getValue()
                             << " stands on a module, nowhere else [module.6]";
  }
  return verifier(op, attribute.getValue());
}

} // namespace dsv2
} // namespace mlir

#include "dialects/DSV2/IR/Assembly.h"

using mlir::dsv2::parseActivation;
using mlir::dsv2::parseAttentionTypes;
using mlir::dsv2::parseContext;
using mlir::dsv2::parseIntegers;
using mlir::dsv2::parseLinearTypes;
using mlir::dsv2::parsePartTypes;
using mlir::dsv2::parseRange;
using mlir::dsv2::parseReal;
using mlir::dsv2::parseRope;
using mlir::dsv2::parseScale;
using mlir::dsv2::printActivation;
using mlir::dsv2::printAttentionTypes;
using mlir::dsv2::printContext;
using mlir::dsv2::printIntegers;
using mlir::dsv2::printLinearTypes;
using mlir::dsv2::printPartTypes;
using mlir::dsv2::printRange;
using mlir::dsv2::printReal;
using mlir::dsv2::printRope;
using mlir::dsv2::printScale;

#define GET_OP_CLASSES
#include "dialects/DSV2/IR/DSV2Ops.cpp.inc"
