#include "pack_store.h"

#include <algorithm>

#include "blake3.h"
#include "chunker.h"

namespace capstan {
namespace {

// Region numbers that a stream sets aside at a time.
constexpr uint32_t kIdExtent = 16;
// Of consecutive new chunks, so many regions are compressed against what they replace; what is longer is
// rather something new.
constexpr unsigned kDeltaCountMax = 4;
// Old bytes taken in front of and behind those replaced: insertions and deletions shift.
constexpr uint64_t kBaseSlackBytes = 64 * 1024;
// Less than this saved (1/10), and the next region of the stream is worth little effort.
constexpr uint32_t kDenseDivisor = 10;
// Waiting to be decoded, half of what the cache holds.
constexpr size_t kPrefetchedRegionsMax = 24;
constexpr size_t kSpareBuffersMax = 12;
constexpr size_t kOpenFilesMax = 64;

}  // namespace

PackStore::PackStore(Disk& disk, Options options, Sealing* sealing)
    : disk_(disk),
      options_(std::move(options)),
      sealing_(sealing),
      writer_(options_.thread_count > 0),
      workers_(options_.thread_count) {}

PackStore::~PackStore() = default;

// -- Finding

ChunkRef PackStore::FindLocked(const Digest& digest) {
  const ChunkRef found = index_->Find(digest, [&](ChunkRef ref) {
    const auto chunks = ChunksOf(RegionOf(ref));
    return PlaceOf(ref) < chunks.size() && chunks[PlaceOf(ref)].digest == digest;
  });
  return found == kNoChunk && index_->sample_bits() > 0 ? FindSampled(digest) : found;
}

// Sparse indexing (Lillibridge et al., FAST'09): a sample brought in the table of the pack that it lies in, and
// what stood around it there is found by that.
ChunkRef PackStore::FindSampled(const Digest& digest) {
  const auto serves = [&](uint32_t pack, ChunkRef ref) {
    const RegionPlace* const place = ref == kNoChunk ? nullptr : regions_.Find(RegionOf(ref));
    return place != nullptr && place->pack == pack && (place->flags & RegionPlace::kBad) == 0;
  };
  if (const ChunkRef ref = tail_table_.FindDigest(digest); serves(tail_number_, ref)) return ref;
  for (const auto& [pack, table] : tables_)
    if (const ChunkRef ref = table->FindDigest(digest); serves(pack, ref)) return ref;
  for (const auto& [id, draft] : drafts_)
    for (uint32_t i = 0; i < draft->chunks.size(); ++i)
      if (draft->chunks[i].digest == digest) return RefOf(id, i);
  return kNoChunk;
}

// Thins the index out where it has grown beyond its limit.
void PackStore::KeepIndexSmall() {
  if (options_.index_bytes_max == UINT64_MAX) return;
  while (index_->memory_bytes() > options_.index_bytes_max &&
         index_->sample_bits() < ChunkIndex::kSampleBitsMax)
    index_->Sample(index_->sample_bits() + 1);
}

// Empty where the region is not there, or is damaged.
std::span<const ChunkEntry> PackStore::ChunksOf(uint32_t region) {
  if (const auto draft = drafts_.find(region); draft != drafts_.end()) return draft->second->chunks;
  const RegionPlace* const place = regions_.Find(region);
  if (place == nullptr || (place->flags & RegionPlace::kBad) != 0) return {};
  PackTable* const table = TableOf(place->pack);
  const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(region);
  return found == nullptr ? std::span<const ChunkEntry>{} : table->ChunksOf(*found);
}

PackTable* PackStore::TableOf(uint32_t pack) {
  if (pack == tail_number_) return &tail_table_;
  if (const auto rebuilt = rebuilt_.find(pack); rebuilt != rebuilt_.end()) return &rebuilt->second;
  for (auto entry = tables_.begin(); entry != tables_.end(); ++entry) {
    if (entry->first != pack) continue;
    tables_.splice(tables_.begin(), tables_, entry);
    return tables_.front().second.get();
  }
  const auto file = PackFile(pack);
  if (!file.ok()) return nullptr;
  auto end = ReadPackEnd(*file.value(), pack, sealing_);
  if (!end.ok()) return nullptr;
  KeepTable(pack, std::make_unique<PackTable>(std::move(end.value().table)));
  return tables_.front().second.get();
}

void PackStore::KeepTable(uint32_t pack, std::unique_ptr<PackTable> table) {
  table_bytes_ += table->memory_bytes();
  tables_.emplace_front(pack, std::move(table));
  while (table_bytes_ > kTableCacheBytesMax && tables_.size() > 1) {
    table_bytes_ -= std::min(table_bytes_, tables_.back().second->memory_bytes());
    tables_.pop_back();
  }
}

Result<std::shared_ptr<File>> PackStore::PackFile(uint32_t number) {
  if (const auto found = files_.find(number); found != files_.end()) return found->second;
  // The last pack's file is the writer's; others can be opened again.
  if (files_.size() >= kOpenFilesMax)
    std::erase_if(files_, [&](const auto& entry) { return entry.first != tail_number_; });
  auto file = disk_.OpenDirect(options_.path + "/" + PackName(number), OpenMode::kRead);
  // A reader beside a writer looks anew where it hears this.
  if (!file.ok() && file.error().code == ErrorCode::kNotFound)
    return Error{ErrorCode::kCorrupt, PackName(number), "the pack is missing"};
  if (!file.ok()) return file.error();
  return files_[number] = std::shared_ptr<File>(file.take());
}

void PackStore::Touch(uint32_t region) {
  if (RegionPlace* const place = regions_.Find(region)) place->touched = collection_;
}

// Keeps it from this collection and the next, and has the next sync make it durable.
void PackStore::Want(ChunkRef ref) {
  if (RegionPlace* const place = regions_.Find(RegionOf(ref))) place->wanted = collection_;
  if (const auto draft = drafts_.find(RegionOf(ref)); draft != drafts_.end())
    draft->second->shared = draft->second->wanted = true;
}

std::optional<ChunkRef> PackStore::Find(const Digest& digest) {
  const std::lock_guard guard(mutex_);
  const ChunkRef ref = FindLocked(digest);
  if (ref == kNoChunk) return std::nullopt;
  Want(ref);
  return ref;
}

Result<ChunkEntry> PackStore::EntryOf(ChunkRef ref) {
  const std::lock_guard guard(mutex_);
  const uint32_t region = RegionOf(ref);
  if (const auto draft = drafts_.find(region);
      draft != drafts_.end() && PlaceOf(ref) < draft->second->chunks.size())
    return draft->second->chunks[PlaceOf(ref)];
  const RegionPlace* const place = regions_.Find(region);
  // The table knows of a damaged region what was in it.
  PackTable* const table = place == nullptr ? nullptr : TableOf(place->pack);
  const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(region);
  if (found == nullptr || PlaceOf(ref) >= found->chunk_count)
    return Error{ErrorCode::kCorrupt,
                 place == nullptr ? "packs" : At(PackName(place->pack), place->offset),
                 "a chunk that an image refers to is missing"};
  return table->ChunksOf(*found)[PlaceOf(ref)];
}

// -- Drafting

PackStore::Draft PackStore::NewDraft(const ChunkStream& stream, uint32_t (&ids)[2]) {
  if (ids[0] == ids[1]) {
    ids[0] = next_region_;
    ids[1] = next_region_ += kIdExtent;
  }
  auto draft = std::make_shared<RegionDraft>();
  draft->id = ids[0]++;
  draft->dense = stream.dense;
  if (!spare_.empty()) {
    draft->content = std::move(spare_.back());
    spare_.pop_back();
  }
  draft->content.reserve(kRegionContentBytes + kChunkBytesMax);
  drafts_[draft->id] = draft;
  return draft;
}

// The chunk that followed `ref` when it was first written.
ChunkRef PackStore::Successor(ChunkRef ref) {
  if (PlaceOf(ref) + 1 < ChunksOf(RegionOf(ref)).size()) return ref + 1;
  return RefOf(RegionOf(ref) + 1, 0);
}

// Where `ref` can be compressed against: itself, or what its own region was compressed against, since a chain
// of two would cost every reader. kNoChunk: neither.
ChunkRef PackStore::BaseAt(ChunkRef ref) {
  const RegionPlace* place = regions_.Find(RegionOf(ref));
  if (place == nullptr || (place->flags & RegionPlace::kBad) != 0) return kNoChunk;
  if ((place->flags & RegionPlace::kDelta) == 0) return ref;
  PackTable* const table = TableOf(place->pack);
  const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(RegionOf(ref));
  if (found == nullptr || found->base_count == 0) return kNoChunk;
  const BaseRun& run = table->BasesOf(*found)[0];
  const uint32_t step = std::min<uint32_t>(PlaceOf(ref), run.count - 1u);
  place = regions_.Find(run.region);
  if (place == nullptr || place->flags != 0) return kNoChunk;
  return RefOf(run.region, run.first + step);
}

// The chunk `bytes` behind the start of `ref`, as they lie.
ChunkRef PackStore::Advance(ChunkRef ref, uint64_t bytes) {
  while (true) {
    const auto chunks = ChunksOf(RegionOf(ref));
    if (PlaceOf(ref) >= chunks.size()) return kNoChunk;
    const uint32_t length = chunks[PlaceOf(ref)].length;
    if (bytes < length) return ref;
    bytes -= length;
    ref = Successor(ref);
  }
}

PackStore::Draft& PackStore::OpenDraft(ChunkStream& stream) {
  if (stream.delta && stream.delta->closed) stream.delta.reset();
  if (stream.plain && stream.plain->closed) stream.plain.reset();
  if (stream.delta) return stream.delta;
  if (stream.last_match != kNoChunk && stream.delta_count < kDeltaCountMax) {
    const ChunkRef replaced =
        stream.delta_count == 0 ? Successor(stream.last_match) : stream.next_base;
    const ChunkRef base =
        replaced == kNoChunk || !options_.compress ? kNoChunk : BaseAt(replaced);
    if (base != kNoChunk) {
      stream.delta = NewDraft(stream, stream.delta_ids);
      stream.delta->base = base;
      ++stream.delta_count;
      return stream.delta;
    }
    stream.delta_count = kDeltaCountMax;
  }
  if (!stream.plain) stream.plain = NewDraft(stream, stream.plain_ids);
  return stream.plain;
}

// The chunks that a draft is compressed against: from a little before those it replaces to a little behind.
void PackStore::FindBases(RegionDraft& draft) {
  ChunkRef ref = draft.base;
  uint64_t wanted = draft.content.size() + kBaseSlackBytes;
  if (PlaceOf(ref) > 0) {
    --ref;
    wanted += ChunksOf(RegionOf(ref))[PlaceOf(ref)].length;
  }
  wanted = std::min<uint64_t>(wanted, kBaseBytesMax - kChunkBytesMax);
  uint64_t found = 0;
  while (found < wanted && draft.bases.size() < kBaseRunCountMax) {
    const uint32_t region = RegionOf(ref);
    const RegionPlace* const place = regions_.Find(region);
    // Depth 1, and only what lies in a pack: a draft may wait for this very one.
    if (place == nullptr || place->flags != 0 || drafts_.contains(region)) break;
    const auto chunks = ChunksOf(region);
    BaseRun run{region, static_cast<uint8_t>(PlaceOf(ref)), 0};
    for (size_t i = run.first; i < chunks.size() && found < wanted; ++i, ++run.count)
      found += chunks[i].length;
    if (run.count == 0) break;
    draft.bases.push_back(run);
    Touch(region);
    ref = RefOf(region + 1, 0);
  }
}

void PackStore::CloseDraft(Draft& draft, std::vector<Draft>& closing) {
  if (!draft || draft->closed) return;
  draft->closed = true;
  if (draft->base != kNoChunk) FindBases(*draft);
  draft->sequence = next_sequence_++;
  outstanding_.insert(draft->sequence);
  closing.push_back(std::move(draft));
  draft.reset();
}

ChunkRef PackStore::Take(ChunkStream& stream, const Digest& digest, View content, bool* is_new) {
  std::vector<Draft> closing;
  ChunkRef ref;
  {
    const std::lock_guard guard(mutex_);
    ref = FindLocked(digest);
    *is_new = ref == kNoChunk;
    if (!*is_new) {
      Touch(RegionOf(ref));
      if (const auto found = drafts_.find(RegionOf(ref));
          found != drafts_.end() && found->second != stream.plain && found->second != stream.delta)
        found->second->shared = true;
      CloseDraft(stream.delta, closing);
      stream.last_match = ref;
      stream.delta_count = 0;
      const ChunkRef next = Successor(ref);
      const auto chunks = ChunksOf(RegionOf(next));
      stream.expected = PlaceOf(next) < chunks.size() ? chunks[PlaceOf(next)] : ChunkEntry{{}, 0};
    } else {
      stream.expected.length = 0;
      Draft& draft = OpenDraft(stream);
      ref = RefOf(draft->id, static_cast<uint32_t>(draft->chunks.size()));
      draft->chunks.push_back({digest, static_cast<uint32_t>(content.size())});
      Append(draft->content, content);
      index_->Insert(digest, ref);
      ++chunk_count_;
      unique_bytes_ += content.size();
      if (draft->content.size() >= kRegionContentBytes ||
          draft->chunks.size() == kRegionChunkCountMax) {
        if (draft->base != kNoChunk)
          stream.next_base = Advance(draft->base, draft->content.size());
        CloseDraft(draft, closing);
      }
    }
  }
  Submit(closing);
  return ref;
}

void PackStore::End(ChunkStream& stream) {
  std::vector<Draft> closing;
  {
    const std::lock_guard guard(mutex_);
    CloseDraft(stream.delta, closing);
    CloseDraft(stream.plain, closing);
    stream = ChunkStream{};
  }
  Submit(closing);
}

// -- Writing

void PackStore::Submit(std::vector<Draft>& closing) {
  for (const Draft& draft : closing)
    if (!workers_.TrySubmit([this, draft] { WriteDraft(draft); })) WriteDraft(draft);
}

Result<PackStore::Prefix> PackStore::BasePrefix(const std::vector<BaseRun>& bases) {
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
    const View part = View(content->bytes).subspan(start, end - start);
    if (prefix.copied.size() + part.size() > kBaseBytesMax)
      return Error{ErrorCode::kCorrupt, "packs", "what a region was compressed against is too long"};
    if (bases.size() == 1) {
      // Mostly it is one piece of one region, which needs no copy.
      prefix.region = std::move(content);
      prefix.bytes = part;
      return prefix;
    }
    Append(prefix.copied, part);
  }
  prefix.bytes = prefix.copied;
  return prefix;
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
  Codec codec = Codec::kRaw;
  if (!encoded.lists.bases.empty()) {
    const auto prefix = BasePrefix(encoded.lists.bases);
    if (prefix.ok() && CompressAgainst(prefix.value().bytes, draft->content, encoded.bytes)) {
      codec = Codec::kDelta;
    } else {
      encoded.lists.bases.clear();
      encoded.bytes.clear();
      BeginRegion(encoded.lists, encoded.bytes);
    }
  }
  const bool as_it_is = !options_.compress && sealing_ == nullptr;
  if (codec == Codec::kRaw && options_.compress)
    codec = Compress(draft->content, *draft->dense ? Effort::kLittle : Effort::kUsual, encoded.bytes);
  else if (codec == Codec::kRaw && !as_it_is)
    Append(encoded.bytes, draft->content);
  if (encoded.lists.bases.empty())
    *draft->dense = encoded.bytes.size() > content_bytes - content_bytes / kDenseDivisor;
  if (const Status sealed =
          FinishRegion(draft->id, codec, content_bytes, encoded.lists, sealing_, encoded.bytes,
               as_it_is ? View(draft->content) : View{});
      !sealed.ok()) {
    // Nothing that could not be opened again goes to the disk; the sync is told.
    (void)Fail(sealed.error()).ok();
    return;
  }
  // Who reads the draft meanwhile reads it under the lock, and finds it until its place is known.
  encoded.header = *ParseRegionHeader(encoded.bytes);

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
    TRY_ASSIGN(const Bytes end, EncodePackEnd(tail_table_, number, writer_.end(), sealing_));
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
  const std::shared_ptr<File> file(std::move(opened));
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

uint32_t PackStore::next_region() const {
  const std::lock_guard guard(mutex_);
  return next_region_;
}

Status PackStore::CheckRoom() {
  {
    const std::lock_guard guard(mutex_);
    TRY(CheckFailed());
    if (!full_) return Ok();
  }
  return RetryStalled();
}

Status PackStore::RetryStalled() {
  const std::lock_guard guard(append_mutex_);
  const auto retry = [&]() -> Status {
    writer_.Retry();
    while (!stalled_.empty()) {
      TRY(AppendEncoded(stalled_.front()));
      stalled_.erase(stalled_.begin());
    }
    return writer_.Flush();
  };
  const Status retried = retry();
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
      const std::lock_guard inner(mutex_);
      full_ = true;
      return flushed.error();
    }
    const std::lock_guard inner(mutex_);
    reached = {tail_number_, writer_.end(), next_region_};
  }
  // A pack that was sealed meanwhile was synced then.
  if (const Status synced = writer_.Sync(); !synced.ok()) return Fail(synced.error()).error();
  synced_ = reached;
  return reached;
}

