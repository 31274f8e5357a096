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

std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// What the key check of an encrypted store seals nothing with: no other nonce ends like this.
std::array<uint8_t, kCipherNonceBytes> KeyCheckNonce(uint32_t epoch) {
  std::array<uint8_t, kCipherNonceBytes> nonce;
  nonce.fill(0xff);
  for (size_t i = 0; i < 4; ++i) nonce[i] = static_cast<uint8_t>(epoch >> (8 * i));
  return nonce;
}

}  // namespace

bool Store::IsImageName(const std::string& name) {
  if (name.empty() || name.size() > kImageNameBytesMax) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool alphanumeric = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && (i == 0 || (c != '.' && c != '_' && c != '-'))) return false;
  }
  return true;
}

Status Store::CheckName(const std::string& name) {
  if (IsImageName(name)) return Ok();
  return Error{ErrorCode::kInvalid, "images",
               "\"" + name.substr(0, 80) + "\" is no name of an image"};
}

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
  store->image_file_bytes_max_ = std::min(options.image_file_bytes_max, kImageFileBytesMax);
  TRY(store->LoadOrCreateSuperblock(options));
  Watermark synced;
  TRY(store->LoadImages(synced));
  TRY_ASSIGN(store->packs_,
             PackStore::Open(*store->disk_,
                             {path, store->id_, store->writable_, options.pack_bytes_max, synced,
                              options.thread_count, options.compression, options.index_bytes_max},
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
  if (cipher && writable_ && epoch_++ == UINT32_MAX)
    return Error{ErrorCode::kLimit, path_, "the store has been opened as often as its key may be used"};
  if (cipher) sealing_.reset(new Sealing{std::move(cipher), NonceSource(epoch_, options.nonce_salt)});
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
  if (!sealing_) return ReplaceFile(path_, "store", bytes);
  // Each opening writes it anew, on a full disk, too: into a file that the last one made, and renamed over it.
  const std::string spare = path_ + "/" + kTemporaryMark + "store";
  TRY_ASSIGN(const bool prepared, disk_->Exists(spare));
  const auto put = [&](const Bytes& content, OpenMode mode) -> Status {
    TRY_ASSIGN(const auto file, disk_->Open(spare, mode));
    TRY(file->Truncate(content.size()));
    TRY(file->WriteAt(0, content));
    return file->Sync();
  };
  if (const Status written = put(bytes, prepared ? OpenMode::kWrite : OpenMode::kCreate);
      !written.ok()) {
    // A file that failed to sync is not to be relied on; that it may not be there changes nothing of what failed.
    if (written.error().code == ErrorCode::kIo) (void)disk_->Remove(spare).ok();
    return written;
  }
  TRY(disk_->Rename(spare, path_ + "/store"));
  TRY(disk_->SyncDirectory(path_));
  // Where there is no room, none will be needed: the next opening finds some, or says so.
  const Status next = put(Bytes(kSuperblockBytes), OpenMode::kCreate);
  return next.ok() || next.error().code == ErrorCode::kNoSpace ? Ok() : next;
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
  TRY(CheckName(name));
  TRY_ASSIGN(const auto file, disk_->Open(ImagePath(name), OpenMode::kRead));
  TRY_ASSIGN(const Bytes bytes, ReadWhole(*file, kImageFileBytesMax, "images/" + name));
  return ParseImageFile(bytes, IdOf(name), "images/" + name, sealing_.get());
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

// Whoever reads beside it finds the old file or the new one, never half of it.
Status Store::PutFile(const std::string& folder, const std::string& name, const Bytes& content,
                      bool sync) {
  const std::string temporary = folder + "/" + kTemporaryMark + name;
  TRY_ASSIGN(const bool leftover, disk_->Exists(temporary));
  if (leftover) TRY(disk_->Remove(temporary));
  TRY_ASSIGN(const auto file, disk_->Open(temporary, OpenMode::kCreate));
  const auto write = [&]() -> Status {
    TRY(file->WriteAt(0, content));
    if (!sync) return Ok();
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
  return disk_->Rename(temporary, folder + "/" + name);
}

Status Store::ReplaceFile(const std::string& folder, const std::string& name,
                          const Bytes& content) {
  TRY(PutFile(folder, name, content, true));
  const Status synced = disk_->SyncDirectory(folder);
  if (!synced.ok()) Fail(synced.error());
  return synced;
}

Status Store::CheckImageSize(const std::string& name, uint64_t bytes) const {
  if (bytes + kFrameHeaderBytes <= image_file_bytes_max_) return Ok();
  return Error{ErrorCode::kLimit, "images/" + name,
               "its file would have " + std::to_string(bytes) + " bytes, over the limit of " +
                   std::to_string(image_file_bytes_max_)};
}

Status Store::ReplaceImage(const std::string& name, const Bytes& content) {
  const std::lock_guard guard(names_mutex_);
  TRY_ASSIGN(const auto entered, Enter());
  return ReplaceFile(path_ + "/images", name, content);
}

Status Store::CreateImage(const std::string& name, uint32_t partition_count) {
  TRY(CheckOpen(true));
  TRY(CheckName(name));
  if (partition_count == 0 || partition_count > kPartitionCountMax)
    return Error{ErrorCode::kLimit, "images/" + name,
                 std::to_string(partition_count) + " partitions, over the limit of " +
                     std::to_string(kPartitionCountMax)};
  TRY_ASSIGN(const bool exists, disk_->Exists(ImagePath(name)));
  if (exists) return Error{ErrorCode::kAlreadyExists, name, "exists"};
  return ReplaceImage(name, EncodeImageHeader(IdOf(name), partition_count));
}

Result<std::shared_ptr<Image>> Store::OpenImage(const std::string& name, bool writable) {
  TRY(CheckOpen(writable));
  TRY(CheckName(name));
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
  TRY(CheckName(name));
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
  TRY(CheckName(from));
  TRY(CheckName(to));
  if (TapeOf(from) != TapeOf(to))
    return Error{ErrorCode::kInvalid, "images/" + from, "it is not staged for " + to};
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

Status Store::Sync() {
  TRY(CheckOpen(true));
  {
    ChunkStream* const intake = &intake_;
    const std::lock_guard guard(intake_mutex_);
    if (const auto synced = packs_->Sync({&intake, 1}); !synced.ok()) return synced.error();
  }
  // Whoever comes second returns no sooner than what the first has taken on is durable.
  const std::lock_guard staged_guard(staged_sync_mutex_);
  std::set<std::string> staged;
  {
    const std::lock_guard guard(mutex_);
    staged.swap(staged_);
  }
  for (const std::string& name : staged) {
    const auto file = disk_->Open(ImagePath(name), OpenMode::kWrite);
    // Removed meanwhile: its copy was given up.
    if (!file.ok() && file.error().code == ErrorCode::kNotFound) continue;
    if (!file.ok()) {
      // None of them is durable yet; syncing one twice harms nobody.
      const std::lock_guard guard(mutex_);
      staged_.merge(staged);
      return file.error();
    }
    if (const Status synced = file.value()->Sync(); !synced.ok()) {
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
  content = packs_->Read(ref);
  if (content.ok() || content.error().code != ErrorCode::kCorrupt) return content;
  // Only the writer's own readers keep packs from its collection.
  Error error = content.error();
  error.what += "; or its image was removed or overwritten since it was opened, and collected";
  return error;
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
  std::vector<std::weak_ptr<Image>> open;
  {
    const std::lock_guard gate_guard(gate_);
    // Images that are still open, and workers, would go on writing where the next process does.
    packs_->Halt();
    const std::lock_guard guard(mutex_);
    closed_ = true;
    lock_.reset();
    open.swap(open_);
  }
  // Whoever still holds the store or an image holds no file of them.
  for (const auto& image : open)
    if (const auto held = image.lock()) held->CloseFile();
  packs_->CloseFiles();
  return Ok();
}

}  // namespace capstan
