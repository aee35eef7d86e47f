//===- AtomicFile.cpp - Files that are whole or absent --------------------===//
//
// The order matters: data reaches the disk before the name does, and the name
// before the caller hears of success.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/AtomicFile.h"

#include "lib/Support/File.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace dsv2 {
namespace {

std::string parentDirectory(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

int openRetrying(const std::string &path, int flags, mode_t mode) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/// fsync, where a file system or device without it counts as synced.
int syncDescriptor(int fd) {
  int result;
  do {
    result = ::fsync(fd);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == EINVAL || errno == EROFS || errno == ENOTSUP)) {
    return 0;
  }
  return result;
}

} // namespace

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : fd(std::exchange(other.fd, -1)), destination(std::move(other.destination)),
      temporary(std::exchange(other.temporary, std::string())) {}

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(fd, other.fd);
  std::swap(destination, other.destination);
  std::swap(temporary, other.temporary);
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (fd >= 0) {
    ::close(fd);
    fd = -1;
  }
  if (!temporary.empty()) {
    ::unlink(temporary.c_str());
    temporary.clear();
  }
}

Expected<AtomicFile> AtomicFile::create(const std::string &path, Existing existing) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error(ErrorKind::Usage, "cannot write ", quote(path), ": not a file name");
  }
  AtomicFile file;
  file.destination = path;
  mode_t mode = 0666;
  bool keepMode = false;
  struct stat status;
  bool asItIs = existing == Existing::RegularFile;
  if ((asItIs ? ::lstat : ::stat)(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      return Error(ErrorKind::Io, "cannot write ", quote(path, 4096), ": is a directory");
    }
    if (asItIs && !S_ISREG(status.st_mode)) {
      return Error(ErrorKind::Io, "cannot write ", quote(path, 4096), ": expected a regular file, ",
                   "found ", S_ISLNK(status.st_mode) ? "a symbolic link" : "a special file");
    }
    if (!S_ISREG(status.st_mode)) {
      file.fd = openRetrying(path, O_WRONLY | O_NOCTTY, 0);
      if (file.fd < 0) {
        return systemError("cannot write", path, errno);
      }
      return file;
    }
    char resolved[PATH_MAX];
    if (!asItIs && ::realpath(path.c_str(), resolved)) {
      file.destination = resolved;
    }
    mode = status.st_mode & 07777;
    keepMode = true;
  }

  // Names of one process never meet (the counter), and those of another or of
  // a killed one are passed over (O_EXCL).
  static std::atomic<unsigned> counter{0};
  std::string prefix = joinPath(parentDirectory(file.destination),
                                concat(".dsv2-tmp-", static_cast<long>(::getpid()), "-"));
  for (unsigned attempt = 0; attempt < 1000; ++attempt) {
    std::string name = concat(prefix, counter.fetch_add(1));
    file.fd = openRetrying(name, O_RDWR | O_CREAT | O_EXCL, 0666);
    if (file.fd >= 0) {
      file.temporary = name;
      break;
    }
    if (errno != EEXIST) {
      return systemError("cannot write", path, errno);
    }
  }
  if (file.fd < 0) {
    return systemError("cannot write", path, EEXIST);
  }
  if (keepMode && ::fchmod(file.fd, mode) != 0) {
    return systemError("cannot set the mode of", file.temporary, errno);
  }
  return file;
}

std::optional<Error> AtomicFile::write(const void *data, uint64_t bytes) {
  constexpr uint64_t maxTransfer = uint64_t(1) << 30;
  const char *source = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t done = ::write(fd, source, std::min(bytes, maxTransfer));
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return systemError("cannot write", destination, done < 0 ? errno : EIO);
    }
    source += done;
    bytes -= static_cast<uint64_t>(done);
  }
  return std::nullopt;
}

std::optional<Error> AtomicFile::writeAt(uint64_t offset, const void *data, uint64_t bytes) {
  constexpr uint64_t maxTransfer = uint64_t(1) << 30;
  const char *source = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t done = ::pwrite(fd, source, std::min(bytes, maxTransfer), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return systemError("cannot write", destination, done < 0 ? errno : EIO);
    }
    source += done;
    offset += static_cast<uint64_t>(done);
    bytes -= static_cast<uint64_t>(done);
  }
  return std::nullopt;
}

std::optional<Error> AtomicFile::resize(uint64_t bytes) {
  int result;
  do {
    result = ::ftruncate(fd, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    return systemError("cannot resize", destination, errno);
  }
  return std::nullopt;
}

std::optional<Error> AtomicFile::commit() {
  if (fd < 0) {
    return Error(ErrorKind::Internal, "commit of an empty atomic file");
  }
  std::optional<Error> error;
  if (!temporary.empty() && syncDescriptor(fd) != 0) {
    error = systemError("cannot sync", destination, errno);
  }
  // close() can report a late write error (NFS); it is not repeated on EINTR,
  // because the descriptor is gone either way.
  if (::close(std::exchange(fd, -1)) != 0 && errno != EINTR && !error) {
    error = systemError("cannot close", destination, errno);
  }
  if (temporary.empty() || error) {
    discard();
    return error;
  }
  if (::rename(temporary.c_str(), destination.c_str()) != 0) {
    error = systemError("cannot rename to", destination, errno);
    discard();
    return error;
  }
  temporary.clear();
  std::string directory = parentDirectory(destination);
  int directoryFd = openRetrying(directory, O_RDONLY | O_DIRECTORY, 0);
  if (directoryFd >= 0) {
    // The new file is complete and in place even if this fails: report it, as
    // a crash might still bring the old one back.
    if (syncDescriptor(directoryFd) != 0) {
      error = systemError("cannot sync directory", directory, errno);
    }
    ::close(directoryFd);
  }
  return error;
}

std::optional<Error> writeFileAtomically(const std::string &path, std::string_view content,
                                         AtomicFile::Existing existing) {
  Expected<AtomicFile> file = AtomicFile::create(path, existing);
  if (!file) {
    return file.takeError();
  }
  if (std::optional<Error> error = file->write(content)) {
    return error;
  }
  return file->commit();
}

} // namespace dsv2
