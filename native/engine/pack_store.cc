#include "pack_store.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "blake3.h"
#include "chunker.h"
#include "crc32c.h"

namespace capstan {
namespace {

constexpr uint8_t kPackMagic[8] = {'C', 'A', 'P', 'S', 'P', 'A', 'C', 'K'};
constexpr uint8_t kIndexMagic[8] = {'C', 'A', 'P', 'S', 'I', 'N', 'D', 'X'};
constexpr uint32_t kEntryMagic = 0x4b4e4843;  // "CHNK"
constexpr uint32_t kVersion = 1;
constexpr size_t kIndexHeaderBytes = 64;
constexpr size_t kIndexEntryBytes = 48;
constexpr uint64_t kIndexBytesMax = 1ull << 30;
// Compression never makes a chunk longer than this: it is stored raw then.
constexpr uint32_t kStoredBytesMax = kChunkBytesMax;

struct EntryHeader {
  uint8_t codec;
  uint32_t content_length;
  uint32_t stored_length;
  Digest digest;
  uint32_t crc;
};

// The fields before the checksum.
constexpr size_t kEntryHeaderCheckedBytes = kEntryHeaderBytes - 4;

void WriteEntry(Bytes& out, const NewChunk& chunk) {
  const size_t start = out.size();
  Writer writer(out);
  writer.U32(kEntryMagic);
  writer.U32(static_cast<uint32_t>(chunk.encoded.codec));
  writer.U32(chunk.content_length);
  writer.U32(static_cast<uint32_t>(chunk.encoded.stored.size()));
  writer.Raw(chunk.digest);
  const uint32_t crc = Crc32c(Crc32c(0, View(out).subspan(start)), chunk.encoded.stored);
  writer.U32(crc);
  writer.Raw(chunk.encoded.stored);
}

// Nothing where the bytes are no entry header.
std::optional<EntryHeader> ParseEntryHeader(View bytes) {
  Reader reader(bytes);
  if (reader.U32() != kEntryMagic) return std::nullopt;
  const uint32_t codec = reader.U32();
  EntryHeader header{static_cast<uint8_t>(codec), reader.U32(), reader.U32(), {}, 0};
  header.digest = reader.TakeDigest();
  header.crc = reader.U32();
  if (reader.failed() || codec > 0xff || header.content_length == 0 ||
      header.content_length > kChunkBytesMax || header.stored_length > kStoredBytesMax)
    return std::nullopt;
  return header;
}

bool EntryChecks(View header, View stored, uint32_t crc) {
  return Crc32c(Crc32c(0, header.first(kEntryHeaderCheckedBytes)), stored) == crc;
}

Bytes FileHeader(const uint8_t (&magic)[8], uint32_t number, const StoreId& id, uint64_t count) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(magic);
  writer.U32(kVersion);
  writer.U32(number);
  writer.Raw(id);
  writer.U64(count);
  bytes.resize(60);
  writer.U32(Crc32c(0, bytes));
  return bytes;
}

std::string At(const std::string& name, uint64_t offset) {
  return name + " at " + std::to_string(offset);
}

std::string PackName(uint32_t number, const char* suffix) {
  char name[40];
  std::snprintf(name, sizeof name, "packs/%08u.%s", number, suffix);
  return name;
}

// Every whole entry of `bytes` from `offset` on that checks, found by its magic wherever it starts.
std::optional<size_t> FindEntry(View bytes, size_t offset) {
  for (; offset + kEntryHeaderBytes <= bytes.size(); ++offset) {
    if (bytes[offset] != (kEntryMagic & 0xff)) continue;
    const View header_bytes = bytes.subspan(offset, kEntryHeaderBytes);
    const auto header = ParseEntryHeader(header_bytes);
    if (!header || header->stored_length > bytes.size() - offset - kEntryHeaderBytes) continue;
    const View stored = bytes.subspan(offset + kEntryHeaderBytes, header->stored_length);
    if (EntryChecks(header_bytes, stored, header->crc)) return offset;
  }
  return std::nullopt;
}

}  // namespace

std::string PackStore::PackPath(uint32_t number, const char* suffix) const {
  return options_.path + "/" + PackName(number, suffix);
}

