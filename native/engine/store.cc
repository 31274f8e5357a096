#include "store.h"

#include <algorithm>
#include <optional>

#include "blake3.h"
#include "chunker.h"
#include "crc32c.h"

namespace capstan {
namespace {

constexpr uint8_t kStoreMagic[8] = {'C', 'A', 'P', 'S', 'S', 'T', 'O', 'R'};
constexpr uint32_t kVersion = 2;
constexpr size_t kSuperblockBytes = 128;
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

std::vector<Digest> UniqueDigests(const Manifest& manifest) {
  std::vector<Digest> digests;
  std::set<Digest> seen;
  for (const ManifestPartition& partition : manifest)
    for (const auto& slices : partition.streams)
      for (const ManifestSlice& slice : slices)
        if (seen.insert(slice.digest).second) digests.push_back(slice.digest);
  return digests;
}

// What the key check of an encrypted store seals nothing with: no other nonce ends like this.
std::array<uint8_t, kCipherNonceBytes> KeyCheckNonce(uint32_t epoch) {
  std::array<uint8_t, kCipherNonceBytes> nonce;
  nonce.fill(0xff);
  for (size_t i = 0; i < 4; ++i) nonce[i] = static_cast<uint8_t>(epoch >> (8 * i));
  return nonce;
}

}  // namespace

Result<std::shared_ptr<Store>> Store::Open(std::unique_ptr<Disk> disk, const Options& options) {
  const std::string& path = options.path;
  std::shared_ptr<Store> store(new Store(std::move(disk), path, options.mode != Mode::kRead));
  if (options.mode == Mode::kCreate) {
    TRY(store->disk_->MakeDirectory(path));
    TRY(store->disk_->MakeDirectory(path + "/packs"));
    TRY(store->disk_->MakeDirectory(path + "/images"));
  }
  if (store->writable_) {
    TRY_ASSIGN(store->lock_, store->disk_->Lock(path + "/lock"));
  }
  TRY(store->LoadOrCreateSuperblock(options));
  Watermark synced;
  TRY(store->LoadImages(synced));
  TRY_ASSIGN(store->packs_,
             PackStore::Open(*store->disk_,
                             {path, store->id_, store->writable_, options.pack_bytes_max, synced,
                              options.thread_count, options.compress, options.index_bytes_max},
                             store->sealing_.get()));
  return store;
}

Status Store::LoadOrCreateSuperblock(const Options& options) {
  const std::string path = path_ + "/store";
  auto opened = disk_->Open(path, OpenMode::kRead);
  if (!opened.ok() && (opened.error().code != ErrorCode::kNotFound ||
                       options.mode != Mode::kCreate))
    return opened.error();
  std::unique_ptr<Cipher> cipher;
  if (!options.key.empty()) {
    TRY_ASSIGN(cipher, Cipher::Make(options.key));
  }
  const bool is_new = !opened.ok();
  if (is_new) {
    id_ = options.id_if_new;
  } else {
    TRY_ASSIGN(const Bytes bytes, ReadWhole(*opened.value(), kSuperblockBytes, "store"));
    Reader reader(bytes);
    const View magic = reader.Raw(8);
    const uint32_t version = reader.U32();
    const uint32_t encrypted = reader.U32();
    const View id = reader.Raw(id_.size());
    epoch_ = reader.U32();
    const View tag = reader.Raw(kCipherTagBytes);
    if (bytes.size() < 12 || !std::equal(magic.begin(), magic.end(), kStoreMagic))
      return Error{ErrorCode::kCorrupt, "store at 0", "this is no store of Capstan"};
    if (version != kVersion)
      return Error{ErrorCode::kCorrupt, "store at 0",
                   "version " + std::to_string(version) + " of the format is not known"};
    Reader checksum(View(bytes).last(4));
    if (bytes.size() != kSuperblockBytes ||
        Crc32c(0, View(bytes).first(kSuperblockBytes - 4)) != checksum.U32() || encrypted > 1)
      return Error{ErrorCode::kCorrupt, "store at 0", "the superblock is damaged"};
    std::copy(id.begin(), id.end(), id_.begin());
    if ((encrypted == 1) != (cipher != nullptr))
      return Error{ErrorCode::kInvalid, path_,
                   encrypted == 1 ? "the store is encrypted: its key is needed"
                                  : "the store is not encrypted: it takes no key"};
    if (cipher && !cipher->Open({}, KeyCheckNonce(epoch_), id_, tag).ok())
      return Error{ErrorCode::kInvalid, path_, "the key is not the one of this store"};
  }
  // Nonces of an earlier opening are never used again: the epoch is durable before the first.
  if (cipher && writable_) ++epoch_;
  if (cipher) sealing_.reset(new Sealing{std::move(cipher), NonceSource(epoch_)});
  // The store's own name comes first: whoever finds a superblock need not sync what is above.
  if (is_new) TRY(disk_->SyncDirectory(ParentOf(path_)));
  if (is_new || (sealing_ && writable_)) return WriteSuperblock();
  // A process killed while it made the store may have left names that are in memory only.
  return writable_ ? disk_->SyncDirectory(path_) : Ok();
}

Status Store::WriteSuperblock() {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(kStoreMagic);
  writer.U32(kVersion);
  writer.U32(sealing_ ? 1 : 0);
  writer.Raw(id_);
  writer.U32(epoch_);
  std::array<uint8_t, kCipherTagBytes> tag{};
  if (sealing_) TRY(sealing_->cipher->Seal({}, KeyCheckNonce(epoch_), id_, tag));
  writer.Raw(tag);
  bytes.resize(kSuperblockBytes - 4);
  writer.U32(Crc32c(0, bytes));
  return ReplaceFile(path_, "store", bytes);
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
    auto parsed = LoadImage(name);
    // A process that was killed may have left frames that are in memory only. They are seen from now on, and
    // referred to, so a power cut must not take them back; and those whose sync failed were never written,
    // whatever the cache says.
    if (writable_ && parsed.ok() && !parsed.value().closed) {
      TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kWrite));
      TRY(file->Refresh());
      parsed = LoadImage(name);
    }
    if (parsed.ok()) {
      const Watermark& reached = parsed.value().state.synced;
      const uint32_t next_region = std::max(synced.next_region, reached.next_region);
      if (synced.Before(reached)) synced = reached;
      synced.next_region = next_region;
    } else if (parsed.error().code == ErrorCode::kCorrupt) {
      // A staged image (`<tape>.<suffix>`) is torn where a crash came before its sync: nobody relies on it.
      if (writable_ && name.find('.') != std::string::npos)
        TRY(disk_->Remove(ImagePath(name)));
      else
        damages_.push_back({parsed.error().place, parsed.error().what});
    } else if (writable_ || parsed.error().code != ErrorCode::kNotFound) {
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
  return ParseImageFile(bytes, "images/" + name, sealing_.get());
}

