//===- TestGates.h - Gate methods that are wrong ----------------*- C++ -*-===//
//
// The dialect `dsv2_test`. What a gate does inside cannot be said by other ops, and
// its attributes leave no room for these mistakes (which is their purpose). So each
// is a gate method of another dialect, which tells the oracle what it computes the
// way any dialect may (lib/Reference/GateExtension.h). A product tool knows none.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_LIB_TESTGATES_H
#define DSV2_TEST_LIB_TESTGATES_H

#include "dialects/DSV2/IR/DSV2.h"

namespace dsv2 {

/// What a wrong gate does differently from the method it stands for.
enum class GateMistake {
  SumOfGroup,    ///< a group counts the sum of its two best (softmax gates)
  BestOfGroup,   ///< a group counts its best only (corrected gates)
  FillZero,      ///< masked experts get 0 instead of -inf
  LastOfTies,    ///< ties go to the highest number
  BiasedWeights, ///< weights are score + bias
};

namespace detail {
struct WrongGateStorage;
}

/// `#dsv2_test.gate<"fill-zero" for #dsv2.noaux_tc<...>>`. Printed, never parsed.
class WrongGateAttr
    : public mlir::Attribute::AttrBase<WrongGateAttr, mlir::Attribute, detail::WrongGateStorage,
                                       mlir::dsv2::GateMethodInterface::Trait> {
public:
  using Base::Base;
  static constexpr llvm::StringLiteral name = "dsv2_test.gate";

  static WrongGateAttr get(GateMistake mistake, mlir::dsv2::GateMethodInterface method);
  GateMistake getMistake() const;
  mlir::dsv2::GateMethodInterface getMethod() const;

  int64_t getTopK() const { return getMethod().getTopK(); }
  int64_t getGroups() const { return getMethod().getGroups(); }
  int64_t getKeep() const { return getMethod().getKeep(); }
  bool correctsByBias() const { return getMethod().correctsByBias(); }
  llvm::LogicalResult verifyExperts(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
                                    int64_t experts) const {
    return getMethod().verifyExperts(emitError, experts);
  }
};

class TestDialect : public mlir::Dialect {
public:
  explicit TestDialect(mlir::MLIRContext *context);
  static constexpr llvm::StringLiteral getDialectNamespace() { return "dsv2_test"; }
  void printAttribute(mlir::Attribute attribute, mlir::DialectAsmPrinter &printer) const override;
};

} // namespace dsv2

MLIR_DECLARE_EXPLICIT_TYPE_ID(::dsv2::TestDialect)
MLIR_DECLARE_EXPLICIT_TYPE_ID(::dsv2::WrongGateAttr)

#endif // DSV2_TEST_LIB_TESTGATES_H