Result<std::unique_ptr<PackStore>> PackStore::Open(Disk& disk, const Options& options) {
  std::unique_ptr<PackStore> store(new PackStore(disk, options));
  TRY(store->LoadPacks());
  return store;
}

Status PackStore::LoadPacks() {
  TRY_ASSIGN(const std::vector<std::string> names, disk_.List(options_.path + "/packs"));
  std::vector<uint32_t> numbers;
  for (const std::string& name : names) {
    unsigned number = 0;
    int length = 0;
    if (std::sscanf(name.c_str(), "%8u.pack%n", &number, &length) == 1 &&
        static_cast<size_t>(length) == name.size())
      numbers.push_back(number);
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    // A gap is a pack that somebody took away: its chunks are missed when they are read.
    if (numbers[i] != i + 1 && (i == 0 || numbers[i] != numbers[i - 1] + 1))
      damages_.push_back({PackName(numbers[i] - 1, "pack"), "the pack is missing"});
    TRY(LoadPack(numbers[i], i + 1 == numbers.size()));
  }
  if (!options_.writable) return Ok();
  if (numbers.empty()) return StartPack(1);
  return Ok();
}

Status PackStore::LoadPack(uint32_t number, bool last) {
  ++pack_count_;
  if (!last) {
    TRY_ASSIGN(const bool loaded, LoadIndex(number));
    if (loaded) return Ok();
  }
  TRY_ASSIGN(auto file, disk_.Open(PackPath(number, "pack"),
                                   options_.writable ? OpenMode::kWrite : OpenMode::kRead));
  File& opened = *file;
  files_[number] = std::move(file);
  return ScanPack(number, opened, last);
}

Result<bool> PackStore::LoadIndex(uint32_t number) {
  const std::string name = PackName(number, "index");
  auto opened = disk_.Open(options_.path + "/" + name, OpenMode::kRead);
  if (!opened.ok()) {
    if (opened.error().code != ErrorCode::kNotFound) return opened.error();
    // A crash between sealing and indexing leaves none.
    return false;
  }
  const auto damaged = [&](const char* what) {
    damages_.push_back({name, std::string(what) + "; rebuilt from the pack"});
    return false;
  };
  TRY_ASSIGN(const Bytes bytes, ReadWhole(*opened.value(), kIndexBytesMax, name));
  if (bytes.size() < kIndexHeaderBytes + 4) return damaged("the index is cut short");
  const View all(bytes);
  Reader tail(all.last(4));
  if (Crc32c(0, all.first(all.size() - 4)) != tail.U32()) return damaged("the index is damaged");
  Reader reader(all.first(all.size() - 4));
  const Bytes expected = FileHeader(kIndexMagic, number, options_.store_id, 0);
  const View magic = reader.Raw(8);
  if (!std::equal(magic.begin(), magic.end(), expected.begin()) || reader.U32() != kVersion ||
      reader.U32() != number)
    return damaged("the index belongs to something else");
  reader.Raw(16);
  const uint64_t count = reader.U64();
  reader.Raw(kIndexHeaderBytes - reader.offset());
  if (count * kIndexEntryBytes + 8 != reader.left()) return damaged("the index is cut short");
  const uint64_t pack_bytes = reader.U64();
  for (uint64_t i = 0; i < count; ++i) {
    const Digest digest = reader.TakeDigest();
    ChunkPlace place{number, reader.U64(), reader.U32(), reader.U32()};
    if (index_.emplace(digest, place).second) unique_bytes_ += place.content_length;
  }
  stored_bytes_ += pack_bytes;
  return true;
}

