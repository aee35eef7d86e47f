//===- Ptxas.cpp - what the vendor's assembler says, where it is installed ===//
//
// ptxas is a process with files. Nothing depends on it but reports, tests and cubins.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Compile.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace llvm;

namespace dsv2 {
namespace {

/// Registers of a processor, the unit in which a warp takes them, and what every workgroup has of
/// its memory besides its own (CUDA C++ programming guide, compute capabilities 8.0 and 9.0).
constexpr int64_t kRegisters = 65536, kRegisterUnit = 256, kSystemShared = 1024, kWarp = 32,
                  kMostWorkgroups = 32;

/// The number in front of `what`, in the text after `kernel`; -1 where there is none.
int64_t numberBefore(StringRef text, StringRef what) {
  size_t end = text.find(what);
  if (end == StringRef::npos) {
    return -1;
  }
  int64_t number = -1;
  text.take_front(end).rtrim().rsplit(' ').second.getAsInteger(10, number);
  return number;
}

struct Assembled {
  std::string messages;
  std::vector<char> cubin;
};

Expected<Assembled> assemble(StringRef ptx, const NvidiaArch &arch) {
  std::string tool = findPtxas();
  if (tool.empty()) {
    return createStringError("ptxas is not installed");
  }
  SmallString<128> paths[3];
  scope_exit cleanup([&] {
    for (const SmallString<128> &path : paths) {
      if (!path.empty()) {
        sys::fs::remove(path);
      }
    }
  });
  const char *suffixes[] = {"ptx", "cubin", "log"};
  for (int i = 0; i < 3; ++i) {
    if (std::error_code error =
            sys::fs::createTemporaryFile("dsv2-kernel", suffixes[i], paths[i])) {
      return createStringError(error, "no temporary file for ptxas");
    }
  }
  {
    std::error_code error;
    raw_fd_ostream file(paths[0], error);
    file << ptx;
  }
  std::string chip = "-arch=" + arch.name;
  StringRef arguments[] = {tool, "-v", "-O3", chip, paths[0], "-o", paths[1]};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(paths[2]), StringRef(paths[2])};
  std::string failure;
  int status = sys::ExecuteAndWait(tool, arguments, std::nullopt, redirects, 0, 0, &failure);
  Assembled out;
  if (auto log = MemoryBuffer::getFile(paths[2])) {
    out.messages = (*log)->getBuffer().str();
  }
  if (status != 0) {
    return createStringError("ptxas refuses the code for " + arch.name + ": " + failure +
                             out.messages);
  }
  auto cubin = MemoryBuffer::getFile(paths[1]);
  if (!cubin) {
    return createStringError(cubin.getError(), "ptxas wrote no cubin");
  }
  out.cubin.assign((*cubin)->getBufferStart(), (*cubin)->getBufferEnd());
  return out;
}

} // namespace

std::string findPtxas() {
  if (auto found = sys::findProgramByName("ptxas")) {
    return *found;
  }
  const char *home = std::getenv("CUDA_HOME");
  for (std::string root : {std::string(home ? home : ""), std::string("/usr/local/cuda")}) {
    std::string path = root + "/bin/ptxas";
    if (!root.empty() && sys::fs::can_execute(path)) {
      return path;
    }
  }
  return "";
}

Expected<AssembledKernel> assembleKernel(StringRef ptx, StringRef kernel, const NvidiaArch &arch,
                                         int64_t threads, int64_t sharedBytes) {
  Expected<Assembled> assembled = assemble(ptx, arch);
  if (!assembled) {
    return assembled.takeError();
  }
  StringRef text(assembled->messages);
  size_t at = text.find(("'" + kernel + "'").str());
  if (at == StringRef::npos) {
    return createStringError("ptxas says nothing of kernel '" + kernel + "'");
  }
  text = text.substr(at);
  AssembledKernel assembledKernel;
  assembledKernel.cubin = std::move(assembled->cubin);
  KernelResources &out = assembledKernel.resources;
  out.registers = numberBefore(text, " registers");
  out.spillBytes = numberBefore(text, " bytes spill stores");
  if (out.registers > 0) {
    int64_t warps = (threads + kWarp - 1) / kWarp;
    int64_t warpRegisters =
        (out.registers * kWarp + kRegisterUnit - 1) / kRegisterUnit * kRegisterUnit;
    out.workgroups =
        std::min({kRegisters / (warpRegisters * warps), arch.processorThreads / (warps * kWarp),
                  arch.processorShared / (sharedBytes + kSystemShared), kMostWorkgroups});
  }
  return assembledKernel;
}

Expected<std::vector<char>> assembleCubin(StringRef ptx, const NvidiaArch &arch) {
  Expected<Assembled> assembled = assemble(ptx, arch);
  if (!assembled) {
    return assembled.takeError();
  }
  return std::move(assembled->cubin);
}

} // namespace dsv2
