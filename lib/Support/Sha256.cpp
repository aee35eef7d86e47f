//===- Sha256.cpp - SHA-256 by libcrypto ----------------------------------===//
//
// A thin cover over EVP. With the built-in SHA-256 its calls can fail only for
// want of memory, so a failure is reported as that.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/Sha256.h"

#include <new>
#include <openssl/evp.h>

namespace dsv2 {

struct Sha256::Context {
  EVP_MD_CTX *evp = nullptr;

  Context() : evp(EVP_MD_CTX_new()) {
    if (!evp) {
      throw std::bad_alloc();
    }
    start();
  }
  ~Context() { EVP_MD_CTX_free(evp); }

  void start() {
    if (EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) != 1) {
      throw std::bad_alloc();
    }
  }
};

Sha256::Sha256() : context(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256 &&) noexcept = default;
Sha256 &Sha256::operator=(Sha256 &&) noexcept = default;

Sha256 &Sha256::update(const void *data, size_t bytes) {
  if (bytes != 0 && EVP_DigestUpdate(context->evp, data, bytes) != 1) {
    throw std::bad_alloc();
  }
  return *this;
}

Sha256 &Sha256::updateU64(uint64_t value) {
  uint8_t bytes[8];
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  }
  return update(bytes, sizeof(bytes));
}

Sha256 &Sha256::updateField(std::string_view text) { return updateU64(text.size()).update(text); }

Sha256Digest Sha256::finish() {
  Sha256Digest digest{};
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context->evp, digest.data(), &length) != 1 || length != digest.size()) {
    throw std::bad_alloc();
  }
  context->start();
  return digest;
}

Sha256Digest sha256(const void *data, size_t bytes) {
  return Sha256().update(data, bytes).finish();
}

std::string toHex(const Sha256Digest &digest) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * digest.size());
  for (uint8_t byte : digest) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

} // namespace dsv2
