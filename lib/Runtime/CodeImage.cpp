//===- CodeImage.cpp - Kernels in memory, executable and read-only --------===//
//
// Reserve, copy, protect, hash the protected copy, then allow execution: after
// the hash nothing can change the bytes any more.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/CodeImage.h"

#include "lib/Support/CheckedMath.h"
#include "lib/Support/Sha256.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace dsv2;

static constexpr uint64_t kPage = 4096;

static Error mappingError(const char *action) {
  return Error(ErrorKind::Io, "cannot ", action, " the code image: ", std::strerror(errno));
}

Expected<std::unique_ptr<CodeImage>> CodeImage::map(const Image &image, CodeMapping mapping) {
  uint64_t bytes = image.bytes.size();
  if (bytes == 0 || bytes % kPage != 0 || image.textBytes == 0 || image.textBytes % kPage != 0 ||
      image.textBytes > bytes) {
    return Error(ErrorKind::InvalidFile, "code image of ", bytes, " bytes with ", image.textBytes,
                 " bytes of text: both must be whole pages of ", kPage, " bytes");
  }
  std::optional<uint64_t> reserved = checkedAdd(bytes, 2 * kPage);
  if (!reserved) {
    return Error(ErrorKind::Limit, "code image of ", bytes, " bytes is too large");
  }
  void *reservation =
      mmap(nullptr, *reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reservation == MAP_FAILED) {
    return mappingError("reserve memory for");
  }
  std::unique_ptr<CodeImage> result(new CodeImage());
  result->reservation = reservation;
  result->reservedBytes = *reserved;
  result->base = static_cast<uint8_t *>(reservation) + kPage;

  std::optional<Error> failure;
  if (mapping != CodeMapping::SealedFile) {
    failure = result->mapAnonymous(image);
  }
  // A process under PR_SET_MDWE (systemd's MemoryDenyWriteExecute) may not make
  // memory executable that was ever writable.
  if (mapping == CodeMapping::SealedFile || (failure && mapping == CodeMapping::Automatic)) {
    failure = result->mapSealedFile(image);
  }
  if (failure) {
    return *failure;
  }
  return result;
}

CodeImage::~CodeImage() {
  if (reservation) {
    munmap(reservation, reservedBytes);
  }
}

static std::optional<Error> checkCopy(const Image &image, const uint8_t *copy) {
  if (sha256(copy, image.bytes.size()) != sha256(image.bytes.data(), image.bytes.size())) {
    return Error(ErrorKind::Internal, "the copy of the code image differs from its source");
  }
  return std::nullopt;
}

std::optional<Error> CodeImage::mapAnonymous(const Image &image) {
  uint64_t bytes = image.bytes.size();
  if (mprotect(base, bytes, PROT_READ | PROT_WRITE) != 0) {
    return mappingError("make room for");
  }
  std::memcpy(base, image.bytes.data(), bytes);
  if (mprotect(base, bytes, PROT_READ) != 0) {
    return mappingError("protect");
  }
  if (std::optional<Error> failure = checkCopy(image, base)) {
    return failure;
  }
  if (mprotect(base, image.textBytes, PROT_READ | PROT_EXEC) != 0) {
    return mappingError("make executable");
  }
  return std::nullopt;
}

std::optional<Error> CodeImage::mapSealedFile(const Image &image) {
  uint64_t bytes = image.bytes.size();
  int fd = memfd_create("dsv2-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) {
    return mappingError("create a sealed file for");
  }
  std::optional<Error> failure;
  for (uint64_t done = 0; done < bytes && !failure;) {
    ssize_t wrote = write(fd, image.bytes.data() + done, bytes - done);
    if (wrote > 0) {
      done += static_cast<uint64_t>(wrote);
    } else if (wrote == 0 || errno != EINTR) {
      failure = mappingError("write");
    }
  }
  if (!failure &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    failure = mappingError("seal");
  }
  if (!failure && mmap(base, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
    failure = mappingError("map");
  }
  if (!failure) {
    failure = checkCopy(image, base);
  }
  if (!failure && mmap(base, image.textBytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd,
                       0) == MAP_FAILED) {
    failure = mappingError("make executable");
  }
  close(fd);
  return failure;
}
