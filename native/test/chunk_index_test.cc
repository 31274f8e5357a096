// The index of chunks against a naive map, over random histories.
#include "../engine/chunk_index.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "harness.h"

namespace capstan::test {
namespace {

constexpr unsigned kShardBits = 12;
constexpr unsigned kPrintBits = 24;

// A digest that belongs to this shard, with this print; `tail` tells those apart that share both.
Digest DigestOf(uint32_t shard, uint32_t print, uint64_t tail) {
  const uint64_t bits = shard | uint64_t{print} << kShardBits;
  Digest digest{};
  std::memcpy(digest.data(), &bits, sizeof bits);
  std::memcpy(digest.data() + 8, &tail, sizeof tail);
  return digest;
}

Digest AnyDigest(Random& random) {
  Digest digest;
  for (size_t i = 0; i < kDigestBytes; i += 8) {
    const uint64_t word = random.Next();
    std::memcpy(digest.data() + i, &word, sizeof word);
  }
  return digest;
}

uint32_t PrintOf(const Digest& digest) {
  uint64_t bits;
  std::memcpy(&bits, digest.data(), sizeof bits);
  return static_cast<uint32_t>(bits >> kShardBits & ((1u << kPrintBits) - 1));
}

struct HashOfDigest {
  size_t operator()(const Digest& digest) const {
    uint64_t words[4];
    std::memcpy(words, digest.data(), sizeof words);
    return words[0] * 31 + words[1];
  }
};

// Beside the index, what it must be.
class Twin {
 public:
  void Insert(const Digest& digest) {
    const uint64_t ref = next_ref_++;
    index.Insert(digest, ref);
    Note(digest, ref);
  }
  void InsertMany(const std::vector<Digest>& digests) {
    std::vector<ChunkIndex::Entry> entries;
    for (const Digest& digest : digests) entries.push_back({digest, next_ref_++});
    index.InsertMany(entries);
    for (const auto& [digest, ref] : entries) Note(digest, ref);
  }
  void Erase(const Digest& digest) {
    const auto found = refs_.find(digest);
    const bool kept = found != refs_.end();
    // Under another place's number nothing is erased.
    CHECK(!index.Erase(digest, next_ref_ + 7));
    CHECK(index.Erase(digest, kept ? found->second : next_ref_) == kept);
    if (!kept) return;
    digests_.erase(found->second);
    refs_.erase(found);
  }
  void Sample(unsigned bits) {
    index.Sample(bits);
    sample_bits_ = std::max(sample_bits_, std::min(bits, ChunkIndex::kSampleBitsMax));
    std::erase_if(refs_, [&](const auto& entry) {
      if (Keeps(entry.first)) return false;
      digests_.erase(entry.second);
      return true;
    });
  }
  // What comes between is not found before the end.
  void Load(const std::function<void()>& body) {
    index.BeginLoading();
    body();
    for (const auto& [digest, ref] : refs_) {
      CHECK(Find(digest) == ChunkIndex::kNone);
      CHECK(!index.Erase(digest, ref));
    }
    index.EndLoading();
  }
  bool Has(const Digest& digest) const { return refs_.contains(digest); }
  uint64_t Find(const Digest& digest) const {
    return index.Find(digest, [&](uint64_t ref) {
      const auto found = digests_.find(ref);
      CHECK(found != digests_.end(), "the index asks about a chunk that is not there");
      return found->second == digest;
    });
  }
  void Check(const Digest& digest) const {
    const auto found = refs_.find(digest);
    CHECK(Find(digest) == (found == refs_.end() ? ChunkIndex::kNone : found->second));
  }
  void CheckAll() const {
    CHECK(index.size() == refs_.size(), index.size(), " of ", refs_.size());
    for (const auto& [digest, ref] : refs_) CHECK(Find(digest) == ref, ref);
  }

  ChunkIndex index;

 private:
  bool Keeps(const Digest& digest) const {
    return (PrintOf(digest) & ((1u << sample_bits_) - 1)) == 0;
  }
  void Note(const Digest& digest, uint64_t ref) {
    if (!Keeps(digest)) return;
    refs_[digest] = ref;
    digests_[ref] = digest;
  }

