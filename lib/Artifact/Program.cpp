//===- Program.cpp - Names and sizes of the program's small types ---------===//
//
// The only functions of the struct itself; everything else walks it from outside.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Program.h"

namespace dsv2 {

uint64_t elementBytes(ElementType type) {
  switch (type) {
  case ElementType::F8E4M3:
    return 1;
  case ElementType::BF16:
    return 2;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  case ElementType::I64:
    return 8;
  }
  return 0;
}

const char *elementTypeName(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return "f32";
  case ElementType::BF16:
    return "bf16";
  case ElementType::I32:
    return "i32";
  case ElementType::I64:
    return "i64";
  case ElementType::F8E4M3:
    return "f8e4m3";
  }
  return "?";
}

const char *imageFormatName(ImageFormat format) {
  switch (format) {
  case ImageFormat::Flat:
    return "flat";
  case ImageFormat::Ptx:
    return "ptx";
  case ImageFormat::Cubin:
    return "cubin";
  case ImageFormat::Hsaco:
    return "hsaco";
  }
  return "?";
}

const char *symbolName(Symbol symbol) {
  static const char *const names[kSymbolCount] = {"T", "B", "W", "C", "P", "R"};
  unsigned number = static_cast<unsigned>(symbol);
  return number < kSymbolCount ? names[number] : "?";
}

} // namespace dsv2
