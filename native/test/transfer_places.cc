#include "transfer_places.h"

#include <algorithm>

#include "../engine/pack_scanner.h"

namespace capstan::test {
namespace {

Bytes Text(Random& random, size_t size) {
  static constexpr const char* kWords[] = {"tape ", "volume ", "label ", "record ", "block ", "reel "};
  Bytes bytes;
  while (bytes.size() < size) {
    const std::string_view word = kWords[random.Below(std::size(kWords))];
    bytes.insert(bytes.end(), word.begin(), word.end());
  }
  bytes.resize(size);
  return bytes;
}

void CheckReads(Store& store, const std::string& name, const Records& records) {
  const auto image = Must(store.OpenImage(name, false), "open for reading");
  for (size_t i = 0; i < records.size(); ++i) {
    const ReadResult read = Must(image->Read(0, 2 * i, false, 1, 1 << 20), "read");
    CHECK(read.stopped_by != StoppedBy::kDamaged && std::equal(read.data.begin(), read.data.end(),
                                                               records[i].begin(), records[i].end()),
          name, " ", i);
  }
}

}  // namespace

Bytes Key(uint8_t seed) { return Bytes(kCipherKeyBytes, seed); }

Records Make(uint64_t seed, size_t count, Fill fill) {
  Random random(seed);
  Records records;
  for (size_t i = 0; i < count; ++i)
    records.push_back(fill == Fill::kText ? Text(random, kRecordBytes) : random.Noise(kRecordBytes));
  return records;
}

Records Edited(Records records, size_t step) {
  for (size_t i = step - 1; i < records.size(); i += step) records[i][50] ^= 1;
  return records;
}

void Write(Store& store, const std::string& name, const Records& records, uint64_t generation) {
  Must(store.CreateImage(name, 1), "create");
  const auto image = Must(store.OpenImage(name, true), "open for writing");
  uint64_t at = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    const uint32_t lengths[] = {static_cast<uint32_t>(records[i].size()), 0};
    at = Must(image->Append(0, at, lengths, records[i]), "append");
    if (i % 5 == 4) Must(image->Sync(generation), "sync");
  }
  Must(image->Sync(generation), "sync");
  Must(image->Close(), "close");
}

void WriteRegion(Store& store, const std::string& name, std::span<const Bytes> records) {
  Must(store.CreateImage(name, 1));
  const auto image = Must(store.OpenImage(name, true));
  uint64_t at = 0;
  for (const Bytes& record : records) {
    const uint32_t lengths[] = {static_cast<uint32_t>(record.size()), 0};
    at = Must(image->Append(0, at, lengths, record));
  }
  Must(image->Sync(1));
}

Carried Copy(Place& from, Place& to, const std::string& name, const Records& records) {
  const Bytes lacking = LackingOf(*to.store, ChunksOf(*from.store, name));
  const Carried carried = Must(Carry(*from.store, *to.store, lacking), "carry");
  CHECK(carried.chunk_count * kDigestBytes == lacking.size());
  Must(to.store->StageImage(name + ".NEW", Must(from.store->ExportManifest(name)), 1), "stage");
  Must(to.store->Sync(), "sync");
  Must(to.store->PublishImage(name + ".NEW", name), "publish");
  CheckReads(*to.store, name, records);
  Must(to.store->Close(), "close");
  to.store.reset();
  to.store = Must(Store::Open(to.disk.Attach(), to.options), "open again");
  CheckReads(*to.store, name, records);
  CHECK(Must(to.store->Verify({}), "verify").damages.empty());
  return carried;
}

std::vector<Lying> RegionsOf(Place& place) {
  std::unique_ptr<Cipher> cipher;
  if (!place.key.empty()) cipher = Must(Cipher::Make(place.key));
  Sealing sealing{std::move(cipher), NonceSource(0, 0)};
  const auto disk = place.disk.Attach();
  std::vector<Lying> regions;
  for (const auto& [path, size] : place.disk.Files()) {
    if (!path.ends_with(".pack")) continue;
    const auto file = Must(disk->Open(path, OpenMode::kRead));
    const auto number = static_cast<uint32_t>(std::stoul(path.substr(path.rfind('/') + 1)));
    PackScanner scanner(*file, {place.options.id_if_new, number}, kPackHeaderBytes, size);
    while (Must(scanner.Next()) == PackScanner::Found::kRegion) {
      const auto opened = Must(
          OpenRegion(scanner.region(), scanner.site(), place.key.empty() ? nullptr : &sealing,
                     Checks::kAll),
          "region");
      Lying& region = regions.emplace_back(opened.header.codec, std::vector<Digest>{},
                                           Bytes(opened.stored.begin(), opened.stored.end()));
      for (const ChunkEntry& chunk : opened.lists.chunks) region.chunks.push_back(chunk.digest);
    }
  }
  return regions;
}

size_t DeltaCount(Place& place) {
  const auto regions = RegionsOf(place);
  return static_cast<size_t>(std::count_if(
      regions.begin(), regions.end(),
      [](const Lying& region) { return region.codec == Codec::kDelta; }));
}

size_t Count(const std::vector<Codec>& codecs, Codec codec) {
  return static_cast<size_t>(std::count(codecs.begin(), codecs.end(), codec));
}

}  // namespace capstan::test