Status PackStore::ScanPack(uint32_t number, File& file, bool last) {
  const std::string name = PackName(number, "pack");
  TRY_ASSIGN(const Bytes bytes, ReadWhole(file, options_.pack_bytes_max * 2 + (64u << 20), name));
  const View all(bytes);
  const Bytes header = FileHeader(kPackMagic, number, options_.store_id, 0);
  const bool synced_beyond = !last || number < options_.synced.pack;
  const uint64_t acknowledged =
      synced_beyond ? bytes.size() : number == options_.synced.pack ? options_.synced.offset : 0;
  const size_t damages_before = damages_.size();
  size_t offset = kPackHeaderBytes;
  if (bytes.size() < header.size() || !std::equal(header.begin(), header.end(), bytes.begin())) {
    if (acknowledged > 0) damages_.push_back({At(name, 0), "the pack's header is damaged"});
    if (acknowledged == 0) offset = 0;
  }
  while (offset >= kPackHeaderBytes && offset < bytes.size()) {
    const View rest = all.subspan(offset);
    const auto entry =
        rest.size() < kEntryHeaderBytes ? std::nullopt : ParseEntryHeader(rest.first(kEntryHeaderBytes));
    const bool whole = entry && entry->stored_length <= rest.size() - kEntryHeaderBytes;
    if (whole && EntryChecks(rest.first(kEntryHeaderBytes),
                             rest.subspan(kEntryHeaderBytes, entry->stored_length), entry->crc)) {
      const ChunkPlace place{number, offset, entry->content_length, entry->stored_length};
      if (index_.emplace(entry->digest, place).second) unique_bytes_ += entry->content_length;
      offset += kEntryHeaderBytes + entry->stored_length;
      continue;
    }
    // Not acknowledged: the torn end of what a crash interrupted.
    if (offset >= acknowledged) break;
    damages_.push_back({At(name, offset), "the entry's checksum does not match"});
    // An entry whose header is whole is still known by it, so that reading it says where it is damaged.
    if (whole)
      condemned_.emplace(entry->digest, ChunkPlace{number, offset, entry->content_length,
                                                   entry->stored_length});
    const auto next = FindEntry(all, offset + 1);
    if (!next) {
      offset = std::max<size_t>(offset, std::min<uint64_t>(acknowledged, bytes.size()));
      break;
    }
    offset = *next;
  }
  if (acknowledged > bytes.size())
    damages_.push_back({At(name, bytes.size()), "the pack is cut short"});
  stored_bytes_ += offset;
  if (!last) {
    // A damaged pack is scanned at each opening, so that its damage stays known.
    const bool whole = damages_.size() == damages_before;
    return options_.writable && whole ? TryWriteIndex(number) : Ok();
  }
  tail_number_ = number;
  tail_bytes_ = offset;
  if (!options_.writable) return Ok();
  if (offset < kPackHeaderBytes) {
    TRY(file.Truncate(0));
    TRY(file.WriteAt(0, header));
    tail_bytes_ = kPackHeaderBytes;
  } else if (offset < bytes.size()) {
    TRY(file.Truncate(offset));
  }
  // What a killed process wrote may be in memory only; chunks found here will be referred to.
  TRY(file.Sync());
  TRY(disk_.SyncDirectory(options_.path + "/packs"));
  tail_synced_ = tail_bytes_;
  return Ok();
}

Status PackStore::StartPack(uint32_t number) {
  TRY_ASSIGN(auto file, disk_.Open(PackPath(number, "pack"), OpenMode::kCreate));
  const auto begin = [&]() -> Status {
    TRY(file->WriteAt(0, FileHeader(kPackMagic, number, options_.store_id, 0)));
    TRY(file->Sync());
    return disk_.SyncDirectory(options_.path + "/packs");
  };
  if (const Status begun = begin(); !begun.ok()) {
    // Without this the name would stay taken; if it fails too, the next opening mends the empty pack.
    if (!disk_.Remove(PackPath(number, "pack")).ok()) return Fail(begun.error());
    return begun.error();
  }
  files_[number] = std::move(file);
  ++pack_count_;
  tail_number_ = number;
  tail_bytes_ = tail_synced_ = kPackHeaderBytes;
  stored_bytes_ += kPackHeaderBytes;
  return Ok();
}

