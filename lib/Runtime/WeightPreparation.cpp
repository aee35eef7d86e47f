//===- WeightPreparation.cpp - From a checkpoint to packed weights --------===//
//
// The tables say what each weight takes from where. Turned around, that is: for
// each tensor, who uses it. A job reads one piece of one tensor and serves all
// its users; pieces write disjoint elements, so jobs run in any order. A tensor
// with scales is widened on the way, so its users copy from f32.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/WeightPreparation.h"

#include "lib/Runtime/CopyLoops.h"
#include "lib/Runtime/ParallelFor.h"
#include "lib/Runtime/ScaledRows.h"
#include "lib/Support/CheckedMath.h"

#include <algorithm>
#include <map>
#include <tuple>

using namespace dsv2;

/// A piece fits the last level cache together with what is made of it.
static constexpr uint64_t kPieceBytes = 8u << 20;
static constexpr uint64_t kMaxUses = 2u << 20;

namespace {
/// One copy of one layer and expert of a weight.
struct Use {
  uint32_t copy;        ///< index into Plan::copies
  uint64_t destination; ///< byte offset in the range of all weights
};
struct Source {
  const CheckpointTensor *tensor;
  std::optional<ScaledMatrix> scaled;
  uint64_t elementBytes; ///< as copies read them
  uint64_t pieceElements;
  std::vector<Use> uses;
};
/// What makes two uses share a source.
using SourceKey = std::tuple<const CheckpointTensor *, const CheckpointTensor *, int64_t, int64_t>;
struct Job {
  uint32_t source;
  uint64_t begin; ///< first element
};
} // namespace

struct WeightPreparation::Plan {
  const Checkpoint *checkpoint;
  std::vector<StridedCopy> copies;
  std::vector<Source> sources;
  std::vector<Job> jobs;
};

WeightPreparation::WeightPreparation() : plan_(std::make_unique<Plan>()) {}
WeightPreparation::~WeightPreparation() = default;

std::string dsv2::expandSourceName(const std::string &pattern, int64_t layer, int64_t expert) {
  std::string name;
  for (size_t at = 0; at < pattern.size();) {
    if (pattern.compare(at, 3, "{l}") == 0) {
      name += std::to_string(layer);
      at += 3;
    } else if (pattern.compare(at, 3, "{e}") == 0) {
      name += std::to_string(expert);
      at += 3;
    } else {
      name += pattern[at++];
    }
  }
  return name;
}

static DType sourceDType(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return DType::F32;
  case ElementType::BF16:
    return DType::BF16;
  case ElementType::I32:
    return DType::I32;
  case ElementType::I64:
    return DType::I64;
  case ElementType::F8E4M3:
    return DType::F8E4M3;
  }
  return DType::Bool;
}

/// The type that copies of a source convert from.
static ElementType copiedType(const WeightSource &source) {
  return source.type == ElementType::F8E4M3 ? ElementType::F32 : source.type;
}

/// Finds a source tensor and compares it with what the artifact was made for.
static Expected<const CheckpointTensor *> findTensor(const Checkpoint &checkpoint,
                                                     const Weight &weight, const std::string &name,
                                                     DType type,
                                                     const std::vector<uint64_t> &shape) {
  const CheckpointTensor *tensor = checkpoint.find(name);
  if (!tensor) {
    return Error(ErrorKind::Mismatch, checkpoint.directory(), ": no tensor ", quote(name),
                 ", which weight ", quote(weight.name), " of the artifact is made of");
  }
  if (tensor->dtype() != type || tensor->shape() != shape) {
    return Error(ErrorKind::Mismatch, checkpoint.fileOf(*tensor), ": tensor ", quote(name), " is ",
                 describeTensor(tensor->dtype(), tensor->shape()), ", the artifact expects ",
                 describeTensor(type, shape));
  }
  return tensor;
}

/// The tensor of one layer and expert, and its scales where it has some.
static Expected<Source> findSource(const Checkpoint &checkpoint, const Weight &weight,
                                   const WeightSource &source, int64_t layer, int64_t expert) {
  std::vector<uint64_t> shape(source.shape.begin(), source.shape.end());
  Expected<const CheckpointTensor *> tensor =
      findTensor(checkpoint, weight, expandSourceName(source.name, layer, expert),
                 sourceDType(source.type), shape);
  if (!tensor) {
    return tensor.takeError();
  }
  Source found{*tensor, std::nullopt, elementBytes(copiedType(source)), 0, {}};
  if (source.type == ElementType::F8E4M3) {
    Expected<const CheckpointTensor *> scales =
        findTensor(checkpoint, weight, expandSourceName(source.scales, layer, expert), DType::F32,
                   scalesShape(source));
    if (!scales) {
      return scales.takeError();
    }
    found.scaled = ScaledMatrix{*tensor, *scales, static_cast<uint64_t>(source.blockRows),
                                static_cast<uint64_t>(source.blockColumns)};
  }
  return found;
}

