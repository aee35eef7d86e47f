//===- Flatten.cpp - objects of kernels to one flat image -----------------===//
//
// Places every text, then, from a page boundary on, every constant, and resolves the distances
// between them. Whatever would need a loader (an import, an absolute address, writable or
// thread-local data) is refused by name. The order of the input fixes the bytes.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Common/HostCode.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::object;

namespace dsv2 {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kTextAlign = 64;
constexpr uint8_t kTrap = 0xCC; ///< int3 between functions

using Elf = ELFObjectFile<ELF64LE>;

Error refuse(const Twine &why) { return createStringError(inconvertibleErrorCode(), why); }

/// One object and where its sections came to lie.
struct Placed {
  StringRef kernel;
  std::unique_ptr<ObjectFile> file;
  DenseMap<uint64_t, uint64_t> base; ///< section index -> offset in the image

  const Elf &elf() const { return *cast<Elf>(file.get()); }
};

/// Name of the function (or "a constant") that holds this place of a section.
Expected<std::string> ownerOf(const Placed &object, uint64_t section, uint64_t offset) {
  for (ELFSymbolRef symbol : object.elf().symbols()) {
    if (symbol.getELFType() != ELF::STT_FUNC) {
      continue;
    }
    Expected<section_iterator> home = symbol.getSection();
    Expected<uint64_t> value = symbol.getValue();
    Expected<StringRef> name = symbol.getName();
    if (!home || !value || !name) {
      return joinErrors(joinErrors(home.takeError(), value.takeError()), name.takeError());
    }
    if (*home != object.elf().section_end() && (*home)->getIndex() == section && offset >= *value &&
        offset < *value + symbol.getSize()) {
      return name->str();
    }
  }
  return "a constant of " + object.kernel.str();
}

class Flattener {
public:
  explicit Flattener(ArrayRef<CompiledKernel> kernels) : kernels(kernels) {}

  Expected<KernelImage> run() {
    if (Error error = openAll()) {
      return std::move(error);
    }
    for (bool executable : {true, false}) {
      if (Error error = place(executable)) {
        return std::move(error);
      }
    }
    for (Placed &object : objects) {
      if (Error error = addSymbols(object)) {
        return std::move(error);
      }
      if (Error error = resolve(object)) {
        return std::move(error);
      }
    }
    llvm::sort(image.symbols,
               [](const KernelSymbol &a, const KernelSymbol &b) { return a.offset < b.offset; });
    return std::move(image);
  }

private:
  Error openAll() {
    for (const CompiledKernel &kernel : kernels) {
      MemoryBufferRef buffer(StringRef(kernel.object.data(), kernel.object.size()), kernel.name);
      Expected<std::unique_ptr<ObjectFile>> file = ObjectFile::createELFObjectFile(buffer);
      if (!file) {
        return file.takeError();
      }
      if (!isa<Elf>(file->get())) {
        return refuse("kernel '" + kernel.name + "' is no little-endian 64-bit ELF object");
      }
      objects.emplace_back();
      objects.back().kernel = kernel.name;
      objects.back().file = std::move(*file);
    }
    return Error::success();
  }

  /// Appends the sections of one kind of every object, then fills up the page.
  Error place(bool executable) {
    for (Placed &object : objects) {
      for (ELFSectionRef section : object.elf().sections()) {
        Expected<StringRef> name = section.getName();
        if (!name) {
          return name.takeError();
        }
        uint64_t flags = section.getFlags();
        if (!(flags & ELF::SHF_ALLOC) || section.getSize() == 0 ||
            section.getType() == ELF::SHT_NOTE || *name == ".eh_frame") {
          continue;
        }
        if (section.getType() != ELF::SHT_PROGBITS || (flags & (ELF::SHF_WRITE | ELF::SHF_TLS))) {
          return refuse("kernel '" + object.kernel + "': section " + *name +
                        " is writable, zero-filled or thread-local");
        }
        if (bool(flags & ELF::SHF_EXECINSTR) != executable) {
          continue;
        }
        Expected<StringRef> contents = section.getContents();
        if (!contents) {
          return contents.takeError();
        }
        uint64_t align =
            std::max<uint64_t>(section.getAlignment().value(), executable ? kTextAlign : 1);
        pad(align, executable ? kTrap : 0);
        object.base[section.getIndex()] = image.bytes.size();
        image.bytes.insert(image.bytes.end(), contents->bytes_begin(), contents->bytes_end());
      }
    }
    pad(kPage, executable ? kTrap : 0);
    if (executable) {
      image.textBytes = image.bytes.size();
    }
    return Error::success();
  }

