//===- StepCase.cpp - whole steps of a compiled model ---------------------===//
//
// The runtime binds and fills everything; here addresses become buffers. For the
// golden a session runs on a device that only writes down what it is asked for;
// for the decode step the addresses are made up, since nothing is computed.
//
//===----------------------------------------------------------------------===//
#include "tools/gpu-pack/StepCase.h"

#include "lib/Artifact/Artifact.h"
#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Runtime/BoundEntry.h"
#include "lib/Runtime/MemoryPlan.h"
#include "lib/Runtime/Model.h"
#include "lib/Runtime/Session.h"
#include "lib/Runtime/StepTables.h"

#include <algorithm>
#include <cstring>

namespace dsv2::pack {
namespace {

/// The value of P: the grids of kernels that spread over a device are made for this many.
constexpr int64_t kWorkers = 132;

/// Adds a variant's kernels to the pack; the number of its first module.
size_t addModules(Pack &pack, const Variant &variant) {
  size_t first = pack.modules.size();
  for (const Kernel &kernel : variant.kernels) {
    Module module;
    module.target = variant.name;
    module.extension = imageFormatName(variant.image.format);
    module.kernel = kernel;
    auto part = [&](uint64_t offset, uint64_t size) {
      auto begin = variant.image.bytes.begin() + int64_t(offset);
      return std::vector<uint8_t>(begin, begin + int64_t(size));
    };
    if (variant.image.format == ImageFormat::Flat) {
      // Of a checked target: constants lie behind the text of all kernels.
      module.code = variant.image.bytes;
      module.textBytes = variant.image.textBytes;
    } else {
      module.code = part(kernel.offset, kernel.size);
      module.binary = part(kernel.binaryOffset, kernel.binarySize);
    }
    pack.modules.push_back(std::move(module));
  }
  return first;
}

/// Which slots of a kernel's calls are addresses, by the program's own words.
std::vector<std::vector<bool>> addressSlots(const Variant &variant) {
  std::vector<std::vector<bool>> out(variant.kernels.size());
  auto look = [&](const Dispatch &dispatch) {
    std::vector<bool> &slots = out[dispatch.kernel];
    slots.clear();
    for (const Arg &arg : dispatch.args) {
      slots.push_back(arg.kind != ArgKind::Symbol && arg.kind != ArgKind::Constant);
    }
  };
  for (const Entry &entry : variant.entries) {
    for (const Step &step : entry.steps) {
      if (!step.isRepeat) {
        look(step.dispatch);
      }
      std::for_each(step.body.begin(), step.body.end(), look);
    }
  }
  return out;
}

/// A range of addresses that is a buffer of the case.
struct Region {
  uint64_t address, bytes;
  size_t buffer;
};

Expected<Launch> launchOf(const KernelCall &call, size_t firstModule,
                          const std::vector<bool> &isAddress, const std::vector<Region> &regions) {
  Launch launch;
  launch.module = firstModule + call.kernel;
  launch.items = call.items;
  for (uint32_t i = 0; i < call.slotCount; ++i) {
    if (i >= isAddress.size() || !isAddress[i]) {
      launch.slots.push_back({-1, call.slots[i]});
      continue;
    }
    auto inside = [&](const Region &region) {
      return call.slots[i] - region.address < std::max<uint64_t>(region.bytes, 1);
    };
    auto region = std::find_if(regions.begin(), regions.end(), inside);
    if (region == regions.end()) {
      return Error(ErrorKind::Internal, "slot ", i, " of a call is in no memory");
    }
    launch.slots.push_back({int64_t(region->buffer), call.slots[i] - region->address});
  }
  return launch;
}

/// The numbers of an artifact's variants that are wanted.
std::vector<size_t> chosen(const Program &program, const std::vector<std::string> &targets) {
  std::vector<size_t> out;
  for (size_t i = 0; i < program.variants.size(); ++i) {
    if (std::find(targets.begin(), targets.end(), program.variants[i].name) != targets.end()) {
      out.push_back(i);
    }
  }
  return out;
}

//===----------------------------------------------------------------------===//
// A decode step
//===----------------------------------------------------------------------===//

std::optional<Error> addDecodeStep(Pack &pack, const ModelInfo &model, const Variant &variant) {
  const int64_t context = std::min<int64_t>(variant.maxContext, 1024);
  SymbolValues symbols{1, 1, 1, context, kWorkers, 0};
  Expected<WeightLayout> layout = layOutWeights(variant.weights);
  Expected<MemoryPlan> plan = planMemory(model, variant, symbols);
  if (!layout || !plan) {
    return layout ? plan.takeError() : layout.takeError();
  }
  Case one;
  one.name = model.name + ", decode of one token at " + std::to_string(context);
  one.target = variant.name;
  one.builder = "program";
  one.goal = "G8";
  one.wanted = "V2-Lite >= 700 tok/s (1429 us)";
  std::vector<Region> regions;
  auto reserve = [&](BufferSpec spec) {
    uint64_t address = uint64_t(regions.size() + 1) << 48;
    regions.push_back({address, spec.bytes, one.add(std::move(spec))});
    return address;
  };
  bool bf16 = variant.compute == "bf16";
  Fill weights = bf16 ? Fill::NoiseBF16 : Fill::NoiseF32;
  BindAddresses addresses;
  addresses.weights = reserve({layout->bytes, weights});
  addresses.layout = &*layout;

  // Tables and outputs come first and are filled as the runtime fills them.
  std::vector<uint64_t> offsets;
  for (const MemoryPlan::Range &range : plan->buffers) {
    offsets.push_back(range.offset);
  }
  std::vector<uint64_t> host(plan->bytes / 8 + 8);
  StepTables tables(model, variant, offsets, reinterpret_cast<char *>(host.data()));
  int64_t pageTokens = variant.caches.empty() ? 64 : variant.caches[0].pageTokens;
  int64_t pages = (context + pageTokens - 1) / pageTokens;
  PagedSequence sequence;
  sequence.length = context - 1;
  for (int64_t page = 0; page < pages; ++page) {
    sequence.pages.push_back(int32_t(page));
  }
  int32_t token = 1;
  StepPart part;
  part.tokens = &token;
  part.count = 1;
  tables.fill({{&part, &sequence, context - 1}});
  BufferSpec buffers{plan->bytes, Fill::Bytes};
  buffers.data.resize(plan->bytes);
  std::memcpy(buffers.data.data(), host.data(), plan->bytes);
  uint64_t base = reserve(std::move(buffers));
  for (uint64_t offset : offsets) {
    addresses.buffers.push_back(base + offset);
  }
  double cacheBytes = 0;
  for (const Cache &cache : variant.caches) {
    uint64_t stride = uint64_t(pages * pageTokens * cache.rowElements) * elementBytes(cache.type);
    cacheBytes +=
        double(context * cache.rowElements * cache.layers) * double(elementBytes(cache.type));
    addresses.caches.push_back({reserve({stride * uint64_t(cache.layers), weights}), stride});
  }

  for (const Entry &entry : variant.entries) {
    Expected<BoundEntry> bound = BoundEntry::bind(variant, entry, addresses);
    if (!bound) {
      return bound.takeError();
    }
    if (!bound->accepts(symbols)) {
      continue;
    }
    if (std::optional<Error> error = bound->prepare(symbols)) {
      return error;
    }
    size_t first = addModules(pack, variant);
    std::vector<std::vector<bool>> isAddress = addressSlots(variant);
    for (const KernelCall &call : bound->calls()) {
      Expected<Launch> launch = launchOf(call, first, isAddress[call.kernel], regions);
      if (!launch) {
        return launch.takeError();
      }
      one.launches.push_back(std::move(*launch));
    }
    // Every weight once but the experts that were not chosen: an upper bound of what is read.
    one.bytes = double(layout->bytes) + cacheBytes;
    pack.cases.push_back(std::move(one));
    return std::nullopt;
  }
  return Error(ErrorKind::Mismatch, "variant ", quote(variant.name), " has no entry for one token");
}

//===----------------------------------------------------------------------===//
// A golden's prefill
//===----------------------------------------------------------------------===//

/// What a device that computes nothing has seen.
struct Record {
  struct Allocation {
    std::vector<uint64_t> words;
    uint64_t bytes = 0;
    uint64_t address() const { return reinterpret_cast<uint64_t>(words.data()); }
  };
  std::vector<std::unique_ptr<Allocation>> memory;
  struct Call {
    uint32_t kernel;
    int64_t items;
    std::vector<uint64_t> slots;
  };
  std::vector<Call> calls;
  std::vector<uint64_t> reads; ///< addresses of copies to the host: the outputs, in order
};

class RecordedMemory final : public DeviceMemory {
public:
  explicit RecordedMemory(const Record::Allocation &allocation) : allocation(allocation) {}
  uint64_t address() const override { return allocation.address(); }
  uint64_t bytes() const override { return allocation.bytes; }
  void *host() const override { return nullptr; }

private:
  const Record::Allocation &allocation;
};

class RecordingDriver final : public Driver {
public:
  explicit RecordingDriver(Record &record) : record(record) {}
  std::string_view name() const override { return "recording"; }
  int64_t workers() const override { return kWorkers; }
  uint64_t availableBytes() const override { return uint64_t(1) << 32; }
  Expected<std::unique_ptr<DeviceMemory>> allocate(uint64_t bytes, MemoryUse) override {
    auto made = std::make_unique<Record::Allocation>();
    made->words.resize(bytes / 8 + 8);
    made->bytes = bytes;
    record.memory.push_back(std::move(made));
    return std::unique_ptr<DeviceMemory>(std::make_unique<RecordedMemory>(*record.memory.back()));
  }
  std::optional<Error> copyIn(uint64_t device, const void *host, uint64_t bytes) override {
    std::memcpy(reinterpret_cast<void *>(device), host, bytes);
    return std::nullopt;
  }
  std::optional<Error> copyOut(void *host, uint64_t device, uint64_t bytes) override {
    record.reads.push_back(device);
    std::memset(host, 0, bytes);
    return std::nullopt;
  }
  Expected<std::unique_ptr<DeviceCode>> load(const Image &, const std::vector<Kernel> &) override {
    return std::make_unique<DeviceCode>();
  }
  std::optional<Error> launch(const DeviceCode &, const KernelCall *calls, size_t count) override {
    for (size_t i = 0; i < count; ++i) {
      record.calls.push_back(
          {calls[i].kernel, calls[i].items, {calls[i].slots, calls[i].slots + calls[i].slotCount}});
    }
    return std::nullopt;
  }
  std::optional<Error> synchronize() override { return std::nullopt; }

private:
  Record &record;
};

/// A whole tensor of a golden as numbers.
template <typename T>
Expected<std::vector<T>> readTensor(const SafetensorsFile &file, std::string_view name) {
  const TensorInfo *tensor = file.find(name);
  if (!tensor) {
    return Error(ErrorKind::Mismatch, "the golden has no tensor ", quote(name));
  }
  std::vector<T> out(tensor->bytes / sizeof(T));
  if (std::optional<Error> error = file.read(*tensor, 0, tensor->bytes, out.data())) {
    return *error;
  }
  return out;
}

std::optional<Error> addGoldenStep(Pack &pack, const Program &program, size_t number,
                                   const Checkpoint &checkpoint, const std::string &name,
                                   const std::vector<int64_t> &tokens,
                                   const std::vector<int64_t> &positions,
                                   const std::vector<float> &logits) {
  Record record;
  Expected<std::unique_ptr<Model>> model = Model::create(
      program, number, std::make_unique<RecordingDriver>(record), checkpoint, ModelOptions());
  if (!model) {
    return model.takeError();
  }
  SessionOptions options;
  options.maxSequences = 1;
  options.maxContext = int64_t(tokens.size());
  options.maxWanted = int64_t(tokens.size());
  Expected<std::unique_ptr<Session>> session = Session::create(**model, options);
  if (!session) {
    return session.takeError();
  }
  Expected<int32_t> sequence = (*session)->open();
  if (!sequence) {
    return sequence.takeError();
  }
  std::vector<int32_t> narrow(tokens.begin(), tokens.end());
  StepPart part;
  part.sequence = *sequence;
  part.tokens = narrow.data();
  part.count = int64_t(tokens.size());
  part.positions = positions.data();
  record.calls.clear();
  record.reads.clear();
  if (std::optional<Error> error = (*session)->step(&part, 1)) {
    return error;
  }
  const Variant &variant = program.variants[number];
  Case one;
  one.name = "prefill of golden " + name + " " + variant.compute;
  one.target = variant.name;
  one.builder = "program";
  std::vector<Region> regions;
  for (const std::unique_ptr<Record::Allocation> &memory : record.memory) {
    BufferSpec buffer{memory->bytes, Fill::Bytes};
    buffer.data.resize(memory->bytes);
    std::memcpy(buffer.data.data(), memory->words.data(), memory->bytes);
    regions.push_back({memory->address(), memory->bytes, one.add(std::move(buffer))});
  }
  size_t first = addModules(pack, variant);
  std::vector<std::vector<bool>> isAddress = addressSlots(variant);
  for (const Record::Call &call : record.calls) {
    Expected<Launch> launch =
        launchOf({call.kernel, call.slots.data(), call.items, uint32_t(call.slots.size())}, first,
                 isAddress[call.kernel], regions);
    if (!launch) {
      return launch.takeError();
    }
    one.launches.push_back(std::move(*launch));
  }
  size_t output = 0;
  for (const Buffer &buffer : variant.buffers) {
    if (buffer.kind == BufferKind::Output && buffer.table == "logits") {
      break;
    }
    output += buffer.kind == BufferKind::Output;
  }
  if (output >= record.reads.size()) {
    return Error(ErrorKind::Mismatch, "variant ", quote(variant.name), " gives no logits");
  }
  for (const Region &region : regions) {
    uint64_t offset = record.reads[output] - region.address;
    if (offset < region.bytes) {
      Expectation expect;
      expect.buffer = region.buffer;
      expect.offset = offset;
      expect.rows = int64_t(tokens.size());
      expect.columns = expect.stride = program.model.vocab;
      expect.bound = variant.compute == "f32" ? 1e-4 : 5e-2;
      expect.values.assign(logits.begin(), logits.end());
      one.expect.push_back(std::move(expect));
    }
  }
  pack.cases.push_back(std::move(one));
  return std::nullopt;
}

} // namespace

std::optional<Error> addDecodeSteps(Pack &pack, const std::string &artifact,
                                    const std::vector<std::string> &targets) {
  Expected<Artifact> read = readArtifact(artifact);
  if (!read) {
    return read.takeError();
  }
  for (size_t number : chosen(read->program, targets)) {
    if (std::optional<Error> error =
            addDecodeStep(pack, read->program.model, read->program.variants[number])) {
      return error->within(artifact);
    }
  }
  return std::nullopt;
}

std::optional<Error> addGoldenSteps(Pack &pack, const std::string &artifact,
                                    const std::string &golden,
                                    const std::vector<std::string> &targets) {
  Expected<Artifact> read = readArtifact(artifact);
  Expected<Checkpoint> checkpoint = Checkpoint::open(golden, WeightData::Required);
  Expected<SafetensorsFile> file = SafetensorsFile::open(golden + "/golden.safetensors");
  if (!read || !checkpoint || !file) {
    return !read ? read.takeError() : !checkpoint ? checkpoint.takeError() : file.takeError();
  }
  Expected<std::vector<int64_t>> tokens = readTensor<int64_t>(*file, "tokens");
  Expected<std::vector<int64_t>> positions = readTensor<int64_t>(*file, "positions");
  Expected<std::vector<float>> logits = readTensor<float>(*file, "logits");
  if (!tokens || !positions || !logits) {
    return !tokens ? tokens.takeError() : !positions ? positions.takeError() : logits.takeError();
  }
  uint64_t vocab = uint64_t(read->program.model.vocab);
  if (positions->size() != tokens->size() || logits->size() != tokens->size() * vocab) {
    return Error(ErrorKind::Mismatch, golden, " has ", tokens->size(), " tokens, ",
                 positions->size(), " positions and ", logits->size(),
                 " logits, expected a row of ", vocab, " for each token");
  }
  std::string name = golden.substr(golden.find_last_of('/') + 1);
  for (size_t number : chosen(read->program, targets)) {
    if (std::optional<Error> error = addGoldenStep(pack, read->program, number, *checkpoint, name,
                                                   *tokens, *positions, *logits)) {
      return error->within(artifact);
    }
  }
  return std::nullopt;
}

} // namespace dsv2::pack
