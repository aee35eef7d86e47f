//===- CommandLine.h - The flags of dsv2-run --------------------*- C++ -*-===//
//
// TOKENS flags are shared with dsv2-interpret (lib/Support/TokensOptions.h);
// these are the runtime's own.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TOOLS_DSV2_RUN_COMMANDLINE_H
#define DSV2_TOOLS_DSV2_RUN_COMMANDLINE_H

#include "lib/Runtime/Sampler.h"
#include "lib/Support/Error.h"
#include "lib/Support/TokensOptions.h"

#include <string>
#include <vector>

namespace dsv2 {

struct CommandLine {
  /// Not empty: the text of --help or --version, and nothing else to do.
  std::string message;

  std::string artifact;
  TokensOptions tokens;
  SamplingOptions sampling;
  std::vector<int64_t> stopIds;
  unsigned threads = 0; ///< 0: one per CPU
  std::string cacheDirectory;
  uint64_t cacheMemory = 0; ///< bytes for cache pages; 0: what is needed
  uint64_t pageSeed = 0;    ///< of --shuffle-pages; 0: pages in order
  std::string driver; ///< not empty: instead of the one that the variant names
  bool check = true;  ///< kernels are checked as they run, where the driver can
  bool trustCode = false;
  bool prepareOnly = false;
  bool quiet = false;
  bool json = false;

  bool bench = false;
  int64_t benchPrefill = 512;
  int64_t benchDecode = 64;
  int64_t benchDepth = 0;
  int64_t benchRuns = 3;
};

/// Usage errors name flag and value.
Expected<CommandLine> parseCommandLine(int argc, const char *const *argv);

/// "512M", "2G", "1500000" in bytes; K, M, G, T are powers of 1024, and "iB" or
/// "B" may follow. Nothing for anything else, and for 0.
std::optional<uint64_t> parseSize(const std::string &text);

} // namespace dsv2

#endif // DSV2_TOOLS_DSV2_RUN_COMMANDLINE_H
