//===- Protected.cpp - code generators that may end the process -----------===//
//
// LLVM has one handler of fatal errors for the process. Ours, installed once,
// asks the thread whether it is under protection: if so it leaves the text there
// and ends the protected call; if not it says so as every error of ours is said,
// and LLVM ends the process.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Common/Protected.h"

#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <mutex>

namespace dsv2 {
namespace {

/// The reason of the protected call that this thread is in; null outside of one.
thread_local std::string *currentReason = nullptr;

void onFatalError(void *, const char *reason, bool) {
  llvm::CrashRecoveryContext *recovery = llvm::CrashRecoveryContext::GetCurrent();
  if (!currentReason || !recovery) {
    llvm::errs() << "error: " << reason << "\n";
    std::exit(EXIT_FAILURE);
  }
  *currentReason = reason;
  recovery->HandleExit(EXIT_FAILURE);
}

} // namespace

std::optional<std::string> runProtected(llvm::function_ref<void()> work) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::CrashRecoveryContext::Enable();
    llvm::remove_fatal_error_handler();
    llvm::install_fatal_error_handler(onFatalError);
  });
  std::string reason;
  std::string *outer = currentReason;
  currentReason = &reason;
  llvm::CrashRecoveryContext recovery;
  bool survived = recovery.RunSafely(work);
  currentReason = outer;
  if (survived) {
    return std::nullopt;
  }
  return reason.empty() ? std::string("the code generator crashed") : reason;
}

} // namespace dsv2
