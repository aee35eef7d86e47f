//===- Protected.h - code generators that may end the process ---*- C++ -*-===//
//
// LLVM's code generators abort on what they cannot select. Under protection that
// is an answer, with their last words; several threads may be under it at once.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_COMMON_PROTECTED_H
#define DSV2_LIB_TARGET_COMMON_PROTECTED_H

#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>
#include <string>

namespace dsv2 {

/// Runs `work`; why it did not come to its end, if so. What it was changing is of no use then.
std::optional<std::string> runProtected(llvm::function_ref<void()> work);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_COMMON_PROTECTED_H