// -- Reading

Result<PackStore::RawRegion> PackStore::ReadRaw(uint32_t region) {
  RegionPlace place;
  std::shared_ptr<File> file;
  bool unwritten = false;
  {
    const std::lock_guard guard(mutex_);
    const RegionPlace* const found = regions_.Find(region);
    if (found == nullptr)
      return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
    place = *found;
    TRY_ASSIGN(file, PackFile(place.pack));
    unwritten = options_.writable && place.pack == tail_number_ &&
                place.offset + uint64_t{place.total_bytes} > writer_.written_end();
  }
  if (unwritten) {
    const std::lock_guard guard(append_mutex_);
    TRY(writer_.Flush());
  }
  const uint64_t start = place.offset / kDirectAlignment * kDirectAlignment;
  const uint64_t end = (place.offset + uint64_t{place.total_bytes} + kDirectAlignment - 1) /
                       kDirectAlignment * kDirectAlignment;
  RawRegion raw{AlignedBuffer(end - start), {}, place.pack, place.offset,
                (place.flags & RegionPlace::kDelta) != 0};
  TRY(file->ReadAt(start, raw.buffer.span()));
  raw.bytes = raw.buffer.span().subspan(place.offset - start, place.total_bytes);
  return raw;
}

void PackStore::Condemn(uint32_t region) {
  const std::lock_guard guard(mutex_);
  if (RegionPlace* const place = regions_.Find(region)) place->flags |= RegionPlace::kBad;
}

