#include "store.h"

#include <algorithm>
#include <optional>

#include "blake3.h"
#include "chunker.h"
#include "crc32c.h"

namespace capstan {
namespace {

constexpr uint8_t kStoreMagic[8] = {'C', 'A', 'P', 'S', 'S', 'T', 'O', 'R'};
constexpr uint32_t kVersion = 1;
constexpr size_t kSuperblockBytes = 64;
constexpr size_t kImageNameBytesMax = 64;
// Stands before the name of a file that is to be renamed; no image's name has it.
constexpr char kTemporaryMark = '~';
constexpr size_t kEncodedHeaderBytes = 9;

bool IsImageName(const std::string& name) {
  if (name.empty() || name.size() > kImageNameBytesMax) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool alphanumeric = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && (i == 0 || (c != '.' && c != '_' && c != '-'))) return false;
  }
  return true;
}

Error BadName(const std::string& name) {
  return {ErrorCode::kInvalid, "images", "\"" + name.substr(0, 80) + "\" is no name of an image"};
}

std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::vector<Digest> SplitDigests(View bytes) {
  std::vector<Digest> digests(bytes.size() / kDigestBytes);
  for (size_t i = 0; i < digests.size(); ++i)
    std::memcpy(digests[i].data(), bytes.data() + i * kDigestBytes, kDigestBytes);
  return digests;
}

std::vector<Digest> UniqueDigests(const std::vector<PartitionState>& partitions) {
  std::vector<Digest> digests;
  std::unordered_map<Digest, bool, DigestHash> seen;
  for (const PartitionState& state : partitions)
    for (size_t i = 0; i < state.recipe.size(); ++i)
      if (seen.emplace(state.recipe[i].digest, true).second)
        digests.push_back(state.recipe[i].digest);
  return digests;
}

}  // namespace

ImageInfo::Partition SummaryOf(const PartitionState& state) {
  return {state.records.object_count(), state.records.filemark_count(), state.records.byte_count(),
          state.recipe.size()};
}

Result<std::shared_ptr<Store>> Store::Open(std::unique_ptr<Disk> disk, const std::string& path,
                                           Mode mode, uint64_t pack_bytes_max,
                                           const StoreId& id_if_new) {
  std::shared_ptr<Store> store(new Store(std::move(disk), path, mode != Mode::kRead));
  if (mode == Mode::kCreate) {
    TRY(store->disk_->MakeDirectory(path));
    TRY(store->disk_->MakeDirectory(path + "/packs"));
    TRY(store->disk_->MakeDirectory(path + "/images"));
  }
  if (store->writable_) {
    TRY_ASSIGN(store->lock_, store->disk_->Lock(path + "/lock"));
  }
  TRY(store->LoadOrCreateSuperblock(mode == Mode::kCreate, id_if_new));
  Watermark synced;
  TRY(store->LoadImages(synced));
  TRY_ASSIGN(store->packs_, PackStore::Open(*store->disk_, {path, store->id_, store->writable_,
                                                            pack_bytes_max, synced}));
  return store;
}

Status Store::LoadOrCreateSuperblock(bool create, const StoreId& id_if_new) {
  const std::string path = path_ + "/store";
  auto opened = disk_->Open(path, OpenMode::kRead);
  if (opened.ok()) {
    TRY_ASSIGN(const Bytes bytes, ReadWhole(*opened.value(), kSuperblockBytes, "store"));
    Reader reader(bytes);
    const View magic = reader.Raw(8);
    const uint32_t version = reader.U32();
    reader.U32();
    const View id = reader.Raw(id_.size());
    if (reader.failed() || bytes.size() != kSuperblockBytes ||
        !std::equal(magic.begin(), magic.end(), kStoreMagic))
      return Error{ErrorCode::kCorrupt, "store at 0", "this is no store of Capstan"};
    Reader checksum(View(bytes).last(4));
    if (Crc32c(0, View(bytes).first(kSuperblockBytes - 4)) != checksum.U32())
      return Error{ErrorCode::kCorrupt, "store at 0", "the superblock is damaged"};
    if (version != kVersion)
      return Error{ErrorCode::kCorrupt, "store at 0",
                   "version " + std::to_string(version) + " of the format is not known"};
    std::copy(id.begin(), id.end(), id_.begin());
    // A process killed while it made the store may have left names that are in memory only.
    return writable_ ? disk_->SyncDirectory(path_) : Ok();
  }
  if (opened.error().code != ErrorCode::kNotFound || !create) return opened.error();
  // The store's own name comes first: whoever finds a superblock need not sync what is above.
  TRY(disk_->SyncDirectory(ParentOf(path_)));
  id_ = id_if_new;
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(kStoreMagic);
  writer.U32(kVersion);
  writer.U32(0);
  writer.Raw(id_);
  bytes.resize(kSuperblockBytes - 4);
  writer.U32(Crc32c(0, bytes));
  const std::string temporary = path + kTemporaryMark;
  TRY_ASSIGN(const bool leftover, disk_->Exists(temporary));
  if (leftover) TRY(disk_->Remove(temporary));
  TRY_ASSIGN(const auto file, disk_->Open(temporary, OpenMode::kCreate));
  TRY(file->WriteAt(0, bytes));
  TRY(file->Sync());
  TRY(disk_->Rename(temporary, path));
  return disk_->SyncDirectory(path_);
}