  uint64_t next_ref_ = 1;
  unsigned sample_bits_ = 0;
  std::unordered_map<Digest, uint64_t, HashOfDigest> refs_;
  std::map<uint64_t, Digest> digests_;
};

TEST("chunk index", "finds what a naive map finds, over random histories") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    auto twin = std::make_unique<Twin>();
    // Few shards and prints that crowd at the end of a shard, so that searches go round.
    const auto shards = static_cast<uint32_t>(1 + random.Below(3));
    const auto spread = static_cast<uint32_t>(1 << random.Below(kPrintBits + 1));
    const auto draw = [&] {
      const auto print = static_cast<uint32_t>((1u << kPrintBits) - 1 - random.Below(spread));
      return DigestOf(static_cast<uint32_t>(random.Below(shards)), print, random.Below(3));
    };
    const uint64_t step_count = 50 + random.Below(400);
    std::vector<Digest> drawn;
    for (uint64_t step = 0; step < step_count; ++step) {
      const Digest digest = draw();
      drawn.push_back(digest);
      const uint64_t choice = random.Below(100);
      if (choice < 50 && !twin->Has(digest)) {
        twin->Insert(digest);
      } else if (choice < 60) {
        std::vector<Digest> many;
        for (int i = 0; i < 20; ++i)
          if (const Digest each = draw();
              !twin->Has(each) && std::find(many.begin(), many.end(), each) == many.end())
            many.push_back(each);
        if (random.OneIn(3))
          twin->Load([&] {
            if (random.OneIn(10)) twin->Sample(static_cast<unsigned>(random.Below(4)));
            twin->InsertMany(many);
          });
        else
          twin->InsertMany(many);
      } else if (choice < 90) {
        twin->Erase(random.OneIn(3) ? digest : drawn[random.Below(drawn.size())]);
      } else if (choice == 99 && random.OneIn(10)) {
        twin->Sample(static_cast<unsigned>(random.Below(4)));
      }
      twin->Check(digest);
      twin->Check(draw());
      if (random.OneIn(20)) twin->CheckAll();
    }
    twin->CheckAll();
  }
}

TEST("chunk index", "tells chunks apart whose 36 bits are the same") {
  auto index = std::make_unique<ChunkIndex>();
  constexpr uint64_t kCount = 50;
  for (uint64_t i = 0; i < kCount; ++i) index->Insert(DigestOf(5, 77, i), i);
  for (uint64_t i = 0; i < kCount; ++i) {
    std::vector<uint64_t> asked;
    const auto is_it = [&](uint64_t ref) {
      asked.push_back(ref);
      return ref == i;
    };
    CHECK(index->Find(DigestOf(5, 77, i), is_it) == i, i);
    CHECK(!asked.empty() && asked.back() == i, i);
  }
  const auto never = [](uint64_t) { return false; };
  CHECK(index->Find(DigestOf(5, 77, kCount), never) == ChunkIndex::kNone);
  // Neither another shard nor another print is asked about.
  const auto wrong = [](uint64_t ref) -> bool { throw Failure(Text("asked about ", ref)); };
  CHECK(index->Find(DigestOf(6, 77, 0), wrong) == ChunkIndex::kNone);
  CHECK(index->Find(DigestOf(5, 78, 0), wrong) == ChunkIndex::kNone);
  // One of them goes, and only that one.
  CHECK(index->Erase(DigestOf(5, 77, 20), 20));
  CHECK(!index->Erase(DigestOf(5, 77, 20), 20));
  for (uint64_t i = 0; i < kCount; ++i)
    CHECK((index->Find(DigestOf(5, 77, i), [&](uint64_t ref) { return ref == i; }) == i) ==
              (i != 20),
          i);
}

TEST("chunk index", "takes places up to the last of 40 bits") {
  auto index = std::make_unique<ChunkIndex>();
  constexpr uint64_t kLast = (1ull << 40) - 2;
  for (const uint32_t print : {0u, 1u, (1u << kPrintBits) - 1}) {
    for (const uint64_t ref : {uint64_t{0}, kLast}) {
      const Digest digest = DigestOf(4095, print, ref);
      index->Insert(digest, ref);
      CHECK(index->Find(digest, [&](uint64_t found) { return found == ref; }) == ref, ref);
    }
  }
}

