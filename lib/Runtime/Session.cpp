//===- Session.cpp - Sequences and the steps that extend them -------------===//
//
// Everything is allocated when the session begins; a step only fills tables,
// patches symbols and launches.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Session.h"

#include "lib/Artifact/StepTables.h"
#include "lib/Support/CheckedMath.h"

#include <algorithm>
#include <limits>

using namespace dsv2;

/// Positions are exact in f32 up to here (SEMANTICS.md).
static constexpr int64_t kMaxPosition = int64_t(1) << 24;

static int64_t &symbol(SymbolValues &symbols, Symbol which) {
  return symbols[static_cast<size_t>(which)];
}

Expected<std::unique_ptr<Session>> Session::create(const Model &model,
                                                   const SessionOptions &options) {
  std::unique_ptr<Session> session(new Session(model));
  for (auto phase : {&Session::setLimits, &Session::allocateCache}) {
    if (std::optional<Error> failure = (session.get()->*phase)(options)) {
      return *failure;
    }
  }
  for (auto phase : {&Session::allocateBuffers, &Session::bindEntries}) {
    if (std::optional<Error> failure = (session.get()->*phase)()) {
      return *failure;
    }
  }
  return session;
}

std::optional<Error> Session::setLimits(const SessionOptions &options) {
  const Variant &variant = owner.variant();
  limits = options;
  struct Cap {
    const char *name;
    int64_t &value;
    int64_t compiled;
  };
  for (const Cap &cap : {Cap{"sequences", limits.maxSequences, variant.maxBatch},
                         Cap{"cached tokens of a sequence", limits.maxContext, variant.maxContext},
                         Cap{"wanted rows", limits.maxWanted, variant.maxStepTokens}}) {
    if (cap.value < 0 || cap.value > cap.compiled) {
      return Error(ErrorKind::Usage, cap.name, ": ", cap.value,
                   " asked for, the artifact was compiled for at most ", cap.compiled);
    }
    if (cap.value == 0) {
      cap.value = cap.compiled;
    }
  }
  sequences.resize(static_cast<size_t>(limits.maxSequences));
  placed.reserve(sequences.size());
  return std::nullopt;
}

std::optional<Error> Session::allocateCache(const SessionOptions &options) {
  const Variant &variant = owner.variant();
  uint64_t pageBytes = 0;
  if (!variant.caches.empty()) {
    tokensPerPage = variant.caches.front().pageTokens;
  }
  for (const Cache &cache : variant.caches) {
    std::optional<uint64_t> bytes = checkedProduct(std::vector<uint64_t>{
        static_cast<uint64_t>(cache.layers), static_cast<uint64_t>(cache.pageTokens),
        static_cast<uint64_t>(cache.rowElements), elementBytes(cache.type)});
    if (!bytes || *bytes == 0 || cache.pageTokens != tokensPerPage || cache.pageTokens < 1 ||
        (bytes = checkedAdd(pageBytes, *bytes)) == std::nullopt) {
      return Error(ErrorKind::InvalidFile, "cache ", quote(cache.name), " has pages of ",
                   cache.pageTokens, " tokens, which this runtime cannot hold");
    }
    pageBytes = *bytes;
  }
  int64_t sequencePages = (limits.maxContext + tokensPerPage - 1) / tokensPerPage;
  uint64_t pages = static_cast<uint64_t>(sequencePages * limits.maxSequences);
  if (pageBytes != 0 && options.cacheBytes != 0) {
    pages = std::min(pages, options.cacheBytes / pageBytes);
    if (pages == 0) {
      return Error(ErrorKind::Limit, "cache memory of ", options.cacheBytes,
                   " bytes does not hold a page of ", tokensPerPage, " tokens (", pageBytes,
                   " bytes)");
    }
  } else if (pageBytes != 0) {
    uint64_t available = owner.driver().availableBytes();
    uint64_t affordable = available / 2 / pageBytes;
    if (affordable < static_cast<uint64_t>(sequencePages)) {
      return Error(ErrorKind::Limit, "the cache of one sequence of ", limits.maxContext,
                   " tokens takes ", static_cast<uint64_t>(sequencePages) * pageBytes,
                   " bytes, more than half of the ", available,
                   " bytes of free memory; set the cache memory, or a smaller context");
    }
    pages = std::min(pages, affordable);
  }
  pages = std::min<uint64_t>(pages, std::numeric_limits<int32_t>::max());
  pool = PagePool(static_cast<int32_t>(pages), options.pageSeed);
  for (Sequence &sequence : sequences) {
    sequence.cached.pages.reserve(static_cast<size_t>(sequencePages));
  }
  for (const Cache &cache : variant.caches) {
    // Below the product checked above, times a number of pages that fits memory.
    uint64_t stride = pages * static_cast<uint64_t>(cache.pageTokens * cache.rowElements) *
                      elementBytes(cache.type);
    stride = (stride + 63) / 64 * 64;
    Expected<std::unique_ptr<DeviceMemory>> memory =
        owner.driver().allocate(stride * static_cast<uint64_t>(cache.layers), MemoryUse::Cache);
    if (!memory) {
      return memory.takeError().within(concat("cache ", quote(cache.name)));
    }
    addresses.caches.push_back({(*memory)->address(), stride});
    if (options.poisonCache) {
      std::vector<char> poison((*memory)->bytes(), '\xff');
      if (std::optional<Error> failure =
              owner.driver().copyIn((*memory)->address(), poison.data(), poison.size())) {
        return failure;
      }
    }
    caches.push_back(std::move(*memory));
  }
  return std::nullopt;
}

