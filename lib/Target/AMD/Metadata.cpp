//===- Metadata.cpp - registers and spills, from a code object's notes ----===//
//
// The code generator leaves a MessagePack document in the object: for each kernel its registers,
// what it spilled and its private memory.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/AMD/Compile.h"

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/BinaryFormat/MsgPackDocument.h"
#include "llvm/Object/ELFObjectFile.h"

#include <algorithm>

using namespace llvm;

namespace dsv2 {
namespace {

/// The kernel's map; an error where the object has not exactly one.
Expected<msgpack::MapDocNode> kernelMap(ArrayRef<char> codeObject, msgpack::Document &document) {
  auto file =
      object::ELFFile<object::ELF64LE>::create(StringRef(codeObject.data(), codeObject.size()));
  if (!file) {
    return file.takeError();
  }
  auto sections = file->sections();
  if (!sections) {
    return sections.takeError();
  }
  for (const auto &section : *sections) {
    if (section.sh_type != ELF::SHT_NOTE) {
      continue;
    }
    Error error = Error::success();
    for (const auto &note : file->notes(section, error)) {
      StringRef text = note.getDescAsStringRef(section.sh_addralign);
      if (note.getName() != "AMDGPU" || note.getType() != ELF::NT_AMDGPU_METADATA ||
          !document.readFromBlob(text, /*Multi=*/false) || !document.getRoot().isMap()) {
        continue;
      }
      consumeError(std::move(error));
      msgpack::DocNode kernels = document.getRoot().getMap()["amdhsa.kernels"];
      if (!kernels.isArray() || kernels.getArray().size() != 1) {
        return createStringError("the code object does not hold one kernel");
      }
      return kernels.getArray()[0].getMap();
    }
    if (error) {
      return std::move(error);
    }
  }
  return createStringError("the code object has no notes on its kernel");
}

int64_t numberOf(msgpack::MapDocNode &map, StringRef key) {
  msgpack::DocNode node = map[key];
  switch (node.getKind()) {
  case msgpack::Type::UInt:
    return int64_t(node.getUInt());
  case msgpack::Type::Int:
    return node.getInt();
  default:
    return 0;
  }
}

} // namespace

Expected<KernelResources> readResources(ArrayRef<char> codeObject, const AmdArch &arch,
                                        int64_t threads, int64_t sharedBytes) {
  msgpack::Document document;
  Expected<msgpack::MapDocNode> map = kernelMap(codeObject, document);
  if (!map) {
    return map.takeError();
  }
  KernelResources out;
  out.registers = numberOf(*map, ".vgpr_count");
  // Private memory holds what was spilled, and nothing else: emitters keep no arrays.
  out.spillBytes = std::max(numberOf(*map, ".private_segment_fixed_size"),
                            4 * numberOf(*map, ".vgpr_spill_count"));
  int64_t step = arch.registerStep;
  int64_t taken = std::max<int64_t>((out.registers + step - 1) / step * step, step);
  int64_t waves = std::min(arch.unitWaves, arch.unitRegisters / taken) * arch.units;
  out.workgroups = waves / ((threads + arch.lanes - 1) / arch.lanes);
  if (sharedBytes > 0) {
    out.workgroups = std::min(out.workgroups, arch.processorShared / sharedBytes);
  }
  return out;
}

} // namespace dsv2
