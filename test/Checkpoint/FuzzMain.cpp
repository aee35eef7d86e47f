//===- FuzzMain.cpp - dsv2-fuzz-checkpoint --------------------------------===//
//
// The whole fuzzing run: a million inputs, each with a cap on its memory and on its
// processor time. An input is made from the seed and its number, so whatever stops
// the run can be made again alone.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/Error.h"
#include "test/Checkpoint/FuzzTargets.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DSV2_ADDRESS_SANITIZER
#include <sanitizer/allocator_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#endif

using namespace dsv2;

namespace {

constexpr uint64_t memoryCap = uint64_t(256) << 20; // bytes live because of one input
constexpr time_t secondsCap = 10;                   // of processor time for one input

char current[160]; // what runs now, for the handlers

void say(const char *what) {
  // Only what a signal handler may call.
  (void)!write(STDERR_FILENO, "error: ", 7);
  (void)!write(STDERR_FILENO, what, strlen(what));
  (void)!write(STDERR_FILENO, current, strlen(current));
}

void onTimeout(int) {
  say("more processor time than an input may take: ");
  _exit(1);
}

void onDeath() { say("stopped by a sanitizer or a signal: "); }

#ifdef DSV2_ADDRESS_SANITIZER
std::atomic<int64_t> liveBytes{0};

void onMalloc(const volatile void *, size_t bytes) {
  if (liveBytes.fetch_add(int64_t(bytes)) + int64_t(bytes) > int64_t(memoryCap)) {
    say("more memory than an input may take: ");
    _exit(1);
  }
}
void onFree(const volatile void *pointer) {
  if (pointer) {
    liveBytes -= int64_t(__sanitizer_get_allocated_size(const_cast<const void *>(pointer)));
  }
}
void capMemory() {
  __sanitizer_set_death_callback(onDeath);
  if (__sanitizer_install_malloc_and_free_hooks(onMalloc, onFree) == 0) {
    std::fprintf(stderr, "error: cannot watch the memory of inputs\n");
    std::exit(1);
  }
}
void startInput() { liveBytes = 0; }
#else
void capMemory() {
  rlimit limit{memoryCap * 4, memoryCap * 4};
  setrlimit(RLIMIT_AS, &limit);
  for (int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal, [](int number) {
      onDeath();
      std::signal(number, SIG_DFL);
      std::raise(number);
    });
  }
}
void startInput() {}
#endif

struct Options {
  uint64_t inputs = 1'000'000;
  uint64_t seed = 1;
  std::string target;
  bool isSingle = false;
  uint64_t single = 0;
};

constexpr const char *help =
    R"(dsv2-fuzz-checkpoint: damaged config.json, safetensors headers, directories and tokenizer.json

Reads inputs, each made from a valid file, a seed and its number. Ends with 1 at the first crash, hang
(10 s of processor time), input that needs 256 MiB, or answer that breaks a promise, and says which input
it was. Half of the inputs are configs, half headers; a twentieth as many are whole directories, a tenth
as many tokenizers. Meant for the asan preset.

  --inputs N      configs and headers together (default 1000000)
  --seed N        (default 1)
  --target NAME   configs, headers, directories or tokenizers alone
  --single N      print and run one input of --target
  --help, --version

  build-asan/bin/dsv2-fuzz-checkpoint --inputs 1000000 --seed 1
  build-asan/bin/dsv2-fuzz-checkpoint --seed 1 --target headers --single 4711
)";

/// Runs one input; false if it failed.
bool runInput(FuzzTarget &target, const Options &options, uint64_t number) {
  std::snprintf(current, sizeof(current), "target %s, seed %llu, input %llu\n",
                target.name().c_str(), static_cast<unsigned long long>(options.seed),
                static_cast<unsigned long long>(number));
  itimerval timer{{0, 0}, {secondsCap, 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);
  std::string input, wrong;
  {
    FuzzRandom random(options.seed, number);
    startInput();
    wrong = target.run(random, input);
  }
  if (options.isSingle) {
    std::printf("%s\n", input.c_str());
  }
  if (!wrong.empty()) {
    std::fprintf(stderr, "error: %s: %s", wrong.c_str(), current);
  }
  return wrong.empty();
}

bool parse(int argc, char **argv, Options &options) {
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--help" || flag == "--version") {
      std::fputs(flag == "--help" ? help : "dsv2-fuzz-checkpoint " DSV2_VERSION "\n", stdout);
      std::exit(0);
    }
    char *end = nullptr;
    const char *value = i + 1 < argc ? argv[++i] : "";
    if (flag == "--target") {
      options.target = value;
      continue;
    }
    uint64_t number = std::strtoull(value, &end, 10);
    if (*value == 0 || *end != 0) {
      std::fprintf(stderr, "error: %s takes a number, got '%s'\n", flag.c_str(), value);
      return false;
    }
    if (flag == "--inputs") {
      options.inputs = number;
    } else if (flag == "--seed") {
      options.seed = number;
    } else if (flag == "--single") {
      options.isSingle = true;
      options.single = number;
    } else {
      std::fprintf(stderr, "error: unknown flag '%s'\n", flag.c_str());
      return false;
    }
  }
  return true;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    return 1;
  }
  struct Share {
    std::unique_ptr<FuzzTarget> target;
    uint64_t inputs;
  };
  std::vector<Share> shares;
  shares.push_back({fuzzConfigs(), options.inputs / 2});
  shares.push_back({fuzzHeaders(), options.inputs - options.inputs / 2});
  shares.push_back({fuzzDirectories(), options.inputs / 20});
  shares.push_back({fuzzTokenizers(), options.inputs / 10});
  std::signal(SIGPROF, onTimeout);
  capMemory();
  bool isKnown = options.target.empty() && !options.isSingle;
  for (Share &share : shares) {
    if (!options.target.empty() && share.target->name() != options.target) {
      continue;
    }
    if (options.isSingle && !options.target.empty()) {
      return runInput(*share.target, options, options.single) ? 0 : 1;
    }
    isKnown = true;
    for (uint64_t number = 0; number < share.inputs; ++number) {
      if (!runInput(*share.target, options, number)) {
        return 1;
      }
    }
    std::printf("%s: %llu inputs, %llu accepted, seed %llu, nothing wrong\n",
                share.target->name().c_str(), static_cast<unsigned long long>(share.inputs),
                static_cast<unsigned long long>(share.target->accepted),
                static_cast<unsigned long long>(options.seed));
    std::fflush(stdout);
  }
  if (!isKnown) {
    std::fprintf(stderr,
                 "error: --target is '%s', expected configs, headers, directories or "
                 "tokenizers\n",
                 options.target.c_str());
    return 1;
  }
  return 0;
}