std::optional<Error> Session::allocateBuffers() {
  const Variant &variant = owner.variant();
  SymbolValues caps{};
  symbol(caps, Symbol::Rows) = variant.maxStepTokens;
  symbol(caps, Symbol::Sequences) = limits.maxSequences;
  symbol(caps, Symbol::Wanted) = limits.maxWanted;
  symbol(caps, Symbol::Context) = limits.maxContext;
  symbol(caps, Symbol::Workers) = owner.driver().workers();
  symbol(caps, Symbol::Replay) = 1;
  Expected<MemoryPlan> planned = planMemory(owner.info(), variant, caps);
  if (!planned) {
    return planned.takeError();
  }
  plan = std::move(*planned);
  Expected<std::unique_ptr<DeviceMemory>> memory =
      owner.driver().allocate(plan.bytes, MemoryUse::Working);
  if (!memory) {
    return memory.takeError().within("buffers of a step");
  }
  buffers = std::move(*memory);
  hostTables = static_cast<char *>(buffers->host());
  if (!hostTables) {
    mirror.resize(plan.ownBytes + 64);
    hostTables = mirror.data() + (64 - reinterpret_cast<uintptr_t>(mirror.data()) % 64) % 64;
  }
  for (size_t i = 0; i < variant.buffers.size(); ++i) {
    offsets.push_back(plan.buffers[i].offset);
    addresses.buffers.push_back(buffers->address() + plan.buffers[i].offset);
    if (variant.buffers[i].kind == BufferKind::Output && variant.buffers[i].table == "logits") {
      logitsData = reinterpret_cast<const float *>(hostTables + plan.buffers[i].offset);
    }
  }
  tables = std::make_unique<StepTables>(owner.info(), variant, offsets, hostTables);
  return std::nullopt;
}

std::optional<Error> Session::bindEntries() {
  addresses.weights = owner.weightsAddress();
  addresses.layout = &owner.layout();
  for (const Entry &entry : owner.variant().entries) {
    Expected<BoundEntry> bound = BoundEntry::bind(owner.variant(), entry, addresses);
    if (!bound) {
      return bound.takeError();
    }
    entries.push_back(std::move(*bound));
  }
  return std::nullopt;
}

Expected<int32_t> Session::open() {
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (!sequences[i].isOpen) {
      sequences[i].isOpen = true;
      sequences[i].nextPosition = 0;
      return static_cast<int32_t>(i);
    }
  }
  return Error(ErrorKind::Limit, "the batch is full: ", limits.maxSequences,
               " sequences are open, the most that this session allows");
}

void Session::close(int32_t sequence) {
  if (sequence < 0 || static_cast<size_t>(sequence) >= sequences.size()) {
    return;
  }
  sequences[sequence].cached.shorten(0, tokensPerPage, pool);
  sequences[sequence].isOpen = false;
}

std::optional<Error> Session::shorten(int32_t sequence, int64_t tokens) {
  if (sequence < 0 || static_cast<size_t>(sequence) >= sequences.size() ||
      !sequences[sequence].isOpen) {
    return Error(ErrorKind::Usage, "no sequence ", sequence, " is open");
  }
  Sequence &state = sequences[sequence];
  if (tokens < 0 || tokens > state.cached.length) {
    return Error(ErrorKind::Usage, "cannot shorten a context of ", state.cached.length,
                 " tokens to ", tokens);
  }
  // Implicit positions go back with the tokens.
  state.nextPosition -= state.cached.length - tokens;
  state.cached.shorten(tokens, tokensPerPage, pool);
  return std::nullopt;
}