Result<std::vector<std::string>> Store::ImageNames() const {
  TRY_ASSIGN(std::vector<std::string> names, disk_->List(path_ + "/images"));
  std::erase_if(names, [](const std::string& name) { return !IsImageName(name); });
  return names;
}

Status Store::LoadImages(Watermark& synced) {
  TRY_ASSIGN(const std::vector<std::string> files, disk_->List(path_ + "/images"));
  for (const std::string& name : files) {
    if (writable_ && !name.empty() && name[0] == kTemporaryMark) TRY(disk_->Remove(ImagePath(name)));
  }
  TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
  for (const std::string& name : names) {
    const auto parsed = LoadImage(name);
    if (parsed.ok()) {
      // A process that was killed may have left frames that are in memory only. They are seen from now
      // on, and referred to, so a power cut must not take them back.
      if (writable_ && !parsed.value().closed) {
        TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kWrite));
        TRY(file->Sync());
      }
      if (synced < parsed.value().state.synced) synced = parsed.value().state.synced;
    } else if (parsed.error().code == ErrorCode::kCorrupt) {
      // A staged image (`<tape>.<suffix>`) is torn where a crash came before its sync: nobody relies on it.
      if (writable_ && name.find('.') != std::string::npos)
        TRY(disk_->Remove(ImagePath(name)));
      else
        damages_.push_back({parsed.error().place, parsed.error().what});
    } else {
      return parsed.error();
    }
  }
  // Names, too, may be in memory only.
  return writable_ ? disk_->SyncDirectory(path_ + "/images") : Ok();
}

Result<ParsedImage> Store::LoadImage(const std::string& name) const {
  if (!IsImageName(name)) return BadName(name);
  TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kRead));
  TRY_ASSIGN(const Bytes bytes, ReadWhole(*file, kImageFileBytesMax, "images/" + name));
  return ParseImageFile(bytes, "images/" + name);
}

Status Store::CheckOpen(bool for_writing) const {
  const std::lock_guard guard(mutex_);
  if (closed_) return Error{ErrorCode::kInvalid, path_, "the store is closed"};
  if (!for_writing) return Ok();
  if (!writable_) return Error{ErrorCode::kInvalid, path_, "the store is open for reading only"};
  if (!failure_.empty()) return Error{ErrorCode::kFailed, path_, failure_};
  return Ok();
}

void Store::Fail(const Error& error) {
  const std::lock_guard guard(mutex_);
  if (failure_.empty() && error.code != ErrorCode::kCrashed)
    failure_ = error.place + ": " + error.what;
}

Status Store::SyncImagesFolder() {
  const Status synced = disk_->SyncDirectory(path_ + "/images");
  if (!synced.ok()) Fail(synced.error());
  return synced;
}

Status Store::ReplaceImage(const std::string& name, const Bytes& content) {
  const std::string temporary = ImagePath(kTemporaryMark + name);
  TRY_ASSIGN(const bool leftover, disk_->Exists(temporary));
  if (leftover) TRY(disk_->Remove(temporary));
  TRY_ASSIGN(const auto file, disk_->Open(temporary, OpenMode::kCreate));
  const auto write = [&]() -> Status {
    TRY(file->WriteAt(0, content));
    return file->Sync();
  };
  if (const Status written = write(); !written.ok()) {
    // A leftover is cleared away at the next opening as well.
    if (const Status removed = disk_->Remove(temporary); !removed.ok()) return removed;
    return written;
  }
  TRY(disk_->Rename(temporary, ImagePath(name)));
  return SyncImagesFolder();
}

Status Store::CreateImage(const std::string& name, uint32_t partition_count) {
  TRY(CheckOpen(true));
  if (!IsImageName(name)) return BadName(name);
  if (partition_count == 0 || partition_count > kPartitionCountMax)
    return Error{ErrorCode::kLimit, "images/" + name,
                 std::to_string(partition_count) + " partitions, over the limit of " +
                     std::to_string(kPartitionCountMax)};
  TRY_ASSIGN(const bool exists, disk_->Exists(ImagePath(name)));
  if (exists) return Error{ErrorCode::kAlreadyExists, name, "exists"};
  return ReplaceImage(name, EncodeImageHeader(id_, partition_count));
}

