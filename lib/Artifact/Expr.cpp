//===- Expr.cpp - Expressions over launch symbols -------------------------===//
//
// A stack machine in three readings: for shape (checkExpr), for numbers (evaluate) and for text.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Expr.h"

#include "lib/Artifact/Limits.h"

#include <algorithm>

namespace dsv2 {

namespace {

/// One binary operator; nothing on overflow or a divisor below 1.
std::optional<int64_t> apply(ExprOp op, int64_t left, int64_t right) {
  int64_t result = 0;
  switch (op) {
  case ExprOp::Add:
    if (__builtin_add_overflow(left, right, &result)) {
      return std::nullopt;
    }
    return result;
  case ExprOp::Mul:
    if (__builtin_mul_overflow(left, right, &result)) {
      return std::nullopt;
    }
    return result;
  case ExprOp::CeilDiv:
  case ExprOp::FloorDiv:
  case ExprOp::Mod: {
    if (right < 1) {
      return std::nullopt;
    }
    int64_t quotient = left / right;
    int64_t rest = left % right;
    if (rest < 0) { // C rounds towards zero: go on to the floor
      quotient -= 1;
      rest += right;
    }
    if (op == ExprOp::Mod) {
      return rest;
    }
    return op == ExprOp::CeilDiv && rest != 0 ? quotient + 1 : quotient;
  }
  case ExprOp::Min:
    return std::min(left, right);
  case ExprOp::Constant:
  case ExprOp::Symbol:
    break;
  }
  return std::nullopt;
}

} // namespace

std::optional<Error> checkExpr(const Expr &expr) {
  if (expr.code.empty()) {
    return Error(ErrorKind::InvalidFile, "expression is empty");
  }
  if (expr.code.size() > limits::kExprNodes) {
    return Error(ErrorKind::Limit, "expression has ", expr.code.size(), " nodes, at most ",
                 limits::kExprNodes, " are allowed");
  }
  uint64_t depth = 0;
  bool sawMin = false;
  for (size_t i = 0; i < expr.code.size(); ++i) {
    const ExprNode &node = expr.code[i];
    unsigned op = static_cast<unsigned>(node.op);
    if (op < static_cast<unsigned>(ExprOp::Constant) || op > static_cast<unsigned>(ExprOp::Min)) {
      return Error(ErrorKind::InvalidFile, "expression node ", i, " has unknown operator ", op);
    }
    if (sawMin && node.op != ExprOp::Min) {
      return Error(ErrorKind::InvalidFile, "expression node ", i,
                   " follows a minimum, which must come last");
    }
    if (node.op == ExprOp::Symbol && (node.value < 0 || node.value >= kSymbolCount)) {
      return Error(ErrorKind::InvalidFile, "expression node ", i, " names symbol ", node.value,
                   ", expected 0 to ", kSymbolCount - 1);
    }
    if (node.op == ExprOp::Constant || node.op == ExprOp::Symbol) {
      if (++depth > limits::kExprDepth) {
        return Error(ErrorKind::Limit, "expression needs a stack deeper than ", limits::kExprDepth);
      }
      continue;
    }
    sawMin |= node.op == ExprOp::Min;
    if (node.value != 0) {
      return Error(ErrorKind::InvalidFile, "expression node ", i, " is an operator with value ",
                   node.value, ", expected 0");
    }
    if (depth < 2) {
      return Error(ErrorKind::InvalidFile, "expression node ", i, " lacks an operand");
    }
    --depth;
  }
  if (depth != 1) {
    return Error(ErrorKind::InvalidFile, "expression leaves ", depth, " values, expected 1");
  }
  return std::nullopt;
}

bool isMonotone(const Expr &expr) {
  for (size_t i = 0; i < expr.code.size(); ++i) {
    const ExprNode &node = expr.code[i];
    switch (node.op) {
    case ExprOp::Constant:
      if (node.value < 0) {
        return false;
      }
      break;
    case ExprOp::CeilDiv:
    case ExprOp::FloorDiv:
      // The divisor is what the node before left on the stack.
      if (i == 0 || expr.code[i - 1].op != ExprOp::Constant || expr.code[i - 1].value < 1) {
        return false;
      }
      break;
    case ExprOp::Mod:
      return false;
    case ExprOp::Symbol:
    case ExprOp::Add:
    case ExprOp::Mul:
    case ExprOp::Min:
      break;
    }
  }
  return true;
}

std::optional<int64_t> evaluate(const Expr &expr, const SymbolValues &symbols) {
  int64_t stack[limits::kExprDepth];
  uint64_t depth = 0;
  for (const ExprNode &node : expr.code) {
    if (node.op == ExprOp::Constant || node.op == ExprOp::Symbol) {
      bool isSymbol = node.op == ExprOp::Symbol;
      if (depth == limits::kExprDepth ||
          (isSymbol && (node.value < 0 || node.value >= kSymbolCount))) {
        return std::nullopt;
      }
      stack[depth++] = isSymbol ? symbols[static_cast<size_t>(node.value)] : node.value;
      continue;
    }
    if (depth < 2) {
      return std::nullopt;
    }
    std::optional<int64_t> value = apply(node.op, stack[depth - 2], stack[depth - 1]);
    if (!value) {
      return std::nullopt;
    }
    stack[--depth - 1] = *value;
  }
  if (depth != 1) {
    return std::nullopt;
  }
  return stack[0];
}

std::string printExpr(const Expr &expr) {
  if (checkExpr(expr)) {
    return "?";
  }
  // Each value carries whether it must be put in parentheses as a factor.
  std::vector<std::pair<std::string, bool>> stack;
  auto factor = [](const std::pair<std::string, bool> &value) {
    return value.second ? "(" + value.first + ")" : value.first;
  };
  for (const ExprNode &node : expr.code) {
    if (node.op == ExprOp::Constant) {
      stack.emplace_back(std::to_string(node.value), node.value < 0);
      continue;
    }
    if (node.op == ExprOp::Symbol) {
      stack.emplace_back(symbolName(static_cast<Symbol>(node.value)), false);
      continue;
    }
    std::pair<std::string, bool> right = std::move(stack.back());
    stack.pop_back();
    std::pair<std::string, bool> &left = stack.back();
    switch (node.op) {
    case ExprOp::Add:
      // A text that begins with a minus is a term to take off.
      if (right.first[0] == '-') {
        left = {left.first + " - " + right.first.substr(1), true};
      } else if (left.first[0] == '-') {
        left = {right.first + " - " + left.first.substr(1), true};
      } else {
        left = {left.first + " + " + right.first, true};
      }
      break;
    case ExprOp::Mul:
      if (right.first == "-1") {
        left = {"-" + factor(left), true};
        break;
      }
      left = {factor(left) + " * " + factor(right), false};
      break;
    case ExprOp::Mod:
      left = {"mod(" + left.first + ", " + right.first + ")", false};
      break;
    case ExprOp::CeilDiv:
      left = {"ceildiv(" + left.first + ", " + right.first + ")", false};
      break;
    case ExprOp::FloorDiv:
      left = {"floordiv(" + left.first + ", " + right.first + ")", false};
      break;
    default:
      left = {"min(" + left.first + ", " + right.first + ")", false};
      break;
    }
  }
  return stack.back().first;
}

} // namespace dsv2
