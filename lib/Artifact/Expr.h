//===- Expr.h - Expressions over launch symbols -----------------*- C++ -*-===//
//
// Sizes, grids and guards are small postfix programs over six symbols. Here they are checked once
// (when an artifact is read or written) and evaluated at every step, in arithmetic that cannot
// wrap.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_EXPR_H
#define DSV2_LIB_ARTIFACT_EXPR_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <optional>
#include <string>

namespace dsv2 {

/// Why `expr` is no expression: an unknown operator or symbol, operands that are missing or left
/// over, a value where none belongs, Min before another operator, more nodes or a deeper stack than
/// the limits.
std::optional<Error> checkExpr(const Expr &expr);

/// Whether a checked expression never falls while symbols >= 0 grow: no negative constant, no Mod,
/// division by a positive constant only.
bool isMonotone(const Expr &expr);

/// The value for these symbols. Nothing if a step leaves int64 or a divisor is < 1, and for an
/// expression that checkExpr refuses. Division rounds down or up, also below zero; Mod is never
/// negative.
std::optional<int64_t> evaluate(const Expr &expr, const SymbolValues &symbols);

/// Infix text as in the IR: "T * 8", "min(ceildiv(T, 4), 66)".
std::string printExpr(const Expr &expr);

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_EXPR_H