/// Checks one copy of a weight against both sides.
static std::optional<Error> checkCopy(const Weight &weight, const WeightCopy &copy) {
  auto invalid = [&](const char *what) {
    return Error(ErrorKind::InvalidFile, "weight ", quote(weight.name), ": a copy ", what);
  };
  if (copy.source >= weight.sources.size()) {
    return invalid("names a source that is not there");
  }
  const WeightSource &source = weight.sources[copy.source];
  auto isFloat = [](ElementType type) {
    return type == ElementType::F32 || type == ElementType::BF16;
  };
  if (!isFloat(copiedType(source)) || !isFloat(weight.type)) {
    return invalid("has a type other than f32 and bf16");
  }
  if (source.type == ElementType::F8E4M3 &&
      (source.shape.size() != 2 || source.blockRows < 1 || source.blockRows > source.shape[0] ||
       source.blockColumns < 1 || source.blockColumns > source.shape[1])) {
    return invalid("reads a source whose blocks of scales do not fit its shape");
  }
  std::optional<uint64_t> elements = checkedProduct(source.shape);
  int64_t sourceEnd = copySourceEnd(copy), destinationEnd = copyDestinationEnd(copy);
  int64_t last = 0;
  if (!elements || sourceEnd < 0 || static_cast<uint64_t>(sourceEnd) > *elements) {
    return invalid("reads past its source");
  }
  if (copy.expertCount < 1 || copy.expertDstStride < 0 || destinationEnd < 0 ||
      __builtin_mul_overflow(copy.expertCount - 1, copy.expertDstStride, &last) ||
      __builtin_add_overflow(last, destinationEnd, &last) || last > weight.elements) {
    return invalid("writes past the weight");
  }
  return std::nullopt;
}

Expected<std::unique_ptr<WeightPreparation>>
WeightPreparation::plan(const std::vector<Weight> &weights, const WeightLayout &layout,
                        const Checkpoint &checkpoint) {
  std::unique_ptr<WeightPreparation> preparation(new WeightPreparation());
  Plan &plan = *preparation->plan_;
  plan.checkpoint = &checkpoint;
  std::map<SourceKey, uint32_t> known;
  uint64_t uses = 0;
  for (size_t w = 0; w < weights.size(); ++w) {
    const Weight &weight = weights[w];
    const WeightLayout::Place &place = layout.places[w];
    for (const WeightCopy &copy : weight.copies) {
      if (std::optional<Error> failure = checkCopy(weight, copy)) {
        return *failure;
      }
      const WeightSource &source = weight.sources[copy.source];
      // Refused before the work of looking each one up.
      std::optional<uint64_t> repeats =
          checkedMul(static_cast<uint64_t>(place.layers), static_cast<uint64_t>(copy.expertCount));
      if (!repeats || *repeats > kMaxUses - uses) {
        return Error(ErrorKind::Limit, "weight ", quote(weight.name),
                     ": weights are made of more than ", kMaxUses, " copies");
      }
      uses += *repeats;
      uint32_t copyIndex = static_cast<uint32_t>(plan.copies.size());
      plan.copies.emplace_back(copy, copiedType(source), weight.type);
      for (int64_t i = 0; i < place.layers; ++i) {
        int64_t layer = weight.layers.begin + i * weight.layers.step;
        for (int64_t j = 0; j < copy.expertCount; ++j) {
          Expected<Source> found =
              findSource(checkpoint, weight, source, layer, copy.expertBegin + j);
          if (!found) {
            return found.takeError();
          }
          SourceKey key{found->tensor, found->scaled ? found->scaled->scales : nullptr,
                        source.blockRows, source.blockColumns};
          auto [entry, added] = known.try_emplace(key, static_cast<uint32_t>(plan.sources.size()));
          if (added) {
            plan.sources.push_back(std::move(*found));
          }
          uint64_t base =
              place.offset + static_cast<uint64_t>(i) * place.layerStride +
              static_cast<uint64_t>(j * copy.expertDstStride) * elementBytes(weight.type);
          plan.sources[entry->second].uses.push_back({copyIndex, base});
        }
      }
    }
  }
  // The order of the files, so that a disk sees one pass.
  std::sort(plan.sources.begin(), plan.sources.end(), [](const Source &a, const Source &b) {
    return std::make_pair(a.tensor->shard, a.tensor->info->offset) <
           std::make_pair(b.tensor->shard, b.tensor->info->offset);
  });
  for (uint32_t s = 0; s < plan.sources.size(); ++s) {
    Source &source = plan.sources[s];
    // Whole rows: a copy then has few boxes that a border cuts.
    const std::vector<uint64_t> &shape = source.tensor->shape();
    uint64_t row = shape.empty() ? 1 : std::max<uint64_t>(1, shape.back());
    uint64_t rows = std::max<uint64_t>(1, kPieceBytes / source.elementBytes / row);
    source.pieceElements = rows * row;
    uint64_t elements = source.tensor->info->elements();
    for (uint64_t begin = 0; begin < elements; begin += source.pieceElements) {
      plan.jobs.push_back({s, begin});
    }
  }
  return preparation;
}

std::optional<Error> WeightPreparation::run(void *destination, unsigned threads) const {
  const Plan &plan = *plan_;
  return parallelFor(threads, plan.jobs.size(), [&](uint64_t i) -> std::optional<Error> {
    const Job &job = plan.jobs[i];
    const Source &source = plan.sources[job.source];
    uint64_t end = std::min(source.tensor->info->elements(), job.begin + source.pieceElements);
    // Kept by each thread, so that its pages are made once.
    thread_local std::vector<char> piece;
    thread_local std::vector<char> stored;
    uint64_t bytes = (end - job.begin) * source.elementBytes;
    if (piece.size() < bytes) {
      piece.resize(bytes);
    }
    std::optional<Error> failure;
    if (source.scaled) {
      uint64_t width = source.scaled->columns();
      failure = source.scaled->read(*plan.checkpoint, job.begin / width, end / width, stored,
                                    reinterpret_cast<float *>(piece.data()));
    } else {
      failure = plan.checkpoint->read(*source.tensor, job.begin * source.elementBytes, bytes,
                                      piece.data());
    }
    if (failure) {
      return failure;
    }
    for (const Use &use : source.uses) {
      plan.copies[use.copy].run(piece.data(), static_cast<int64_t>(job.begin),
                                static_cast<int64_t>(end),
                                static_cast<char *>(destination) + use.destination);
    }
    return std::nullopt;
  });
}
