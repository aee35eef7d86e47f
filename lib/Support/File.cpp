//===- File.cpp - Reading regular files exactly ---------------------------===//
//
// pread in a loop: signals and short reads are continued, an early end is a
// truncated file.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/File.h"

#include "lib/Support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace dsv2 {

File::File(File &&other) noexcept
    : fd(std::exchange(other.fd, -1)), fileSize(other.fileSize), fileMtimeNs(other.fileMtimeNs),
      filePath(std::move(other.filePath)) {}

File &File::operator=(File &&other) noexcept {
  std::swap(fd, other.fd);
  std::swap(fileSize, other.fileSize);
  std::swap(fileMtimeNs, other.fileMtimeNs);
  std::swap(filePath, other.filePath);
  return *this;
}

File::~File() {
  if (fd >= 0) {
    ::close(fd);
  }
}

Expected<File> File::open(const std::string &path) {
  if (path.find('\0') != std::string::npos) {
    return Error(ErrorKind::InvalidFile, "path ", quote(path), " holds a NUL character");
  }
  File file;
  file.filePath = path;
  do {
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    file.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (file.fd < 0 && errno == EINTR);
  if (file.fd < 0) {
    return systemError("cannot open", path, errno);
  }
  struct stat status;
  if (::fstat(file.fd, &status) != 0) {
    return systemError("cannot examine", path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorKind::Io, "cannot open ", quote(path, 4096),
                 ": expected a regular file, found ",
                 S_ISDIR(status.st_mode) ? "a directory" : "a special file");
  }
  file.fileSize = static_cast<uint64_t>(status.st_size);
  file.fileMtimeNs =
      static_cast<int64_t>(status.st_mtim.tv_sec) * 1000000000 + status.st_mtim.tv_nsec;
  return file;
}

Expected<File> File::openBeneath(const std::string &directory, std::string_view name) {
  if (std::optional<Error> error = checkRelativeName(name, "file name")) {
    return *error;
  }
  return open(joinPath(directory, name));
}

std::optional<Error> File::read(uint64_t offset, void *into, uint64_t bytes) const {
  // No single transfer may pass SSIZE_MAX; Linux itself stops at 2 GiB.
  constexpr uint64_t maxTransfer = uint64_t(1) << 30;
  std::optional<uint64_t> end = checkedAdd(offset, bytes);
  bool possible = end && *end <= static_cast<uint64_t>(INT64_MAX);
  for (uint64_t done = 0; done < bytes;) {
    ssize_t got = 0;
    if (possible) {
      got = ::pread(fd, static_cast<char *>(into) + done, std::min(bytes - done, maxTransfer),
                    static_cast<off_t>(offset + done));
    }
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return systemError("cannot read", filePath, errno);
    }
    if (got == 0) {
      return Error(ErrorKind::InvalidFile, quote(filePath, 4096), " is truncated: expected ", bytes,
                   " bytes at offset ", offset, ", the file had ", fileSize, " bytes when opened");
    }
    done += static_cast<uint64_t>(got);
  }
  return std::nullopt;
}

Expected<std::string> File::readAll(uint64_t maxBytes) const {
  if (fileSize > maxBytes) {
    return Error(ErrorKind::Limit, quote(filePath, 4096), " has ", fileSize,
                 " bytes, more than the limit of ", maxBytes);
  }
  std::string text(static_cast<size_t>(fileSize), '\0');
  if (std::optional<Error> error = read(0, text.data(), fileSize)) {
    return *error;
  }
  return text;
}

std::optional<Error> checkRelativeName(std::string_view name, std::string_view what) {
  auto refuse = [&](std::string_view reason) {
    return Error(ErrorKind::InvalidFile, what, " ", quote(name), " ", reason);
  };
  if (name.empty()) {
    return refuse("is empty");
  }
  if (name.find('\0') != std::string_view::npos) {
    return refuse("holds a NUL character");
  }
  if (name.front() == '/') {
    return refuse("is absolute, expected a name beneath the directory");
  }
  for (size_t begin = 0; begin <= name.size();) {
    size_t end = std::min(name.find('/', begin), name.size());
    std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return refuse("has an empty, '.' or '..' component, expected a name "
                    "beneath the directory");
    }
    begin = end + 1;
  }
  return std::nullopt;
}

Expected<std::string> readFile(const std::string &path, uint64_t maxBytes) {
  Expected<File> file = File::open(path);
  if (!file) {
    return file.takeError();
  }
  return file->readAll(maxBytes);
}

bool pathExists(const std::string &path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0;
}

bool isDirectory(const std::string &path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string joinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') {
    path += '/';
  }
  return path.append(name);
}

} // namespace dsv2