int64_t Session::length(int32_t sequence) const {
  bool known = sequence >= 0 && static_cast<size_t>(sequence) < sequences.size();
  return known ? sequences[sequence].cached.length : 0;
}

std::optional<Error> Session::checkPart(const StepPart &part) const {
  if (part.sequence < 0 || static_cast<size_t>(part.sequence) >= sequences.size() ||
      !sequences[part.sequence].isOpen) {
    return Error(ErrorKind::Usage, "no sequence ", part.sequence, " is open");
  }
  const Sequence &sequence = sequences[part.sequence];
  if (sequence.inStep) {
    return Error(ErrorKind::Usage, "sequence ", part.sequence, " is twice in one step");
  }
  if (part.count < 1 || part.count > maxStepTokens()) {
    return Error(ErrorKind::Usage, "sequence ", part.sequence, ": ", part.count,
                 " tokens in one step, 1 to ", maxStepTokens(), " are allowed");
  }
  if (part.count > limits.maxContext - sequence.cached.length) {
    return Error(ErrorKind::Limit, "context overflow: sequence ", part.sequence, " has ",
                 sequence.cached.length, " tokens, ", part.count, " more do not fit a context of ",
                 limits.maxContext);
  }
  int64_t vocab = owner.info().vocab;
  for (int64_t i = 0; i < part.count; ++i) {
    if (part.tokens[i] < 0 || part.tokens[i] >= vocab) {
      return Error(ErrorKind::Usage, "token id ", part.tokens[i], " of sequence ", part.sequence,
                   " is outside the vocabulary, 0 to ", vocab - 1);
    }
    int64_t position = part.positions ? part.positions[i] : sequence.nextPosition + i;
    if (position < 0 || position > kMaxPosition) {
      return Error(ErrorKind::Usage, "position ", position, " of sequence ", part.sequence,
                   " is outside 0 to ", kMaxPosition);
    }
  }
  if (part.wantedFrom < 0 || part.wantedFrom > part.count) {
    return Error(ErrorKind::Usage, "sequence ", part.sequence, ": rows wanted from ",
                 part.wantedFrom, " of ", part.count);
  }
  if (!part.routing) {
    return std::nullopt;
  }
  const ModelInfo &info = owner.info();
  uint64_t needed = static_cast<uint64_t>((part.routingFrom + part.count) * info.topK);
  if (part.routingFrom < 0 || part.routing->layers.size() != info.routedLayerNumbers.size()) {
    return Error(ErrorKind::Usage, "routing of ", part.routing->layers.size(),
                 " layers for a model with ", info.routedLayerNumbers.size());
  }
  for (const std::vector<int32_t> &layer : part.routing->layers) {
    if (layer.size() < needed) {
      return Error(ErrorKind::Usage, "routing ends before token ", part.routingFrom + part.count,
                   " of sequence ", part.sequence);
    }
    for (uint64_t i = static_cast<uint64_t>(part.routingFrom * info.topK); i < needed; ++i) {
      if (layer[i] < 0 || layer[i] >= info.routedExperts) {
        return Error(ErrorKind::Usage, "routing names expert ", layer[i], " of ",
                     info.routedExperts);
      }
    }
  }
  return std::nullopt;
}