  void pad(uint64_t align, uint8_t fill) {
    image.bytes.resize(alignTo(image.bytes.size(), align), fill);
  }

  Error addSymbols(const Placed &object) {
    for (ELFSymbolRef symbol : object.elf().symbols()) {
      if (symbol.getELFType() != ELF::STT_FUNC) {
        continue;
      }
      Expected<section_iterator> home = symbol.getSection();
      Expected<uint64_t> value = symbol.getValue();
      Expected<StringRef> name = symbol.getName();
      if (!home || !value || !name) {
        return joinErrors(joinErrors(home.takeError(), value.takeError()), name.takeError());
      }
      auto base = *home == object.elf().section_end() ? object.base.end()
                                                      : object.base.find((*home)->getIndex());
      if (base != object.base.end()) {
        image.symbols.push_back({name->str(), base->second + *value, symbol.getSize()});
      }
    }
    return Error::success();
  }

  Error resolve(const Placed &object) {
    for (ELFSectionRef section : object.elf().sections()) {
      Expected<section_iterator> target = section.getRelocatedSection();
      if (!target) {
        return target.takeError();
      }
      if (*target == object.elf().section_end()) {
        continue;
      }
      auto base = object.base.find((*target)->getIndex());
      if (base == object.base.end()) {
        continue; // relocations of a dropped section
      }
      for (ELFRelocationRef relocation : section.relocations()) {
        if (Error error = apply(object, (*target)->getIndex(), base->second, relocation)) {
          return error;
        }
      }
    }
    return Error::success();
  }

  Error apply(const Placed &object, uint64_t section, uint64_t base, ELFRelocationRef relocation) {
    uint64_t offset = relocation.getOffset();
    Expected<std::string> owner = ownerOf(object, section, offset);
    if (!owner) {
      return owner.takeError();
    }
    SmallString<32> kind;
    relocation.getTypeName(kind);
    if (relocation.getSymbol() == object.elf().symbol_end()) {
      return refuse("function '" + *owner + "': relocation " + kind + " has no symbol");
    }
    ELFSymbolRef symbol(*relocation.getSymbol());
    Expected<StringRef> name = symbol.getName();
    Expected<section_iterator> home = symbol.getSection();
    Expected<uint64_t> value = symbol.getValue();
    Expected<int64_t> addend = relocation.getAddend();
    if (!name || !home || !value || !addend) {
      return joinErrors(joinErrors(name.takeError(), home.takeError()),
                        joinErrors(value.takeError(), addend.takeError()));
    }
    if (*home == object.elf().section_end()) {
      return refuse("function '" + *owner + "' needs symbol '" + *name +
                    "', which no kernel may import");
    }
    unsigned width = relocation.getType() == ELF::R_X86_64_PC64 ? 8 : 4;
    if (width == 4 && relocation.getType() != ELF::R_X86_64_PC32 &&
        relocation.getType() != ELF::R_X86_64_PLT32) {
      return refuse("function '" + *owner + "': relocation " + kind + " to '" + *name +
                    "' is not position-independent");
    }
    auto targetBase = object.base.find((*home)->getIndex());
    if (targetBase == object.base.end()) {
      return refuse("function '" + *owner + "' refers to '" + *name +
                    "' in a section that is not kept");
    }
    uint64_t place = base + offset;
    int64_t distance = int64_t(targetBase->second + *value) + *addend - int64_t(place);
    if (place + width > image.bytes.size() || (width == 4 && !isInt<32>(distance))) {
      return refuse("function '" + *owner + "': relocation to '" + *name + "' is out of range");
    }
    if (width == 4) {
      support::endian::write32le(&image.bytes[place], uint32_t(distance));
    } else {
      support::endian::write64le(&image.bytes[place], uint64_t(distance));
    }
    return Error::success();
  }

  ArrayRef<CompiledKernel> kernels;
  std::vector<Placed> objects;
  KernelImage image;
};

} // namespace

Expected<KernelImage> flattenObjects(ArrayRef<CompiledKernel> kernels) {
  return Flattener(kernels).run();
}

} // namespace dsv2