Error PackStore::Condemn(uint32_t region, const RawRegion& raw, const std::string& what) {
  Condemn(region);
  return {ErrorCode::kCorrupt, At(PackName(raw.pack), raw.offset), what};
}

Result<std::shared_ptr<const RegionContent>> PackStore::Unpack(std::span<uint8_t> region,
                                                               int depth) {
  TRY_ASSIGN(const OpenedRegion opened, OpenRegion(region, sealing_, Checks::kHeader));
  Prefix prefix;
  if (opened.header.codec == Codec::kDelta) {
    if (depth > 0)
      return Error{ErrorCode::kCorrupt, "", "a region's base is itself compressed against others"};
    TRY_ASSIGN(prefix, BasePrefix(opened.lists.bases));
  }
  auto content = std::make_shared<RegionContent>();
  content->bytes.resize(opened.header.content_bytes);
  TRY(Decompress(opened.header.codec, opened.stored, prefix.bytes, content->bytes));
  uint32_t end = 0;
  for (const ChunkEntry& chunk : opened.lists.chunks) content->ends.push_back(end += chunk.length);
  for (uint32_t i = 0; i < opened.lists.chunks.size(); ++i)
    if (ChunkDigest(content->Chunk(i)) != opened.lists.chunks[i].digest)
      return Error{ErrorCode::kCorrupt, "", "a chunk's digest does not match"};
  return std::shared_ptr<const RegionContent>(std::move(content));
}