Status Store::CheckOpen(bool for_writing) const {
  const std::lock_guard guard(mutex_);
  if (closed_) return Error{ErrorCode::kInvalid, path_, "the store is closed"};
  if (!for_writing) return Ok();
  if (!writable_) return Error{ErrorCode::kInvalid, path_, "the store is open for reading only"};
  if (!failure_.empty()) return Error{ErrorCode::kFailed, path_, failure_};
  return Ok();
}

Result<std::shared_lock<std::shared_mutex>> Store::Enter() {
  std::shared_lock entered(gate_);
  TRY(CheckOpen(true));
  return entered;
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

Status Store::ReplaceFile(const std::string& folder, const std::string& name,
                          const Bytes& content) {
  const std::string path = folder + "/" + name;
  const std::string temporary = folder + "/" + kTemporaryMark + name;
  TRY_ASSIGN(const bool leftover, disk_->Exists(temporary));
  if (leftover) TRY(disk_->Remove(temporary));
  TRY_ASSIGN(const auto file, disk_->Open(temporary, OpenMode::kCreate));
  const auto write = [&]() -> Status {
    TRY(file->WriteAt(0, content));
    const Status synced = file->Sync();
    // What a disk says that has failed to sync is not to be relied on.
    if (!synced.ok() && synced.error().code != ErrorCode::kNoSpace) Fail(synced.error());
    return synced;
  };
  if (const Status written = write(); !written.ok()) {
    // A leftover is cleared away at the next opening as well.
    if (const Status removed = disk_->Remove(temporary); !removed.ok()) return removed;
    return written;
  }
  TRY(disk_->Rename(temporary, path));
  const Status synced = disk_->SyncDirectory(folder);
  if (!synced.ok()) Fail(synced.error());
  return synced;
}

Status Store::ReplaceImage(const std::string& name, const Bytes& content) {
  const std::lock_guard guard(names_mutex_);
  TRY_ASSIGN(const auto entered, Enter());
  return ReplaceFile(path_ + "/images", name, content);
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
  if (!IsImageName(name)) return BadName(name);
  const auto give_back = [&](const Error& error) {
    const std::lock_guard guard(mutex_);
    if (writable) writing_.erase(name);
    return error;
  };
  if (writable) {
    {
      const std::lock_guard guard(mutex_);
      if (!writing_.insert(name).second)
        return Error{ErrorCode::kInUse, name, "it is open for writing"};
    }
    // The last frame may be in memory only since a process was killed, or closed the image: a power cut
    // could take it and leave the next one behind it, which would read as damage.
    const auto refresh = [&]() -> Status {
      TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kWrite));
      const Status refreshed = file->Refresh();
      if (!refreshed.ok()) Fail(refreshed.error());
      return refreshed;
    };
    if (const Status refreshed = refresh(); !refreshed.ok()) return give_back(refreshed.error());
  }
  auto loaded = LoadImage(name);
  if (!loaded.ok()) return give_back(loaded.error());
  ParsedImage parsed = loaded.take();
  auto image = std::make_shared<Image>(shared_from_this(), name, writable, std::move(parsed));
  const std::lock_guard guard(mutex_);
  std::erase_if(open_, [](const auto& other) { return other.expired(); });
  open_.push_back(image);
  return image;
}