Status PackStore::WriteIndex(uint32_t number) {
  std::vector<std::pair<Digest, ChunkPlace>> entries;
  uint64_t pack_bytes = kPackHeaderBytes;
  for (const auto& [digest, place] : index_) {
    if (place.pack != number) continue;
    entries.emplace_back(digest, place);
    pack_bytes += kEntryHeaderBytes + place.stored_length;
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Bytes bytes = FileHeader(kIndexMagic, number, options_.store_id, entries.size());
  Writer writer(bytes);
  writer.U64(pack_bytes);
  for (const auto& [digest, place] : entries) {
    writer.Raw(digest);
    writer.U64(place.offset);
    writer.U32(place.content_length);
    writer.U32(place.stored_length);
  }
  writer.U32(Crc32c(0, bytes));
  // Renamed into place whole, so that an index that does not check was damaged and not torn.
  const std::string temporary = PackPath(number, "index~");
  TRY_ASSIGN(const bool leftover, disk_.Exists(temporary));
  if (leftover) TRY(disk_.Remove(temporary));
  TRY_ASSIGN(auto file, disk_.Open(temporary, OpenMode::kCreate));
  TRY(file->WriteAt(0, bytes));
  TRY(file->Sync());
  TRY(disk_.Rename(temporary, PackPath(number, "index")));
  return disk_.SyncDirectory(options_.path + "/packs");
}

Status PackStore::Fail(const Error& error) {
  if (failure_.empty() && error.code != ErrorCode::kCrashed) failure_ = error.place + ": " + error.what;
  return error;
}

std::string PackStore::failure() const {
  const std::lock_guard guard(mutex_);
  return failure_;
}

Status PackStore::SealTail() {
  File& file = *files_[tail_number_];
  if (tail_synced_ < tail_bytes_)
    if (const Status synced = file.Sync(); !synced.ok()) return Fail(synced.error());
  tail_synced_ = tail_bytes_;
  TRY(TryWriteIndex(tail_number_));
  return StartPack(tail_number_ + 1);
}

// An index only saves the next opening a scan: a disk too full for it keeps nobody from going on.
Status PackStore::TryWriteIndex(uint32_t number) {
  const Status written = WriteIndex(number);
  if (!written.ok() && written.error().code == ErrorCode::kCrashed) return written;
  return Ok();
}

bool PackStore::Has(const Digest& digest) const {
  const std::lock_guard guard(mutex_);
  return index_.contains(digest);
}

std::optional<uint32_t> PackStore::ContentLength(const Digest& digest) const {
  const std::lock_guard guard(mutex_);
  const auto found = index_.find(digest);
  if (found == index_.end()) return std::nullopt;
  return found->second.content_length;
}

Status PackStore::Append(const std::vector<NewChunk>& chunks) {
  const std::lock_guard guard(mutex_);
  if (!failure_.empty()) return Error{ErrorCode::kFailed, options_.path, failure_};
  if (tail_bytes_ >= options_.pack_bytes_max) TRY(SealTail());
  Bytes bytes;
  std::vector<std::pair<Digest, ChunkPlace>> added;
  std::unordered_map<Digest, bool, DigestHash> seen;
  for (const NewChunk& chunk : chunks) {
    if (index_.contains(chunk.digest) || !seen.emplace(chunk.digest, true).second) continue;
    added.emplace_back(chunk.digest,
                       ChunkPlace{tail_number_, tail_bytes_ + bytes.size(), chunk.content_length,
                                  static_cast<uint32_t>(chunk.encoded.stored.size())});
    WriteEntry(bytes, chunk);
  }
  if (bytes.empty()) return Ok();
  File& file = *files_[tail_number_];
  if (const Status written = file.WriteAt(tail_bytes_, bytes); !written.ok()) {
    // What got onto the disk of it goes again, or the next entry would stand behind a torn one.
    if (const Status cut = file.Truncate(tail_bytes_); !cut.ok()) return Fail(cut.error());
    return written;
  }
  tail_bytes_ += bytes.size();
  stored_bytes_ += bytes.size();
  for (const auto& [digest, place] : added) {
    index_.emplace(digest, place);
    unique_bytes_ += place.content_length;
  }
  return Ok();
}

Result<Watermark> PackStore::Sync() {
  const std::lock_guard guard(mutex_);
  if (!failure_.empty()) return Error{ErrorCode::kFailed, options_.path, failure_};
  if (tail_synced_ < tail_bytes_) {
    // After a failed sync nobody knows what the disk has.
    if (const Status synced = files_[tail_number_]->Sync(); !synced.ok())
      return Fail(synced.error()).error();
    tail_synced_ = tail_bytes_;
  }
  return Watermark{tail_number_, tail_bytes_};
}

Result<File*> PackStore::PackFile(uint32_t number) {
  if (const auto found = files_.find(number); found != files_.end()) return found->second.get();
  TRY_ASSIGN(auto file, disk_.Open(PackPath(number, "pack"), OpenMode::kRead));
  return (files_[number] = std::move(file)).get();
}

// Header and stored bytes of a chunk's entry, checked.
Result<Bytes> PackStore::ReadEntry(const Digest& digest, ChunkPlace& place) {
  File* file = nullptr;
  {
    const std::lock_guard guard(mutex_);
    const auto found = index_.find(digest);
    if (found == index_.end()) {
      const auto condemned = condemned_.find(digest);
      if (condemned == condemned_.end())
        return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
      return Error{ErrorCode::kCorrupt,
                   At(PackName(condemned->second.pack, "pack"), condemned->second.offset),
                   "the chunk is damaged"};
    }
    place = found->second;
    TRY_ASSIGN(file, PackFile(place.pack));
  }
  Bytes bytes(kEntryHeaderBytes + place.stored_length);
  if (const Status read = file->ReadAt(place.offset, bytes); !read.ok()) {
    const Error& error = read.error();
    if (error.code != ErrorCode::kCorrupt) return error;
    return Condemn(digest, place, "the pack is cut short");
  }
  const View all(bytes);
  const auto header = ParseEntryHeader(all.first(kEntryHeaderBytes));
  if (!header || header->stored_length != place.stored_length ||
      header->content_length != place.content_length || header->digest != digest ||
      !EntryChecks(all.first(kEntryHeaderBytes), all.subspan(kEntryHeaderBytes), header->crc))
    return Condemn(digest, place, "the entry's checksum does not match");
  return bytes;
}

Error PackStore::Condemn(const Digest& digest, const ChunkPlace& place, const std::string& what) {
  const std::lock_guard guard(mutex_);
  index_.erase(digest);
  condemned_.emplace(digest, place);
  return {ErrorCode::kCorrupt, At(PackName(place.pack, "pack"), place.offset), what};
}

Result<Bytes> PackStore::ReadUncached(const Digest& digest) {
  ChunkPlace place{};
  TRY_ASSIGN(const Bytes entry, ReadEntry(digest, place));
  const View all(entry);
  const auto header = ParseEntryHeader(all.first(kEntryHeaderBytes));
  auto content = DecodeChunk(header->codec, all.subspan(kEntryHeaderBytes), place.content_length);
  if (!content.ok()) return Condemn(digest, place, content.error().what);
  if (Blake3(content.value()) != digest)
    return Condemn(digest, place, "the chunk's digest does not match");
  return content;
}

Result<std::shared_ptr<const Bytes>> PackStore::Read(const Digest& digest) {
  {
    const std::lock_guard guard(mutex_);
    if (const auto found = cached_.find(digest); found != cached_.end()) {
      cache_.splice(cache_.begin(), cache_, found->second);
      return found->second->second;
    }
  }
  TRY_ASSIGN(Bytes content, ReadUncached(digest));
  auto shared = std::make_shared<const Bytes>(std::move(content));
  const std::lock_guard guard(mutex_);
  if (cached_.contains(digest)) return shared;
  cache_.emplace_front(digest, shared);
  cached_[digest] = cache_.begin();
  cache_bytes_ += shared->size();
  while (cache_bytes_ > kDecodeCacheBytesMax) {
    cache_bytes_ -= cache_.back().second->size();
    cached_.erase(cache_.back().first);
    cache_.pop_back();
  }
  return shared;
}

Status PackStore::ReadEncoded(const Digest& digest, Bytes& out) {
  ChunkPlace place{};
  TRY_ASSIGN(const Bytes entry, ReadEntry(digest, place));
  const auto header = ParseEntryHeader(View(entry).first(kEntryHeaderBytes));
  Writer writer(out);
  writer.U8(header->codec);
  writer.U32(header->content_length);
  writer.U32(header->stored_length);
  writer.Raw(View(entry).subspan(kEntryHeaderBytes));
  return Ok();
}

PackStatistics PackStore::Statistics() const {
  const std::lock_guard guard(mutex_);
  return {pack_count_, index_.size(), unique_bytes_, stored_bytes_};
}

}  // namespace capstan
