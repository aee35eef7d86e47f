//===- Sha256.h - SHA-256 by libcrypto --------------------------*- C++ -*-===//
//
// One hash for everything that is sealed or named by its content. libcrypto
// uses the CPU's SHA instructions where it has them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_SHA256_H
#define DSV2_LIB_SUPPORT_SHA256_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dsv2 {

using Sha256Digest = std::array<uint8_t, 32>;

/// A hash under construction. Copying is not supported, moving is.
class Sha256 {
public:
  Sha256();
  ~Sha256();
  Sha256(Sha256 &&) noexcept;
  Sha256 &operator=(Sha256 &&) noexcept;

  Sha256 &update(const void *data, size_t bytes);
  Sha256 &update(std::string_view text) { return update(text.data(), text.size()); }
  /// Adds eight little-endian bytes: a length or a number as a field.
  Sha256 &updateU64(uint64_t value);
  /// Adds the length and then the text, so that neighbours cannot run together.
  Sha256 &updateField(std::string_view text);

  /// The digest; the object starts over afterwards.
  Sha256Digest finish();

private:
  struct Context;
  std::unique_ptr<Context> context;
};

/// The digest of one range of bytes.
Sha256Digest sha256(const void *data, size_t bytes);
inline Sha256Digest sha256(std::string_view text) { return sha256(text.data(), text.size()); }

/// 64 lower-case hexadecimal digits.
std::string toHex(const Sha256Digest &digest);

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_SHA256_H
