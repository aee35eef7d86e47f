//===- main.cpp - dsv2-run ------------------------------------------------===//
//
// Parses the command line and hands over.
//
//===----------------------------------------------------------------------===//
#include "tools/dsv2-run/CommandLine.h"
#include "tools/dsv2-run/Run.h"

#include <cstdio>
#include <new>

using namespace dsv2;

static int report(const Error &error) {
  std::fflush(stdout);
  std::fprintf(stderr, "dsv2-run: error: %s\n", error.message().c_str());
  return 1;
}

/// An earlier flush that failed has emptied the buffer; only the flag remembers.
static int finishOutput() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    return report(Error(ErrorKind::Io, "cannot write to standard output"));
  }
  return 0;
}

int main(int argc, char **argv) {
  Expected<CommandLine> line = parseCommandLine(argc, argv);
  if (!line) {
    return report(line.error());
  }
  if (!line->message.empty()) {
    std::fputs(line->message.c_str(), stdout);
    return finishOutput();
  }
  try {
    std::optional<Error> failure = line->bench ? runBench(*line) : run(*line);
    if (failure) {
      return report(*failure);
    }
  } catch (const std::bad_alloc &) {
    return report(Error(ErrorKind::Limit, "out of memory"));
  }
  return finishOutput();
}
