//===- gpu-pack.cpp - what a machine with a GPU is to check and measure ---===//
//
//   dsv2-gpu-pack OUT [--targets sm_80,...] [--revision TEXT] [--step ARTIFACT]...
//                [--golden ARTIFACT DIRECTORY]...
//   dsv2-gpu-pack --simt [--targets sm_80,...] [--golden ARTIFACT DIRECTORY]...
//
// The first writes a pack for replay/run.py into the folder OUT, the second runs
// the same checks on this machine (Pack.h). scripts/gpu-pack does the rest.
//
//===----------------------------------------------------------------------===//
#include "tools/gpu-pack/KernelShop.h"
#include "tools/gpu-pack/StepCase.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

using namespace dsv2;
using namespace dsv2::pack;

namespace {

struct Options {
  std::string out, revision = "an unknown revision";
  std::vector<std::string> targets, steps;
  std::vector<std::pair<std::string, std::string>> goldens;
  bool simt = false;
};

int fail(const llvm::Twine &message) {
  llvm::errs() << "error: " << message << "\n";
  return 1;
}

std::optional<Options> parse(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef argument = argv[i];
    bool more = i + 1 < argc;
    if (argument == "--simt") {
      options.simt = true;
    } else if (argument == "--targets" && more) {
      llvm::SmallVector<llvm::StringRef> names;
      llvm::StringRef(argv[++i]).split(names, ',');
      for (llvm::StringRef name : names) {
        options.targets.push_back(name.str());
      }
    } else if (argument == "--revision" && more) {
      options.revision = argv[++i];
    } else if (argument == "--golden" && i + 2 < argc) {
      options.goldens.emplace_back(argv[i + 1], argv[i + 2]);
      i += 2;
    } else if (argument == "--step" && more) {
      options.steps.push_back(argv[++i]);
    } else if (!argument.starts_with("-") && options.out.empty()) {
      options.out = argument.str();
    } else {
      return std::nullopt;
    }
  }
  if (options.simt != options.out.empty()) {
    return std::nullopt;
  }
  return options;
}

/// Targets that have modules for a device, or the checked forms of those.
std::vector<std::string> chosenTargets(const KernelShop &shop, const Options &options) {
  std::vector<std::string> out;
  for (const std::string &name : shop.targetNames()) {
    const TargetBackend &target = *shop.target(name);
    bool device = target.hasDeviceForm() && target.getDriver() != "simt";
    if (options.simt ? target.getDriver() == "simt" : device) {
      std::string plain = llvm::StringRef(name).split(':').first.str();
      if (options.targets.empty() || llvm::is_contained(options.targets, plain)) {
        out.push_back(name);
      }
    }
  }
  return out;
}

} // namespace

int main(int argc, char **argv) {
  std::optional<Options> options = parse(argc, argv);
  if (!options) {
    return fail("usage: dsv2-gpu-pack (OUT | --simt) [--targets NAME,...] [--revision TEXT] "
                "[--step ARTIFACT]... [--golden ARTIFACT DIRECTORY]...");
  }
  Pack pack;
  pack.revision = options->revision;
  KernelShop shop(pack);
  std::vector<std::string> targets = chosenTargets(shop, *options);
  if (targets.empty()) {
    return fail("this build has no target for a GPU of these names");
  }
  for (const std::string &target : targets) {
    addMatmuls(shop, target);
    addExperts(shop, target);
    addAttention(shop, target);
    addRouting(shop, target);
  }
  for (const auto &[artifact, golden] : options->goldens) {
    if (std::optional<Error> error = addGoldenSteps(pack, artifact, golden, targets)) {
      return fail(error->message());
    }
  }
  if (options->simt) {
    return replayOnSimt(pack) == 0 ? 0 : 1;
  }
  for (const std::string &artifact : options->steps) {
    if (std::optional<Error> error = addDecodeSteps(pack, artifact, targets)) {
      return fail(error->message());
    }
  }
  if (std::optional<Error> error = writePack(pack, options->out)) {
    return fail(error->message());
  }
  size_t checks = 0;
  for (const Case &each : pack.cases) {
    checks += !each.expect.empty();
    if (!each.why.empty()) {
      llvm::outs() << "not in it: " << each.target << " " << each.name << ": " << each.why << "\n";
    }
  }
  llvm::outs() << pack.modules.size() << " modules, " << checks << " checks, "
               << pack.cases.size() - checks << " measurements for " << llvm::join(targets, ", ")
               << "\n";
  return 0;
}