TEST("chunk index", "takes many at once, and loaded, as it takes them one by one") {
  Random random(4);
  for (const size_t count : {0u, 1u, 11u, 12u, 13u, 24u, 25u, 1000u, 30000u}) {
    auto one = std::make_unique<ChunkIndex>();
    auto many = std::make_unique<ChunkIndex>();
    std::vector<ChunkIndex::Entry> entries;
    for (uint64_t ref = 0; ref < count; ++ref) entries.push_back({AnyDigest(random), ref});
    for (const auto& [digest, ref] : entries) one->Insert(digest, ref);
    many->InsertMany(entries);
    CHECK(one->size() == count && many->size() == count);
    CHECK(one->memory_bytes() == many->memory_bytes());
    auto loaded = std::make_unique<ChunkIndex>();
    loaded->BeginLoading();
    loaded->InsertMany(entries);
    loaded->EndLoading();
    CHECK(loaded->size() == count);
    for (const auto& [digest, ref] : entries)
      for (const ChunkIndex* index : {one.get(), many.get(), loaded.get()})
        CHECK(index->Find(digest, [&](uint64_t found) { return found == ref; }) == ref, ref);
  }
}

TEST("chunk index", "keeps exactly the samples, those of before and those that come") {
  for (const unsigned bits : {1u, 3u, ChunkIndex::kSampleBitsMax, 40u}) {
    Random random(bits);
    auto index = std::make_unique<ChunkIndex>();
    std::vector<Digest> digests;
    for (int i = 0; i < 40000; ++i) digests.push_back(AnyDigest(random));
    const size_t before = digests.size() / 2;
    for (size_t i = 0; i < before; ++i) index->Insert(digests[i], i);
    index->Sample(bits);
    // Never fewer bits than before.
    index->Sample(bits - 1);
    const unsigned kept_bits = std::min(bits, ChunkIndex::kSampleBitsMax);
    CHECK(index->sample_bits() == kept_bits, index->sample_bits());
    for (size_t i = before; i < digests.size(); ++i) index->Insert(digests[i], i);
    uint64_t kept = 0;
    for (size_t i = 0; i < digests.size(); ++i) {
      const bool sample = PrintOf(digests[i]) % (1u << kept_bits) == 0;
      const uint64_t found = index->Find(digests[i], [&](uint64_t ref) { return ref == i; });
      CHECK(found == (sample ? i : ChunkIndex::kNone), i);
      CHECK(sample || !index->Erase(digests[i], i), i);
      kept += sample ? 1 : 0;
    }
    CHECK(index->size() == kept, index->size(), " of ", kept);
  }
}

TEST("chunk index", "takes at most 12 bytes a chunk at every size, while it grows, shrinks and is loaded") {
  constexpr uint64_t kCount = 3'000'000;
  // From here on with what an empty index takes.
  constexpr uint64_t kLargeCount = 100'000;
  const auto index = std::make_unique<ChunkIndex>();
  const auto check = [&](uint64_t count) {
    CHECK(index->size() == count);
    const uint64_t fixed = count < kLargeCount ? ChunkIndex::kFixedBytes : 0;
    CHECK(index->memory_bytes() <= count * 12 + fixed, count, " take ", index->memory_bytes());
  };
  Random growing(6);
  for (uint64_t ref = 0; ref < kCount; ++ref) {
    index->Insert(AnyDigest(growing), ref);
    check(ref + 1);
  }
  CHECK(index->memory_bytes() >= kCount * 9);
  Random shrinking(6);
  for (uint64_t ref = 0; ref < kCount; ++ref) {
    CHECK(index->Erase(AnyDigest(shrinking), ref));
    check(kCount - ref - 1);
  }
  CHECK(index->memory_bytes() == std::make_unique<ChunkIndex>()->memory_bytes());
  index->BeginLoading();
  for (uint64_t ref = 0; ref < kLargeCount; ++ref) {
    index->Insert(AnyDigest(growing), ref);
    check(ref + 1);
  }
  index->EndLoading();
  check(kLargeCount);
  for (unsigned bits = 1; bits <= ChunkIndex::kSampleBitsMax; ++bits) {
    index->Sample(bits);
    check(index->size());
  }
}

}  // namespace
}  // namespace capstan::test