Result<std::vector<ImageInfo>> Store::ListImages() {
  TRY(CheckOpen(false));
  TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
  std::vector<ImageInfo> images;
  for (const std::string& name : names) {
    const auto parsed = LoadImage(name);
    if (!parsed.ok()) {
      // A damaged image keeps nobody from the others; Verify names it. One may be removed meanwhile.
      if (parsed.error().code == ErrorCode::kCorrupt || parsed.error().code == ErrorCode::kNotFound)
        continue;
      return parsed.error();
    }
    ImageInfo info{name, parsed.value().state.generation, {}};
    for (const PartitionState& state : parsed.value().state.partitions)
      info.partitions.push_back(
          SummaryOf(state.objects, state.streams[0].size() + state.streams[1].size()));
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
  const std::lock_guard guard(names_mutex_);
  TRY_ASSIGN(const auto entered, Enter());
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
  const std::lock_guard guard(names_mutex_);
  TRY_ASSIGN(const auto entered, Enter());
  TRY(disk_->Rename(ImagePath(from), ImagePath(to)));
  return SyncImagesFolder();
}

Result<std::vector<ManifestSlice>> Store::SlicesOf(const ChunkList& list) {
  // A few bytes of a damaged image can name more slices than there is memory for.
  if (list.size() > kManifestBytesMax / kDigestBytes)
    return Error{ErrorCode::kLimit, "the manifest", "the image has too many slices for it"};
  std::vector<ManifestSlice> slices;
  slices.reserve(list.size());
  for (ChunkList::Cursor cursor = list.CursorAtSlice(0); !cursor.at_end(); cursor.NextOther()) {
    auto entry = packs_->EntryOf(cursor.slice().ref);
    if (!entry.ok() && !writable_) {
      TRY(packs_->Reload());
      entry = packs_->EntryOf(cursor.slice().ref);
    }
    if (!entry.ok()) return entry.error();
    slices.insert(slices.end(), cursor.repeats(),
                  {entry.value().digest, entry.value().length, cursor.slice().used});
  }
  return slices;
}

Result<Bytes> Store::ExportManifest(const std::string& name) {
  TRY(CheckOpen(false));
  TRY_ASSIGN(ParsedImage parsed, LoadImage(name));
  Manifest manifest;
  for (PartitionState& state : parsed.state.partitions) {
    ManifestPartition& partition = manifest.emplace_back();
    for (size_t i = 0; i < kStreamCount; ++i) {
      TRY_ASSIGN(partition.streams[i], SlicesOf(state.streams[i]));
    }
    partition.objects = std::move(state.objects);
  }
  return EncodeManifest(manifest);
}

Result<ManifestSummary> Store::ReadManifest(View bytes) const {
  TRY_ASSIGN(const Manifest manifest, ParseManifest(bytes));
  ManifestSummary summary{Blake3(bytes), {}, UniqueDigests(manifest)};
  for (const ManifestPartition& partition : manifest)
    summary.partitions.push_back(SummaryOf(
        partition.objects, partition.streams[0].size() + partition.streams[1].size()));
  return summary;
}

Bytes Store::LackingChunks(View digests) const {
  Bytes lacking;
  for (const Digest& digest : SplitDigests(digests)) lacking.push_back(packs_->Find(digest) ? 0 : 1);
  return lacking;
}

Result<Bytes> Store::ReadEncodedChunks(View digests) {
  TRY(CheckOpen(false));
  Bytes encoded;
  RawBytes stored;
  for (const Digest& digest : SplitDigests(digests)) {
    const auto ref = packs_->Find(digest);
    if (!ref) return Error{ErrorCode::kCorrupt, "packs", "a chunk that was asked for is missing"};
    TRY_ASSIGN(const ChunkContent content, packs_->Read(*ref));
    stored.clear();
    const Codec codec = Compress(content.bytes, Effort::kUsual, stored);
    Writer writer(encoded);
    writer.U8(static_cast<uint8_t>(codec));
    writer.U32(static_cast<uint32_t>(content.bytes.size()));
    writer.U32(static_cast<uint32_t>(stored.size()));
    writer.Raw(stored);
  }
  return encoded;
}

Result<Bytes> Store::AddEncodedChunks(View encoded) {
  TRY(CheckOpen(true));
  TRY(packs_->CheckRoom());
  // All of it is looked at before any of it is taken.
  std::vector<Bytes> contents;
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
    if (codec > static_cast<uint8_t>(Codec::kZstd))
      return Error{ErrorCode::kInvalid, "", "codec " + std::to_string(codec) + " is not known"};
    Bytes& content = contents.emplace_back(content_length);
    if (const Status done = Decompress(static_cast<Codec>(codec), stored, {}, content); !done.ok())
      return Error{ErrorCode::kInvalid, "", done.error().what};
  }
  Bytes digests;
  const std::lock_guard guard(intake_mutex_);
  for (const Bytes& content : contents) {
    const Digest digest = ChunkDigest(content);
    digests.insert(digests.end(), digest.begin(), digest.end());
    bool is_new = false;
    packs_->Take(intake_, digest, content, &is_new);
    // The collection leaves it until the image that it came for is staged.
    packs_->Find(digest);
  }
  return digests;
}