Result<std::shared_ptr<const RegionContent>> PackStore::Decode(uint32_t region, int depth) {
  // Twice: a read may go astray without anything being wrong on the disk.
  for (int attempt = 0;; ++attempt) {
    TRY_ASSIGN(RawRegion raw, ReadRaw(region));
    const auto header = ParseRegionHeader(raw.bytes);
    Result<std::shared_ptr<const RegionContent>> content =
        Error{ErrorCode::kCorrupt, "", "another region lies here"};
    if (header && header->id == region && (header->codec == Codec::kDelta) != raw.delta)
      content = Error{ErrorCode::kCorrupt, "", "the table says otherwise of the region's codec"};
    else if (!header || header->id == region)
      content = Unpack(raw.bytes, depth);
    // An error with a place is another region's: the base's.
    const bool own = !content.ok() && content.error().code == ErrorCode::kCorrupt &&
                     content.error().place.empty();
    if (!own) {
      // Without its base it is as lost as that is.
      if (!content.ok() && content.error().code == ErrorCode::kCorrupt) Condemn(region);
      return content;
    }
    if (attempt == 1) return Condemn(region, raw, content.error().what);
  }
}

Result<uint64_t> PackStore::Check(uint32_t region) {
  TRY_ASSIGN(const auto content, Decode(region, 0));
  return content->ends.size();
}

