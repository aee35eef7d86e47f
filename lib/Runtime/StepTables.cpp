//===- StepTables.cpp - Filling the tables of a step ----------------------===//
//
// Row by row; a table that the program does not have is skipped.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/StepTables.h"

#include "lib/Artifact/Expr.h"
#include "lib/Artifact/StepTables.h"

#include <cmath>
#include <cstring>

using namespace dsv2;

template <typename T> T *StepTables::table(const char *name) const {
  for (size_t i = 0; i < variant.buffers.size(); ++i) {
    const Buffer &buffer = variant.buffers[i];
    if (buffer.kind == BufferKind::Table && buffer.table == name) {
      return reinterpret_cast<T *>(host + offsets[i]);
    }
  }
  return nullptr;
}

StepTables::StepTables(const ModelInfo &model, const Variant &variant,
                       const std::vector<uint64_t> &offsets, char *host)
    : model(model), variant(variant), offsets(offsets), host(host),
      tokens(table<int32_t>("tokens")), positions(table<int32_t>("positions")),
      context(table<int32_t>("context")), sequence(table<int32_t>("sequence")),
      blockTable(table<int32_t>("block_table")), wanted(table<int32_t>("wanted")),
      replay(table<int32_t>("replay")), slot(table<int64_t>("slot")),
      ropeCos(table<float>("rope_cos")), ropeSin(table<float>("rope_sin")),
      pageTokens(variant.caches.empty() ? 64 : variant.caches.front().pageTokens),
      blockRow((variant.maxContext + pageTokens - 1) / pageTokens) {
  findReplayLayout();
}

/// Rows of all layers, [rows][layers][top k], where the table's size goes with the rows of a step.
/// A table of one size has room for the rows of the largest step for every layer from the first
/// routed one to the last, found by its number.
void StepTables::findReplayLayout() {
  const std::vector<int64_t> &numbers = model.routedLayerNumbers;
  SymbolValues one = symbolCaps(variant), two = one;
  one[static_cast<size_t>(Symbol::Rows)] = 1;
  two[static_cast<size_t>(Symbol::Rows)] = 2;
  bool byNumber = false;
  for (const Buffer &buffer : variant.buffers) {
    byNumber |= buffer.kind == BufferKind::Table && buffer.table == "replay" &&
                evaluate(buffer.elements, one) == evaluate(buffer.elements, two);
  }
  replayRow = byNumber ? model.topK : static_cast<int64_t>(numbers.size()) * model.topK;
  for (size_t layer = 0; layer < numbers.size(); ++layer) {
    replayLayers.push_back(byNumber
                               ? (numbers[layer] - numbers[0]) * variant.maxStepTokens * model.topK
                               : static_cast<int64_t>(layer) * model.topK);
  }
}

void StepTables::fill(const std::vector<PlacedPart> &parts) const {
  int64_t row = 0, wantedCount = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    const StepPart &part = *parts[p].part;
    const PagedSequence &pages = *parts[p].pages;
    if (blockTable) {
      std::memcpy(blockTable + static_cast<int64_t>(p) * blockRow, pages.pages.data(),
                  pages.pages.size() * sizeof(int32_t));
    }
    if (replay && part.routing) {
      fillReplay(row, part);
    }
    for (int64_t i = 0; i < part.count; ++i, ++row) {
      int64_t position = part.positions ? part.positions[i] : parts[p].firstPosition + i;
      int64_t place = pages.length + i;
      if (tokens) {
        tokens[row] = part.tokens[i];
      }
      if (positions) {
        positions[row] = static_cast<int32_t>(position);
      }
      if (slot) {
        slot[row] = pages.slot(place, pageTokens);
      }
      if (context) {
        context[row] = static_cast<int32_t>(place + 1);
      }
      if (sequence) {
        sequence[row] = static_cast<int32_t>(p);
      }
      if (wanted && i >= part.wantedFrom) {
        wanted[wantedCount++] = static_cast<int32_t>(row);
      }
      fillRope(row, position);
    }
  }
}

void StepTables::fillRope(int64_t row, int64_t position) const {
  if (!ropeCos || !ropeSin) {
    return;
  }
  const std::vector<float> &frequencies = variant.ropeInverseFrequencies;
  size_t pairs = frequencies.size();
  float *cosines = ropeCos + static_cast<size_t>(row) * pairs;
  float *sines = ropeSin + static_cast<size_t>(row) * pairs;
  // SEMANTICS.md: the angle is a product of two f32, rounded to f32; its cosine
  // and sine are taken in f64 and rounded.
  float at = static_cast<float>(position);
  for (size_t i = 0; i < pairs; ++i) {
    double angle = static_cast<double>(at * frequencies[i]);
    cosines[i] = static_cast<float>(std::cos(angle)) * variant.ropeMagnitude;
    sines[i] = static_cast<float>(std::sin(angle)) * variant.ropeMagnitude;
  }
}

void StepTables::fillReplay(int64_t row, const StepPart &part) const {
  int64_t k = model.topK;
  for (size_t layer = 0; layer < part.routing->layers.size(); ++layer) {
    const int32_t *from = part.routing->layers[layer].data() + part.routingFrom * k;
    int32_t *to = replay + replayLayers[layer] + row * replayRow;
    for (int64_t i = 0; i < part.count; ++i) {
      std::memcpy(to + i * replayRow, from + i * k, static_cast<size_t>(k) * sizeof(int32_t));
    }
  }
}