std::optional<Error> Session::checkParts(const StepPart *parts, size_t count,
                                         SymbolValues &symbols) {
  int64_t rows = 0, wanted = 0, context = 0, pages = 0;
  size_t replayed = 0;
  for (size_t p = 0; p < count; ++p) {
    if (std::optional<Error> failure = checkPart(parts[p])) {
      return failure;
    }
    Sequence &sequence = sequences[parts[p].sequence];
    sequence.inStep = true;
    rows += parts[p].count;
    wanted += parts[p].count - parts[p].wantedFrom;
    context = std::max(context, sequence.cached.length + parts[p].count);
    pages += sequence.cached.missingPages(parts[p].count, tokensPerPage);
    replayed += parts[p].routing ? 1 : 0;
  }
  if (count == 0 || rows > maxStepTokens()) {
    return Error(ErrorKind::Usage, "a step of ", rows, " rows, 1 to ", maxStepTokens(),
                 " are allowed");
  }
  if (wanted > limits.maxWanted) {
    return Error(ErrorKind::Usage, "logits of ", wanted, " rows wanted in one step, at most ",
                 limits.maxWanted, " are allowed");
  }
  if (replayed != 0 && replayed != count) {
    return Error(ErrorKind::Usage, "routing is replayed for ", replayed, " of ", count,
                 " sequences: a step replays all or none");
  }
  if (pages > pool.free()) {
    return Error(ErrorKind::Limit, "cache overflow: the step needs ", pages, " more pages of ",
                 tokensPerPage, " tokens, ", pool.free(), " of ", pool.count(), " are free");
  }
  symbol(symbols, Symbol::Rows) = rows;
  symbol(symbols, Symbol::Sequences) = static_cast<int64_t>(count);
  symbol(symbols, Symbol::Wanted) = wanted;
  symbol(symbols, Symbol::Context) = context;
  symbol(symbols, Symbol::Workers) = owner.driver().workers();
  symbol(symbols, Symbol::Replay) = replayed != 0 ? 1 : 0;
  return std::nullopt;
}

std::optional<Error> Session::transfer(BufferKind kind, const SymbolValues &symbols) {
  if (mirror.empty()) {
    return std::nullopt;
  }
  const Variant &variant = owner.variant();
  for (size_t i = 0; i < variant.buffers.size(); ++i) {
    const Buffer &buffer = variant.buffers[i];
    if (buffer.kind != kind) {
      continue;
    }
    // A replay table may step by whole tables of the largest step.
    uint64_t bytes = plan.buffers[i].bytes;
    std::optional<int64_t> elements =
        stepTableElements(buffer.table, owner.info(), variant, symbols);
    if (elements && buffer.table != "replay") {
      bytes = std::min(bytes, static_cast<uint64_t>(*elements) * elementBytes(buffer.type));
    }
    char *host = hostTables + offsets[i];
    std::optional<Error> failure = kind == BufferKind::Table
                                       ? owner.driver().copyIn(addresses.buffers[i], host, bytes)
                                       : owner.driver().copyOut(host, addresses.buffers[i], bytes);
    if (failure) {
      return failure;
    }
  }
  return std::nullopt;
}

std::optional<Error> Session::step(const StepPart *parts, size_t count) {
  SymbolValues symbols{};
  std::optional<Error> failure = checkParts(parts, count, symbols);
  for (Sequence &sequence : sequences) {
    sequence.inStep = false;
  }
  if (failure) {
    return failure;
  }
  auto entry = std::find_if(entries.begin(), entries.end(), [&](const BoundEntry &candidate) {
    return candidate.accepts(symbols);
  });
  if (entry == entries.end()) {
    return Error(ErrorKind::Unsupported, "no entry of variant ", quote(owner.variant().name),
                 " accepts a step of ", symbols[0], " rows, ", symbols[1], " sequences, ",
                 symbols[2], " wanted rows and a context of ", symbols[3]);
  }
  if ((failure = entry->prepare(symbols))) {
    return failure;
  }
  placed.clear();
  for (size_t p = 0; p < count; ++p) {
    Sequence &sequence = sequences[parts[p].sequence];
    for (int64_t missing = sequence.cached.missingPages(parts[p].count, tokensPerPage); missing > 0;
         --missing) {
      sequence.cached.pages.push_back(pool.take());
    }
    placed.push_back({&parts[p], &sequence.cached, sequence.nextPosition});
  }
  tables->fill(placed);
  failure = transfer(BufferKind::Table, symbols);
  if (!failure) {
    failure = owner.driver().launch(owner.code(), entry->calls().data(), entry->calls().size());
  }
  if (!failure) {
    failure = owner.driver().synchronize();
  }
  if (!failure) {
    failure = transfer(BufferKind::Output, symbols);
  }
  for (size_t p = 0; p < count; ++p) {
    Sequence &sequence = sequences[parts[p].sequence];
    if (failure) {
      sequence.cached.shorten(sequence.cached.length, tokensPerPage, pool);
      continue;
    }
    sequence.cached.length += parts[p].count;
    sequence.nextPosition = (parts[p].positions ? parts[p].positions[parts[p].count - 1]
                                                : sequence.nextPosition + parts[p].count - 1) +
                            1;
  }
  wantedCount = failure ? 0 : symbol(symbols, Symbol::Wanted);
  return failure;
}