Result<std::shared_ptr<const RegionContent>> PackStore::Content(uint32_t region, int depth) {
  return cache_.Get(region, [&] { return Decode(region, depth); });
}

Result<ChunkContent> PackStore::Read(ChunkRef ref) {
  {
    const std::lock_guard guard(mutex_);
    if (const auto found = drafts_.find(RegionOf(ref)); found != drafts_.end()) {
      const RegionDraft& draft = *found->second;
      if (PlaceOf(ref) >= draft.chunks.size())
        return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
      size_t start = 0;
      for (uint32_t i = 0; i < PlaceOf(ref); ++i) start += draft.chunks[i].length;
      const View chunk = View(draft.content).subspan(start, draft.chunks[PlaceOf(ref)].length);
      const auto copy = std::make_shared<const Bytes>(chunk.begin(), chunk.end());
      return ChunkContent{copy, *copy};
    }
  }
  auto content = Content(RegionOf(ref), 0);
  if (!content.ok() && content.error().code == ErrorCode::kCorrupt) {
    // The same bytes may have come again since the damage was found.
    const auto entry = EntryOf(ref);
    const auto other = entry.ok() ? Find(entry.value().digest) : std::nullopt;
    if (!other || *other == ref) return content.error();
    return Read(*other);
  }
  if (!content.ok()) return content.error();
  const RegionContent& region = *content.value();
  if (PlaceOf(ref) >= region.ends.size())
    return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
  return ChunkContent{content.value(), region.Chunk(PlaceOf(ref))};
}

void PackStore::Prefetch(uint32_t region) {
  if (workers_.inline_only() || cache_.Knows(region)) return;
  {
    const std::lock_guard guard(mutex_);
    if (regions_.Find(region) == nullptr) return;
  }
  // Where it fails, who reads it is told; where the queue is full, who reads it decodes it.
  workers_.TrySubmit(
      [this, region] {
        if (!Content(region, 0).ok()) return;
      },
      kPrefetchedRegionsMax);
}

PackStatistics PackStore::Statistics() const {
  const std::lock_guard guard(mutex_);
  return {packs_.size(), chunk_count_, unique_bytes_, stored_bytes_ + writer_.end()};
}

uint64_t PackStore::StoredBytes() const {
  const std::lock_guard guard(mutex_);
  return stored_bytes_ + writer_.end();
}

}  // namespace capstan