Result<std::shared_ptr<Image>> Store::OpenImage(const std::string& name, bool writable) {
  TRY(CheckOpen(writable));
  TRY_ASSIGN(ParsedImage parsed, LoadImage(name));
  if (writable) {
    const std::lock_guard guard(mutex_);
    if (!writing_.insert(name).second)
      return Error{ErrorCode::kInUse, name, "it is open for writing"};
  }
  if (writable) {
    // The last frame may be in memory only since a process was killed, or closed the image: a power cut
    // could take it and leave the next one behind it, which would read as damage.
    const auto sync = [&]() -> Status {
      TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kWrite));
      return file->Sync();
    };
    if (const Status synced = sync(); !synced.ok()) {
      {
        const std::lock_guard guard(mutex_);
        writing_.erase(name);
      }
      Fail(synced.error());
      return synced.error();
    }
  }
  return std::shared_ptr<Image>(
      new Image(shared_from_this(), name, writable, std::move(parsed)));
}

Result<std::vector<ImageInfo>> Store::ListImages() {
  TRY(CheckOpen(false));
  TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
  std::vector<ImageInfo> images;
  for (const std::string& name : names) {
    const auto parsed = LoadImage(name);
    if (!parsed.ok()) {
      // A damaged image keeps nobody from the others; Verify names it.
      if (parsed.error().code == ErrorCode::kCorrupt) continue;
      return parsed.error();
    }
    ImageInfo info{name, parsed.value().state.generation, {}};
    for (const PartitionState& state : parsed.value().state.partitions)
      info.partitions.push_back(SummaryOf(state));
    images.push_back(std::move(info));
  }
  return images;
}

Status Store::RemoveImage(const std::string& name) {
  TRY(CheckOpen(true));
  if (!IsImageName(name)) return BadName(name);
  {
    const std::lock_guard guard(mutex_);
    if (writing_.contains(name)) return Error{ErrorCode::kInUse, name, "it is open for writing"};
    staged_.erase(name);
  }
  TRY(disk_->Remove(ImagePath(name)));
  return SyncImagesFolder();
}

Status Store::PublishImage(const std::string& from, const std::string& to) {
  TRY(CheckOpen(true));
  if (!IsImageName(from)) return BadName(from);
  if (!IsImageName(to)) return BadName(to);
  {
    const std::lock_guard guard(mutex_);
    for (const std::string& name : {from, to})
      if (writing_.contains(name)) return Error{ErrorCode::kInUse, name, "it is open for writing"};
    staged_.erase(from);
  }
  TRY(disk_->Rename(ImagePath(from), ImagePath(to)));
  return SyncImagesFolder();
}

Result<Bytes> Store::ExportManifest(const std::string& name) {
  TRY(CheckOpen(false));
  TRY_ASSIGN(const ParsedImage parsed, LoadImage(name));
  return EncodeManifest(parsed.state.partitions);
}

Result<ManifestSummary> Store::ReadManifest(View manifest) const {
  TRY_ASSIGN(const std::vector<PartitionState> partitions, ParseManifest(manifest));
  ManifestSummary summary{Blake3(manifest), {}, UniqueDigests(partitions)};
  for (const PartitionState& state : partitions) summary.partitions.push_back(SummaryOf(state));
  return summary;
}

Bytes Store::LackingChunks(View digests) const {
  Bytes lacking;
  for (const Digest& digest : SplitDigests(digests)) lacking.push_back(packs_->Has(digest) ? 0 : 1);
  return lacking;
}

Result<Bytes> Store::ReadEncodedChunks(View digests) {
  TRY(CheckOpen(false));
  Bytes encoded;
  for (const Digest& digest : SplitDigests(digests)) TRY(packs_->ReadEncoded(digest, encoded));
  return encoded;
}

Result<Bytes> Store::AddEncodedChunks(View encoded) {
  TRY(CheckOpen(true));
  std::vector<NewChunk> chunks;
  Bytes digests;
  Reader reader(encoded);
  while (reader.left() > 0) {
    if (reader.left() < kEncodedHeaderBytes)
      return Error{ErrorCode::kInvalid, "", "an encoded chunk is cut short"};
    const uint8_t codec = reader.U8();
    const uint32_t content_length = reader.U32();
    const uint32_t stored_length = reader.U32();
    if (content_length == 0 || content_length > kChunkBytesMax || stored_length > kChunkBytesMax)
      return Error{ErrorCode::kInvalid, "", "an encoded chunk has a length that cannot be"};
    const View stored = reader.Raw(stored_length);
    if (reader.failed()) return Error{ErrorCode::kInvalid, "", "an encoded chunk is cut short"};
    auto content = DecodeChunk(codec, stored, content_length);
    if (!content.ok()) return Error{ErrorCode::kInvalid, "", content.error().what};
    const Digest digest = Blake3(content.value());
    digests.insert(digests.end(), digest.begin(), digest.end());
    chunks.push_back({digest, content_length,
                      {static_cast<Codec>(codec), Bytes(stored.begin(), stored.end())}});
  }
  TRY(packs_->Append(chunks));
  return digests;
}

