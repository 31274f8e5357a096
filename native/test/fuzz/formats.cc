// Targets for the decoders of single pieces: region, pack table, pack end, pack header, image file, manifest,
// encoded runs.
#include <algorithm>

#include "../../engine/chunker.h"
#include "../../engine/blake3.h"
#include "../../engine/crc32c.h"
#include "../../engine/image_format.h"
#include "../../engine/manifest_outline.h"
#include "fuzz.h"

namespace capstan::fuzz {
namespace {

constexpr StoreId kStore{1, 2, 3};
const ImageId kImage = IdOfImage(kStore, "T");
constexpr RegionSite kSite{kStore, 7, kPackHeaderBytes};

RegionLists ListsOf(View content) {
  RegionLists lists;
  const size_t half = content.size() / 2;
  for (const View part : {content.first(half), content.subspan(half)})
    lists.chunks.push_back({ChunkDigest(part), static_cast<uint32_t>(part.size())});
  return lists;
}

Bytes WholeRegion(uint32_t id, Codec codec, const RegionSite& site = kSite) {
  const Bytes content = Content(3000, id);
  RegionLists lists = ListsOf(content);
  RawBytes out;
  if (codec == Codec::kDelta) lists.bases.push_back({id + 1, 0, 2});
  BeginRegion(lists, out);
  if (codec == Codec::kDelta) {
    const Bytes prefix = Content(3100, id);
    if (!CompressAgainst(prefix, content, out)) std::abort();
  } else if (codec == Codec::kZstd) {
    codec = Compress(content, Effort::kUsual, out);
  } else {
    Append(out, content);
  }
  (void)FinishRegion(id, kStore, codec, static_cast<uint32_t>(content.size()), lists, nullptr, out, {})
      .ok();
  PlaceRegion(out, site);
  return Bytes(out.begin(), out.end());
}

void Region(View input) {
  static const Bytes whole[] = {WholeRegion(1, Codec::kRaw), WholeRegion(2, Codec::kZstd),
                                WholeRegion(3, Codec::kDelta)};
  static const Bytes prefix = Content(3100, 3);
  Reader script(input);
  const uint8_t flags = script.U8();
  Bytes bytes = Edit(whole[flags % 3], script);
  if (flags & 4) SealRegion(bytes, kSite);
  if (flags & 8 && bytes.size() >= 12) {
    PutU32(bytes, 8, static_cast<uint32_t>(bytes.size()));
    SealRegion(bytes, kSite);
  }
  RegionChecks(bytes, kSite);
  const auto opened = OpenRegion(bytes, kSite, nullptr, flags & 16 ? Checks::kAll : Checks::kHeader);
  if (!opened.ok()) return;
  FUZZ_CHECK(opened.value().header.content_bytes <= kRegionContentBytesMax);
  Bytes content(opened.value().header.content_bytes);
  const bool delta = opened.value().header.codec == Codec::kDelta;
  const auto done = Decompress(opened.value().header.codec, opened.value().stored,
                               delta ? View(prefix) : View{}, content);
  if (input.empty()) FUZZ_CHECK(done.ok());
}

PackTable WholeTable() {
  PackTable table;
  uint32_t offset = kPackHeaderBytes;
  for (uint32_t id = 1; id < 6; ++id) {
    Bytes region = WholeRegion(id, id % 2 ? Codec::kRaw : Codec::kDelta);
    const auto opened = OpenRegion(region, kSite, nullptr, Checks::kAll);
    if (!opened.ok()) std::abort();
    table.Add(opened.value().header, offset, opened.value().lists);
    offset += static_cast<uint32_t>(region.size());
  }
  return table;
}

void Use(PackTable& table) {
  uint64_t sum = 0;
  for (const PackTable::Region& region : table.regions()) {
    for (const ChunkEntry& chunk : table.ChunksOf(region)) {
      sum += chunk.length;
      const ChunkRef ref = table.FindDigest(chunk.digest);
      FUZZ_CHECK(ref == kNoChunk || table.Find(RegionOf(ref)) != nullptr);
    }
    for (const BaseRun& run : table.BasesOf(region)) sum += run.region;
    FUZZ_CHECK(table.Find(region.id) != nullptr);
  }
  FUZZ_CHECK(table.memory_bytes() + sum > 0 || table.regions().empty());
}

void Table(View input) {
  static const Bytes whole = WholeTable().Encode();
  Reader script(input);
  const Bytes bytes = Edit(whole, script);
  auto parsed = PackTable::Parse(bytes);
  if (!parsed.ok()) return;
  Use(parsed.value());
  FUZZ_CHECK(parsed.value().Encode() == bytes);
}

void PackEndBytes(View input) {
  static const Bytes whole = EncodePackEnd(WholeTable(), {kStore, 7}, 8192, nullptr).take();
  Reader script(input);
  const uint8_t flags = script.U8();
  Bytes bytes = Edit(whole, script);
  if (flags & 1 && bytes.size() >= kTrailerBytes) {
    const size_t trailer = bytes.size() - kTrailerBytes;
    const uint32_t length = Reader(View(bytes).subspan(trailer + 40)).U32();
    if (length <= trailer)
      PutU32(bytes, trailer + 44, Crc32c(0, View(bytes).first(length)));
    PutU32(bytes, bytes.size() - 4, Crc32c(0, View(bytes).subspan(trailer, kTrailerBytes - 4)));
  }
  auto parsed = ParsePackEnd(bytes, {kStore, 7}, nullptr);
  if (parsed.ok()) Use(parsed.value().table);
}

void PackHeaderBytes(View input) {
  static const Bytes whole = EncodePackHeader({7, 1000, kStore});
  Reader script(input);
  const uint8_t flags = script.U8();
  Bytes bytes = Edit(whole, script);
  if (flags & 1 && bytes.size() >= 4096)
    PutU32(bytes, 4092, Crc32c(0, View(bytes).first(4092)));
  const auto parsed = ParsePackHeader(bytes);
  if (parsed.ok()) FUZZ_CHECK(bytes.size() >= kPackHeaderBytes);
}

PartitionState WholePartition(uint64_t seed) {
  PartitionState state;
  uint64_t payload = 0;
  uint64_t framing = 0;
  for (uint32_t i = 0; i < 40; ++i) {
    const ::capstan::Run run = i % 7 == 0 ? ::capstan::Run{0, 1}
                    : i % 3 == 0 ? ::capstan::Run{1000 + i, 2, 10, 900}
                                 : ::capstan::Run{static_cast<uint32_t>(512 * (seed + 1)), i};
    state.objects.Append(run);
    payload += run.count * run.payload;
    framing += run.count * run.framing;
  }
  const uint64_t totals[] = {payload, framing};
  for (size_t i = 0; i < kStreamCount; ++i)
    for (uint64_t left = totals[i], k = 0; left > 0; ++k) {
      const uint64_t used = std::min<uint64_t>(left, 5000);
      state.streams[i].Append({RefOf(static_cast<uint32_t>(i + 1), static_cast<uint32_t>(k % 200)),
                               static_cast<uint32_t>(used)});
      left -= used;
    }
  return state;
}

Bytes WholeImage() {
  Bytes bytes = EncodeImageHeader(kImage, 2);
  const PartitionState partitions[] = {WholePartition(0), WholePartition(1)};
  for (uint32_t sequence = 0; sequence < 2; ++sequence) {
    FrameWriter frame(sequence, {1, 4096, 17});
    frame.Change(sequence, partitions[sequence], 0);
    const Bytes encoded = frame.Finish(sequence, kImage, nullptr).take();
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  }
  const Bytes closed = EncodeClosed(2, kImage);
  bytes.insert(bytes.end(), closed.begin(), closed.end());
  return bytes;
}

void CheckPartition(const ObjectMap& objects, uint64_t payload, uint64_t framing) {
  FUZZ_CHECK(objects.payload_count() == payload && objects.framing_count() == framing);
  const uint64_t middle = objects.object_count() / 2;
  FUZZ_CHECK(objects.PlaceOf(middle).object == middle);
  if (objects.filemark_count() > 0)
    FUZZ_CHECK(objects.FilemarkAt(objects.filemark_count() - 1) < objects.object_count());
  Bytes encoded;
  objects.Encode(0, encoded);
  ObjectMap again;
  FUZZ_CHECK(again.AppendEncoded(encoded).ok());
  FUZZ_CHECK(again.object_count() == objects.object_count());
}

void ImageFile(View input) {
  static const Bytes whole = WholeImage();
  Reader script(input);
  const uint8_t flags = script.U8();
  Bytes bytes = Edit(whole, script);
  if (flags & 1) SealImage(bytes, kImage);
  const auto parsed = ParseImageFile(bytes, kImage, "images/T", nullptr);
  if (input.empty()) FUZZ_CHECK(parsed.ok() && parsed.value().closed);
  if (!parsed.ok()) return;
  FUZZ_CHECK(parsed.value().end <= bytes.size());
  for (const PartitionState& state : parsed.value().state.partitions)
    CheckPartition(state.objects, state.streams[0].byte_count(), state.streams[1].byte_count());
}

Bytes WholeManifest() {
  Manifest manifest;
  for (uint64_t i = 0; i < 2; ++i) {
    PartitionState state = WholePartition(i);
    ManifestPartition& partition = manifest.emplace_back();
    for (size_t k = 0; k < kStreamCount; ++k)
      for (auto cursor = state.streams[k].CursorAtSlice(0); !cursor.at_end(); cursor.Next())
        partition.streams[k].push_back({Digest{static_cast<uint8_t>(k)}, 5000, cursor.slice().used});
    partition.objects = std::move(state.objects);
  }
  return EncodeManifest(manifest);
}

void ManifestBytes(View input) {
  static const Bytes whole = WholeManifest();
  Reader script(input);
  const Bytes bytes = Edit(whole, script);
  const auto parsed = ParseManifest(bytes);
  if (input.empty()) FUZZ_CHECK(parsed.ok());
  if (!parsed.ok()) return;
  FUZZ_CHECK(EncodeManifest(parsed.value()) == bytes);
}

void Outline(View input) {
  static const Bytes older = WholeManifest();
  static const Bytes whole = OutlineManifest(older);
  Reader script(input);
  const Bytes outline = Edit(whole, script);
  const auto filled = FillManifest(outline, older);
  if (input.empty()) FUZZ_CHECK(filled.ok() && filled.value().manifest == older);
  if (!filled.ok()) return;
  FUZZ_CHECK(filled.value().lacking.size() * kOutlinePieceBytes == outline.size());
  // What was taken is what was asked for.
  const auto again = FillManifest(OutlineManifest(filled.value().manifest), older);
  FUZZ_CHECK(again.ok() && again.value().manifest.size() == filled.value().manifest.size());
}

// Either all of the bytes is taken and comes out again, or nothing changes.
template <class List>
void Runs(View input, const List& whole) {
  List list = whole;
  Bytes before;
  list.Encode(0, before);
  const auto appended = list.AppendEncoded(input);
  Bytes after;
  list.Encode(0, after);
  if (!appended.ok()) FUZZ_CHECK(before == after);
  List alone;
  if (!alone.AppendEncoded(input).ok()) return;
  Bytes again;
  alone.Encode(0, again);
  FUZZ_CHECK(std::equal(again.begin(), again.end(), input.begin(), input.end()));
}

void Objects(View input) {
  static const ObjectMap whole = WholePartition(0).objects;
  Runs(input, whole);
}

void Chunks(View input) {
  static const ChunkList whole = WholePartition(0).streams[0];
  Runs(input, whole);
}

}  // namespace

const Target kFormatTargets[] = {{"region", Region},          {"table", Table},
                                 {"pack-end", PackEndBytes},  {"pack-header", PackHeaderBytes},
                                 {"image-file", ImageFile},   {"manifest", ManifestBytes},
                                 {"outline", Outline},        {"objects", Objects},
                                 {"chunks", Chunks}};
const size_t kFormatTargetCount = std::size(kFormatTargets);

}  // namespace capstan::fuzz