Status Store::StageImage(const std::string& name, View bytes, uint64_t generation) {
  TRY(CheckOpen(true));
  if (!IsImageName(name)) return BadName(name);
  TRY_ASSIGN(Manifest manifest, ParseManifest(bytes));
  std::vector<PartitionState> partitions;
  for (ManifestPartition& partition : manifest) {
    PartitionState& state = partitions.emplace_back();
    state.objects = std::move(partition.objects);
    for (size_t k = 0; k < kStreamCount; ++k) {
      for (size_t i = 0; i < partition.streams[k].size(); ++i) {
        const ManifestSlice& slice = partition.streams[k][i];
        const auto ref = packs_->Find(slice.digest);
        if (!ref) return Error{ErrorCode::kNotFound, "chunk", "number " + std::to_string(i)};
        TRY_ASSIGN(const ChunkEntry entry, packs_->EntryOf(*ref));
        if (entry.length != slice.content_length)
          return Error{ErrorCode::kCorrupt, "the manifest", "a slice is not as long as its chunk"};
        state.streams[k].Append({*ref, slice.used});
      }
    }
  }
  {
    const std::lock_guard guard(mutex_);
    if (writing_.contains(name)) return Error{ErrorCode::kInUse, name, "it is open for writing"};
    staged_.insert(name);
  }
  // The frame says how far the packs are synced, so they are before it is written.
  ChunkStream* const intake = &intake_;
  const std::lock_guard intake_guard(intake_mutex_);
  TRY_ASSIGN(const Watermark synced, packs_->Sync({&intake, 1}));
  FrameWriter frame(generation, synced);
  for (uint32_t i = 0; i < partitions.size(); ++i) frame.Change(i, partitions[i], 0);
  Bytes content = EncodeImageHeader(id_, static_cast<uint32_t>(partitions.size()));
  TRY_ASSIGN(const Bytes encoded, frame.Finish(0, sealing_.get()));
  content.insert(content.end(), encoded.begin(), encoded.end());
  const std::lock_guard guard(names_mutex_);
  TRY_ASSIGN(const auto entered, Enter());
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
  {
    ChunkStream* const intake = &intake_;
    const std::lock_guard guard(intake_mutex_);
    if (const auto synced = packs_->Sync({&intake, 1}); !synced.ok()) return synced.error();
  }
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

Result<ChunkContent> Store::ReadChunk(ChunkRef ref) {
  auto content = packs_->Read(ref);
  if (content.ok() || writable_ || content.error().code != ErrorCode::kCorrupt) return content;
  TRY(packs_->Reload());
  return packs_->Read(ref);
}

// Parses the images and resolves what they refer to; reads it, too, where `read`. `regions` gets the regions.
Status Store::CheckImages(const std::vector<std::string>& names, bool read, VerifyReport& report,
                          std::set<uint32_t>& regions) {
  for (const std::string& name : names) {
    const auto parsed = LoadImage(name);
    // Of all images, one may be removed meanwhile.
    if (!read && !parsed.ok() && parsed.error().code == ErrorCode::kNotFound) continue;
    ++report.image_count;
    if (!parsed.ok()) {
      if (parsed.error().code != ErrorCode::kCorrupt) return parsed.error();
      report.damages.push_back({parsed.error().place, parsed.error().what});
      continue;
    }
    std::set<uint32_t> own;
    for (const PartitionState& state : parsed.value().state.partitions) {
      for (const ChunkList& list : state.streams) {
        for (auto cursor = list.CursorAtSlice(0); !cursor.at_end(); cursor.NextOther()) {
          const Slice slice = cursor.slice();
          const auto entry = packs_->EntryOf(slice.ref);
          if (!entry.ok())
            report.damages.push_back(
                {entry.error().place, entry.error().what + " (image " + name + ")"});
          else if (entry.value().length < slice.used)
            report.damages.push_back({"images/" + name, "a slice is longer than its chunk"});
          own.insert(RegionOf(slice.ref));
        }
      }
    }
    for (const uint32_t region : own) {
      if (!read || regions.contains(region)) continue;
      const auto checked = packs_->Check(region);
      if (checked.ok())
        report.chunk_count += checked.value();
      else if (checked.error().code == ErrorCode::kCorrupt)
        report.damages.push_back({checked.error().place, checked.error().what});
      else
        return checked.error();
      verified_bytes += kRegionContentBytes;
    }
    for (const uint32_t region : own)
      if (const auto place = packs_->DamagedPlace(region))
        report.damages.push_back({*place, "data of image " + name + " is damaged"});
    regions.merge(own);
  }
  return Ok();
}

Result<VerifyReport> Store::Verify(const std::vector<std::string>& wanted) {
  TRY(CheckOpen(false));
  if (!writable_) TRY(packs_->Reload());
  VerifyReport report{0, 0, 0, {}};
  verified_bytes = 0;
  verify_total_bytes = packs_->StoredBytes();
  if (wanted.empty()) {
    TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
    TRY(packs_->VerifyPacks(report.damages, verified_bytes, report.chunk_count));
    report.bytes_read = verified_bytes;
    std::set<uint32_t> regions;
    TRY(CheckImages(names, false, report, regions));
    return report;
  }
  std::set<uint32_t> regions;
  TRY(CheckImages(wanted, true, report, regions));
  verify_total_bytes = report.bytes_read = verified_bytes;
  return report;
}

Result<std::vector<Digest>> Store::DamagedChunks(const std::vector<std::string>& images) {
  TRY(CheckOpen(false));
  VerifyReport report{0, 0, 0, {}};
  std::set<uint32_t> regions;
  TRY(CheckImages(images, true, report, regions));
  std::set<uint32_t> damaged;
  for (const uint32_t region : regions)
    if (packs_->DamagedPlace(region)) damaged.insert(region);
  std::vector<Digest> digests;
  if (damaged.empty()) return digests;
  std::set<Digest> seen;
  for (const std::string& name : images) {
    const auto parsed = LoadImage(name);
    if (!parsed.ok()) continue;
    for (const PartitionState& state : parsed.value().state.partitions)
      for (const ChunkList& list : state.streams)
        list.EachRef([&](ChunkRef ref) {
          if (!damaged.contains(RegionOf(ref))) return;
          const auto entry = packs_->EntryOf(ref);
          if (entry.ok() && !packs_->Find(entry.value().digest) &&
              seen.insert(entry.value().digest).second)
            digests.push_back(entry.value().digest);
        });
  }
  return digests;
}

Result<PackStore::Collected> Store::Collect(double live_share, size_t packs_max) {
  TRY(CheckOpen(true));
  const std::lock_guard collection_guard(collection_mutex_);
  packs_->BeginCollection();
  std::vector<bool> marks(packs_->next_region());
  const auto mark = [&](ChunkRef ref) {
    if (RegionOf(ref) >= marks.size()) marks.resize(RegionOf(ref) + size_t{1024});
    marks[RegionOf(ref)] = true;
  };
  {
    // Before the names: what an image refers to in memory stands in its file once it is closed.
    std::vector<std::shared_ptr<Image>> open;
    {
      const std::lock_guard guard(mutex_);
      for (const auto& image : open_)
        if (auto held = image.lock()) open.push_back(std::move(held));
    }
    for (const auto& image : open) image->EachRef(mark);
  }
  {
    const std::lock_guard names_guard(names_mutex_);
    TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
    for (const std::string& name : names) {
      // Of an image that cannot be read nobody knows what it refers to: nothing is given up.
      TRY_ASSIGN(const ParsedImage parsed, LoadImage(name));
      for (const PartitionState& state : parsed.state.partitions)
        for (const ChunkList& list : state.streams) list.EachRef(mark);
    }
  }
  packs_->MarkSubstitutes(marks);
  TRY(packs_->MarkBases(marks));
  return packs_->CollectPacks(marks, live_share, packs_max);
}

Result<StoreStatistics> Store::Statistics() {
  TRY(CheckOpen(false));
  TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
  return StoreStatistics{names.size(), packs_->Statistics(), appended_bytes_.load(),
                         new_chunk_bytes_.load()};
}

Status Store::Close() {
  // A note that could not be written costs the next opening some time, no more.
  if (CheckOpen(true).ok())
    if (const Status saved = packs_->SaveTable();
        !saved.ok() && saved.error().code == ErrorCode::kCrashed)
      return saved;
  const std::lock_guard gate_guard(gate_);
  // Images that are still open, and workers, would go on writing where the next process does.
  packs_->Halt();
  const std::lock_guard guard(mutex_);
  closed_ = true;
  lock_.reset();
  return Ok();
}

}  // namespace capstan
