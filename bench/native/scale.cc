// What the index of a very large store costs: entries of chunks that exist nowhere else.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "../../native/engine/chunk_index.h"
#include "library.h"
#include "simulated_chunks.h"

namespace {

using capstan::ChunkIndex;
using capstan::bench::SimulatedDigest;

constexpr uint64_t kStoreBytes = 10ull << 40;
constexpr uint64_t kChunkBytes = 64 * 1024;
constexpr uint64_t kChunkCount = kStoreBytes / kChunkBytes;
constexpr uint64_t kBatchCount = 4096;
constexpr uint64_t kLookupCount = 1'000'000;
constexpr uint64_t kSampledBytesMax = 512'000'000;

double ResidentBytes() {
  long pages = 0;
  long resident = 0;
  FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string Measure() {
  capstan::bench::Figures figures;
  const double before = ResidentBytes();
  double largest = before;
  const auto index = std::make_unique<ChunkIndex>();
  std::vector<ChunkIndex::Entry> batch;
  double insertion_seconds = 0;
  for (uint64_t first = 0; first < kChunkCount; first += kBatchCount) {
    batch.clear();
    const uint64_t end = std::min(first + kBatchCount, kChunkCount);
    for (uint64_t number = first; number < end; ++number) batch.push_back({SimulatedDigest(number), number});
    const auto start = std::chrono::steady_clock::now();
    index->InsertMany(batch);
    insertion_seconds += SecondsSince(start);
    if (first % (kBatchCount * 1024) == 0) largest = std::max(largest, ResidentBytes());
  }
  largest = std::max(largest, ResidentBytes());
  figures.Add("index10TiBBytes", largest - before);
  figures.Add("index10TiBInsertSeconds", insertion_seconds);

  uint64_t found = 0;
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < kLookupCount; ++i) {
    const uint64_t number = i * 2654435761u % kChunkCount;
    found += index->Find(SimulatedDigest(number), [number](uint64_t ref) { return ref == number; }) == number;
  }
  figures.Add("lookupNs", SecondsSince(start) * 1e9 / kLookupCount);
  figures.Add("lookupsFailed", static_cast<double>(kLookupCount - found));

  unsigned bits = 0;
  while (index->memory_bytes() > kSampledBytesMax && bits < ChunkIndex::kSampleBitsMax)
    index->Sample(++bits);
  figures.Add("sampled10TiBBytes", static_cast<double>(index->memory_bytes()));
  figures.Add("sampleBits", bits);
  return figures.json();
}

}  // namespace

CAPSTAN_BENCH_LIBRARY(arguments) { return Measure(); }
