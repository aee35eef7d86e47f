//===- CodeImage.h - Kernels in memory, executable and read-only *- C++ -*-===//
//
// A variant's code is one position-independent image: text pages, then pages of
// constants, no imports, no relocations. It is copied, compared with what was
// checked, and only then made executable; no page is ever writable and
// executable, and no file is mapped. Guard pages stand before and after.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_CODEIMAGE_H
#define DSV2_LIB_RUNTIME_CODEIMAGE_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <cstdint>
#include <memory>

namespace dsv2 {

/// How the pages come to be executable.
enum class CodeMapping {
  Automatic, ///< Anonymous, and SealedFile where the system refuses that
  Anonymous, ///< anonymous memory, written first, protected after
  SealedFile ///< a sealed memfd: works where writable pages may never become executable
};

// Kernels come without the type signature that clang's UBSan looks for before a
// function that is called through a pointer.
#if defined(__clang__)
#define DSV2_CALLS_KERNELS __attribute__((no_sanitize("function")))
#else
#define DSV2_CALLS_KERNELS
#endif

/// A mapped image.
class CodeImage {
public:
  /// `image.bytes` holds whole pages, of which the first `image.textBytes` are
  /// text. InvalidFile when the sizes are not whole pages, Io when the system
  /// refuses both ways of mapping.
  static Expected<std::unique_ptr<CodeImage>> map(const Image &image,
                                                  CodeMapping mapping = CodeMapping::Automatic);
  ~CodeImage();

  /// The first byte of text.
  const uint8_t *begin() const { return base; }

private:
  CodeImage() = default;
  std::optional<Error> mapAnonymous(const Image &image);
  std::optional<Error> mapSealedFile(const Image &image);

  void *reservation = nullptr;
  uint64_t reservedBytes = 0;
  uint8_t *base = nullptr;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_CODEIMAGE_H
