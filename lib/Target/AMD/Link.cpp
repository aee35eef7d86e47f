//===- Link.cpp - the linker ----------------------------------------------===//
//
// lld as a program: as a library it resets the command-line options of the process it runs in. It
// reads and writes files, which are gone afterwards.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/AMD/Compile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

#include <optional>

using namespace llvm;

namespace dsv2 {
namespace {

/// In PATH, or where it was when this was built; empty where there is none.
std::string findLinker() {
  for (const char *name : {"ld.lld-22", "ld.lld"}) {
    if (auto found = sys::findProgramByName(name)) {
      return *found;
    }
  }
  return sys::fs::can_execute(DSV2_LD_LLD) ? DSV2_LD_LLD : "";
}

} // namespace

Expected<std::vector<char>> linkCodeObject(ArrayRef<char> object) {
  std::string linker = findLinker();
  if (linker.empty()) {
    return createStringError("no linker: expected ld.lld-22 or ld.lld in PATH");
  }
  SmallString<128> paths[3]; // object, linked, messages
  const char *suffixes[3] = {"o", "hsaco", "log"};
  std::optional<FileRemover> removers[3];
  for (int i = 0; i < 3; ++i) {
    if (std::error_code error = sys::fs::createTemporaryFile("dsv2", suffixes[i], paths[i])) {
      return createStringError(error, "no temporary file for the linker");
    }
    removers[i].emplace(paths[i]);
  }
  {
    std::error_code error;
    raw_fd_ostream file(paths[0], error);
    file.write(object.data(), object.size());
    file.close();
    if (error || file.has_error()) {
      error = error ? error : file.error();
      file.clear_error();
      return createStringError(error, "the linker's input cannot be written: " + paths[0].str());
    }
  }
  StringRef arguments[] = {linker,   "-shared", "-z",    "defs", "--threads=1", "--build-id=none",
                           paths[0], "-o",      paths[1]};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(paths[2]), StringRef(paths[2])};
  std::string failure;
  if (sys::ExecuteAndWait(linker, arguments, std::nullopt, redirects, 0, 0, &failure) != 0) {
    auto log = MemoryBuffer::getFile(paths[2]);
    std::string messages = log ? (*log)->getBuffer().str() : "";
    return createStringError("the linker fails: " + failure + messages);
  }
  auto linked = MemoryBuffer::getFile(paths[1], /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!linked) {
    return createStringError(linked.getError(), "the linker wrote no file");
  }
  return std::vector<char>((*linked)->getBufferStart(), (*linked)->getBufferEnd());
}

} // namespace dsv2