Status Store::StageImage(const std::string& name, View manifest, uint64_t generation) {
  TRY(CheckOpen(true));
  if (!IsImageName(name)) return BadName(name);
  TRY_ASSIGN(const std::vector<PartitionState> partitions, ParseManifest(manifest));
  for (const PartitionState& state : partitions) {
    for (size_t i = 0; i < state.recipe.size(); ++i) {
      const auto length = packs_->ContentLength(state.recipe[i].digest);
      if (!length) return Error{ErrorCode::kNotFound, "chunk", "number " + std::to_string(i)};
      if (*length != state.recipe[i].content_length)
        return Error{ErrorCode::kCorrupt, "the manifest", "a slice is not as long as its chunk"};
    }
  }
  {
    const std::lock_guard guard(mutex_);
    if (writing_.contains(name)) return Error{ErrorCode::kInUse, name, "it is open for writing"};
    staged_.insert(name);
  }
  // The frame says how far the packs are synced, so they are before it is written.
  TRY_ASSIGN(const Watermark synced, packs_->Sync());
  Frame frame{generation, synced, {}};
  for (uint32_t i = 0; i < partitions.size(); ++i)
    frame.changes.push_back(WholeOf(i, partitions[i]));
  Bytes content = EncodeImageHeader(id_, static_cast<uint32_t>(partitions.size()));
  const Bytes encoded = EncodeFrame(frame, 0);
  content.insert(content.end(), encoded.begin(), encoded.end());
  TRY_ASSIGN(const bool exists, disk_->Exists(ImagePath(name)));
  if (exists) TRY(disk_->Remove(ImagePath(name)));
  TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kCreate));
  if (const Status written = file->WriteAt(0, content); !written.ok()) {
    if (const Status removed = disk_->Remove(ImagePath(name)); !removed.ok()) return removed;
    return written;
  }
  return Ok();
}

Status Store::Sync() {
  TRY(CheckOpen(true));
  if (const auto synced = packs_->Sync(); !synced.ok()) return synced.error();
  std::set<std::string> staged;
  {
    const std::lock_guard guard(mutex_);
    staged.swap(staged_);
  }
  for (const std::string& name : staged) {
    TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kWrite));
    if (const Status synced = file->Sync(); !synced.ok()) {
      Fail(synced.error());
      return synced;
    }
  }
  if (staged.empty()) return Ok();
  return SyncImagesFolder();
}

Result<VerifyReport> Store::Verify(const std::vector<std::string>& wanted) {
  TRY(CheckOpen(false));
  VerifyReport report{0, 0, 0, {}};
  std::vector<std::string> names = wanted;
  if (names.empty()) {
    TRY_ASSIGN(names, ImageNames());
    report.damages = packs_->damages();
  }
  std::unordered_map<Digest, bool, DigestHash> seen;
  std::vector<std::pair<Slice, std::string>> chunks;
  uint64_t total = 0;
  for (const std::string& name : names) {
    const auto parsed = LoadImage(name);
    ++report.image_count;
    if (!parsed.ok()) {
      if (parsed.error().code != ErrorCode::kCorrupt) return parsed.error();
      report.damages.push_back({parsed.error().place, parsed.error().what});
      continue;
    }
    for (const PartitionState& state : parsed.value().state.partitions) {
      for (size_t i = 0; i < state.recipe.size(); ++i) {
        if (!seen.emplace(state.recipe[i].digest, true).second) continue;
        chunks.emplace_back(state.recipe[i], name);
        total += state.recipe[i].content_length;
      }
    }
  }
  verified_bytes = 0;
  verify_total_bytes = total;
  for (const auto& [slice, name] : chunks) {
    const auto content = packs_->ReadUncached(slice.digest);
    ++report.chunk_count;
    if (content.ok()) {
      report.bytes_read += slice.content_length;
    } else if (content.error().code == ErrorCode::kCorrupt) {
      report.damages.push_back({content.error().place, content.error().what + " (image " + name + ")"});
    } else {
      return content.error();
    }
    verified_bytes += slice.content_length;
  }
  return report;
}

Result<StoreStatistics> Store::Statistics() {
  TRY(CheckOpen(false));
  TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
  return StoreStatistics{names.size(), packs_->Statistics(), appended_bytes_.load(),
                         new_chunk_bytes_.load()};
}

Status Store::Close() {
  const std::lock_guard guard(mutex_);
  closed_ = true;
  lock_.reset();
  return Ok();
}

}  // namespace capstan
