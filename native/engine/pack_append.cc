// Writing: drafts are compressed and sealed, appended to the last pack, and made durable.
#include <algorithm>

#include "pack_store.h"

namespace capstan {
namespace {

// Less than this saved (1/10), and the next region of the stream is worth little effort.
constexpr uint32_t kDenseDivisor = 10;
// A delta that does not halve its region is kept where it saves so much (1/16) of what the content comes to alone.
constexpr size_t kDeltaGainDivisor = 16;
constexpr size_t kSpareBuffersMax = 12;
// At most, of what stands besides the content: of a chunk that is alone in its region, lists, headers and
// table, and of 16 KiB, the shortest that is cut, the same as a share; of a region in a table, bases and all.
constexpr uint64_t kRoomOfChunk = 512;
constexpr uint64_t kRoomDivisor = 32;
constexpr uint64_t kRoomOfTableRegion = 20 + 8 * kBaseRunCountMax;
constexpr uint64_t kChunkEntryBytes = 36;
// Padding in front of the table and behind it, trailer, the next header, and padding of some syncs.
constexpr uint64_t kRoomOfPackEnd = 32 * 1024;
// So many numbers are left for what was taken when no more is taken.
constexpr uint32_t kRegionIdsSpare = 64 * 1024;

}  // namespace

void PackStore::Submit(std::vector<Draft>& closing) {
  for (const Draft& draft : closing)
    if (!workers_.TrySubmit([this, draft] { WriteDraft(draft); })) WriteDraft(draft);
}

Result<PackStore::Prefix> PackStore::BasePrefix(const std::vector<BaseRun>& bases) {
  // Memory that is new each time costs as much as the copy.
  thread_local RawBytes joined;
  joined.clear();
  joined.reserve(kBaseBytesMax);
  Prefix prefix;
  for (const BaseRun& run : bases) {
    {
      // A delta against a delta, or against itself, was never written: who follows it could wait for ever.
      const std::lock_guard guard(mutex_);
      const RegionPlace* const place = regions_.Find(run.region);
      if (place != nullptr && (place->flags & RegionPlace::kDelta) != 0)
        return Error{ErrorCode::kCorrupt, "",
                     "a region's base is itself compressed against others"};
    }
    TRY_ASSIGN(auto content, Content(run.region, 1));
    if (run.count == 0 || run.first + size_t{run.count} > content->ends.size())
      return Error{ErrorCode::kCorrupt, "packs", "what a region was compressed against is shorter"};
    const uint32_t start = run.first == 0 ? 0 : content->ends[run.first - 1];
    const uint32_t end = content->ends[run.first + run.count - 1];
    const View part = content->bytes.subspan(start, end - start);
    if (joined.size() + part.size() > kBaseBytesMax)
      return Error{ErrorCode::kCorrupt, "packs", "what a region was compressed against is too long"};
    if (bases.size() == 1) {
      // Mostly it is one piece of one region, which needs no copy.
      prefix.region = std::move(content);
      prefix.bytes = part;
      return prefix;
    }
    Append(joined, part);
  }
  prefix.bytes = joined;
  return prefix;
}

Effort PackStore::EffortFor(const RegionDraft& draft) const {
  if (options_.compression == Compression::kFast) return Effort::kFast;
  return *draft.dense ? Effort::kLittle : Effort::kUsual;
}

void PackStore::WriteDraft(const Draft& draft) {
  // The draft keeps its bases: a collection asks for them until it lies in a pack.
  Encoded encoded{draft, {}, {draft->chunks, draft->bases}, {}};
  {
    const std::lock_guard guard(mutex_);
    if (!spare_.empty()) {
      encoded.bytes = std::move(spare_.back());
      spare_.pop_back();
      encoded.bytes.clear();
    }
  }
  const auto content_bytes = static_cast<uint32_t>(draft->content.size());
  BeginRegion(encoded.lists, encoded.bytes);
  const size_t lists_end = encoded.bytes.size();
  const auto& arrived = draft->arrived;
  Codec codec = Codec::kRaw;
  std::optional<Codec> alone_codec;
  RawBytes alone;
  if (arrived) {
    codec = arrived->codec;
  } else if (!encoded.lists.bases.empty()) {
    const auto prefix = BasePrefix(encoded.lists.bases);
    bool gains = prefix.ok() && CompressAgainst(prefix.value().bytes, draft->content, encoded.bytes);
    const size_t delta_bytes = encoded.bytes.size() - lists_end;
    if (gains && delta_bytes > content_bytes / 2) {
      // A long one must be shorter than what the content comes to alone, since reading it takes longer.
      alone_codec = Compress(draft->content, EffortFor(*draft), alone);
      gains = delta_bytes + delta_bytes / kDeltaGainDivisor <= alone.size();
    }
    if (gains) {
      codec = Codec::kDelta;
    } else {
      encoded.lists.bases.clear();
      encoded.bytes.clear();
      BeginRegion(encoded.lists, encoded.bytes);
    }
  }
  const bool compresses = !arrived && options_.compression != Compression::kOff;
  const bool as_it_is = codec == Codec::kRaw && !compresses && sealing_ == nullptr;
  if (arrived && codec != Codec::kRaw) {
    Append(encoded.bytes, arrived->stored);
  } else if (codec == Codec::kRaw && alone_codec) {
    codec = *alone_codec;
    Append(encoded.bytes, alone);
  } else if (codec == Codec::kRaw && compresses) {
    codec = Compress(draft->content, EffortFor(*draft), encoded.bytes);
  } else if (codec == Codec::kRaw && !as_it_is) {
    Append(encoded.bytes, draft->content);
  }
  if (encoded.lists.bases.empty() && !arrived)
    *draft->dense = encoded.bytes.size() > content_bytes - content_bytes / kDenseDivisor;
  const auto header =
      FinishRegion(draft->id, options_.store_id, codec, content_bytes, encoded.lists, sealing_,
                   encoded.bytes, as_it_is ? View(draft->content) : View{});
  if (!header.ok()) {
    // Nothing that could not be opened again goes to the disk; the sync is told.
    (void)Fail(header.error()).ok();
    return;
  }
  // Who reads the draft meanwhile reads it under the lock, and finds it until its place is known.
  encoded.header = header.value();

  const std::lock_guard guard(append_mutex_);
  // In the order they came: what waits for space goes first.
  const Status appended =
      stalled_.empty() ? AppendEncoded(encoded)
                       : Status(Error{ErrorCode::kNoSpace, options_.path, "no space"});
  if (appended.ok()) return;
  const std::lock_guard inner(mutex_);
  if (appended.error().code == ErrorCode::kNoSpace) {
    stalled_.push_back(std::move(encoded));
    full_ = true;
  } else if (!failed_) {
    failed_ = appended.error();
  }
  settled_.notify_all();
}

Status PackStore::AppendEncoded(Encoded& encoded) {
  bool roll;
  {
    const std::lock_guard guard(mutex_);
    // After a failed sync nothing more is begun: the next pack would say that this one is whole.
    if (failed_) return *failed_;
    roll = tail_sealed_ || (!tail_table_.regions().empty() &&
                            writer_.end() + encoded.header.total_bytes > options_.pack_bytes_max);
  }
  if (roll) TRY(Roll());
  const uint64_t offset = writer_.end();
  const View rest = encoded.draft && encoded.header.total_bytes > encoded.bytes.size()
                        ? View(encoded.draft->content)
                        : View{};
  PlaceRegion(encoded.bytes, SiteOf(tail_number_, offset));
  TRY(writer_.Append(encoded.bytes, rest));
  const std::lock_guard guard(mutex_);
  RegionPlace& place = regions_[encoded.header.id];
  place = {tail_number_, static_cast<uint32_t>(offset), encoded.header.total_bytes,
           encoded.header.codec == Codec::kDelta ? RegionPlace::kDelta : uint8_t{0}, collection_,
           encoded.draft && encoded.draft->wanted ? collection_ : place.wanted, 0};
  tail_table_.Add(encoded.header, static_cast<uint32_t>(offset), encoded.lists);
  if (encoded.draft) {
    drafts_.erase(encoded.header.id);
    outstanding_.erase(encoded.draft->sequence);
    for (RawBytes* bytes : {&encoded.draft->content, &encoded.bytes}) {
      if (spare_.size() >= kSpareBuffersMax) break;
      bytes->clear();
      spare_.push_back(std::move(*bytes));
    }
  }
  settled_.notify_all();
  return Ok();
}

// Seals the last pack and begins the next. Goes on where it was left where the disk was full.
Status PackStore::Roll() {
  std::shared_ptr<File> file;
  uint32_t number;
  {
    const std::lock_guard guard(mutex_);
    number = tail_number_;
    file = files_[number];
  }
  if (!tail_sealed_) {
    TRY(writer_.Flush());
    TRY_ASSIGN(const Bytes end, EncodePackEnd(tail_table_, IdOf(number), writer_.end(), sealing_));
    TRY(writer_.Append(end));
    tail_sealed_ = true;
  }
  if (!tail_done_) {
    TRY(writer_.Flush());
    if (const Status synced = writer_.Sync(); !synced.ok()) return Fail(synced.error());
    tail_done_ = true;
  }
  return StartPack(number + 1);
}

Status PackStore::StartPack(uint32_t number) {
  const std::string path = options_.path + "/" + PackName(number);
  PackHeader header{number, 0, options_.store_id};
  {
    const std::lock_guard guard(mutex_);
    if (next_region_ > kRegionIdMax)
      return Error{ErrorCode::kLimit, options_.path, "the store has used up its region numbers"};
    header.next_region = next_region_;
  }
  TRY_ASSIGN(auto opened, disk_.OpenDirect(path, OpenMode::kCreate));
  const auto begin = [&]() -> Status {
    const Bytes bytes = EncodePackHeader(header);
    AlignedBuffer buffer(bytes.size());
    std::copy(bytes.begin(), bytes.end(), buffer.data());
    TRY(opened->WriteAt(0, buffer.span()));
    TRY(opened->Sync());
    return disk_.SyncDirectory(options_.path + "/packs");
  };
  if (const Status begun = begin(); !begun.ok()) {
    // Without this the name would stay taken; if it fails too, the next opening mends the empty pack.
    const bool removed = disk_.Remove(path).ok();
    // A disk that fails to sync is not to be asked again: the next sync may say that it is well, and lie.
    if (!removed || begun.error().code != ErrorCode::kNoSpace) return Fail(begun.error());
    return begun.error();
  }
  const std::shared_ptr<File> file = Shared(std::move(opened));
  const uint64_t sealed_bytes = writer_.end();
  writer_.Attach(file, kPackHeaderBytes);
  tail_sealed_ = tail_done_ = false;
  const std::lock_guard guard(mutex_);
  if (tail_number_ != 0)
    KeepTable(tail_number_, std::make_unique<PackTable>(std::move(tail_table_)));
  KeepIndexSmall();
  tail_table_ = PackTable{};
  tail_number_ = number;
  packs_.insert(number);
  files_[number] = file;
  stored_bytes_ += sealed_bytes;
  return Ok();
}

Status PackStore::Fail(const Error& error) {
  const std::lock_guard guard(mutex_);
  if (!failed_) failed_ = error;
  settled_.notify_all();
  return error;
}

// The first to ask hears what it was, later ones that the store has failed.
Status PackStore::CheckFailed() {
  if (!failed_) return Ok();
  if (!failure_told_ || failed_->code == ErrorCode::kCrashed) {
    failure_told_ = true;
    return *failed_;
  }
  return Error{ErrorCode::kFailed, options_.path, failed_->place + ": " + failed_->what};
}

std::string PackStore::failure() const {
  const std::lock_guard guard(mutex_);
  return failed_ && failed_->code != ErrorCode::kCrashed ? failed_->place + ": " + failed_->what
                                                         : std::string();
}

uint64_t PackStore::RoomFor(uint64_t bytes, uint64_t ends) {
  return bytes + bytes / kRoomDivisor + ends * kRoomOfChunk;
}

uint64_t PackStore::PromisedBytes() {
  uint64_t bytes = promised_bytes_ + kRoomOfPackEnd;
  const std::lock_guard guard(mutex_);
  bytes += writer_.end() - std::min(writer_.end(), writer_.written_end());
  for (const auto& [id, draft] : drafts_)
    bytes += draft->content.size() + (draft->chunks.size() + 1) * kRoomOfChunk;
  bytes += tail_table_.chunk_count() * kChunkEntryBytes +
           tail_table_.regions().size() * kRoomOfTableRegion;
  // Each pack that is begun meanwhile has a beginning and an end.
  return bytes + bytes / options_.pack_bytes_max * kRoomOfPackEnd;
}

Status PackStore::Claim(uint64_t bytes, uint64_t spare) {
  bool full;
  {
    const std::lock_guard guard(mutex_);
    TRY(CheckFailed());
    full = full_;
    if (next_region_ > kRegionIdMax - kRegionIdsSpare)
      return Error{ErrorCode::kLimit, options_.path, "the store has used up its region numbers"};
  }
  if (full) TRY(RetryStalled());
  // First, so that of several at once each counts the others.
  promised_bytes_ += bytes;
  const Status held = reserve_.Hold(PromisedBytes() + spare);
  if (!held.ok()) promised_bytes_ -= bytes;
  return held;
}

Result<bool> PackStore::MakeRoom() {
  const Result<bool> made = reserve_.Release();
  if (!made.ok()) return Fail(made.error()).error();
  return made;
}

Status PackStore::RetryStalled() {
  const std::lock_guard guard(append_mutex_);
  return Retry();
}

Status PackStore::Retry() {
  const auto retry = [&]() -> Status {
    writer_.Retry();
    while (!stalled_.empty()) {
      TRY(AppendEncoded(stalled_.front()));
      stalled_.erase(stalled_.begin());
    }
    return writer_.Flush();
  };
  Status retried = retry();
  if (!retried.ok() && retried.error().code == ErrorCode::kNoSpace) {
    TRY_ASSIGN(const bool made, MakeRoom());
    if (made) retried = retry();
    // The rest of the room is still for what was accepted.
    const Status held = made && retried.ok() ? reserve_.Hold(PromisedBytes()) : Ok();
    if (!held.ok() && held.error().code != ErrorCode::kNoSpace) retried = held;
  }
  if (!retried.ok() && retried.error().code != ErrorCode::kNoSpace) return Fail(retried.error());
  const std::lock_guard inner(mutex_);
  full_ = !retried.ok();
  return retried;
}

Result<Watermark> PackStore::Sync(std::span<ChunkStream* const> streams) {
  std::vector<Draft> closing;
  uint64_t sequence;
  {
    const std::lock_guard guard(mutex_);
    TRY(CheckFailed());
    for (ChunkStream* const stream : streams) {
      CloseDraft(stream->delta, closing);
      CloseDraft(stream->plain, closing);
    }
    // What another stream has drafted and this one refers to.
    std::vector<Draft> shared;
    for (const auto& [id, draft] : drafts_)
      if (draft->shared && !draft->closed) shared.push_back(draft);
    std::sort(shared.begin(), shared.end(),
              [](const Draft& a, const Draft& b) { return a->id < b->id; });
    for (Draft& draft : shared) CloseDraft(draft, closing);
    sequence = next_sequence_;
  }
  Submit(closing);
  while (true) {
    bool full;
    {
      std::unique_lock lock(mutex_);
      const auto settled = [&] {
        return outstanding_.empty() || *outstanding_.begin() >= sequence;
      };
      settled_.wait(lock, [&] { return failed_ || full_ || settled(); });
      TRY(CheckFailed());
      full = full_;
      if (!full && settled()) break;
    }
    TRY(RetryStalled());
  }
  return SyncTail();
}

// Several syncs at once share one: who waited finds that it was done.
Result<Watermark> PackStore::SyncTail() {
  Watermark needed;
  {
    const std::lock_guard guard(append_mutex_);
    needed = {tail_number_, writer_.end(), 0};
  }
  const std::lock_guard sync_guard(sync_mutex_);
  if (!synced_.Before(needed)) return synced_;
  Watermark reached;
  {
    const std::lock_guard guard(append_mutex_);
    if (const Status flushed = writer_.Flush(); !flushed.ok()) {
      if (flushed.error().code != ErrorCode::kNoSpace) return Fail(flushed.error()).error();
      TRY(Retry());
    }
    const std::lock_guard inner(mutex_);
    reached = {tail_number_, writer_.end(), next_region_};
  }
  // A pack that was sealed meanwhile was synced then.
  if (const Status synced = writer_.Sync(); !synced.ok()) return Fail(synced.error()).error();
  synced_ = reached;
  if (const Status shrunk = reserve_.Shrink(PromisedBytes()); !shrunk.ok())
    return Fail(shrunk.error()).error();
  return reached;
}

}  // namespace capstan
