#include "image.h"

#include <algorithm>

#include "chunker.h"
#include "store.h"

namespace capstan {
namespace {

Error Invalid(const std::string& name, const std::string& what) {
  return {ErrorCode::kInvalid, "images/" + name, what};
}

// A file this much longer than what it says is written anew when it is closed.
constexpr uint64_t kCompactionSlackBytes = 64 * 1024;
// Of a frame, beside what its objects and slices are coded in: header, counts, and that the first are coded anew.
constexpr uint64_t kFrameSlackBytes = 4096;
// At most, in the object map and, where the block is framed, in the framing stream.
constexpr uint64_t kRoomOfObject = 48;
// Kept for those that are told that there is no space: what ends a tape file in order is shorter.
constexpr uint64_t kTrailerBytesMax = 4096;
constexpr uint64_t kTrailersBytesMax = 256 * 1024;

}  // namespace

ImageInfo::Partition SummaryOf(const ObjectMap& objects, uint64_t chunk_count) {
  return {objects.object_count(), objects.filemark_count(), objects.byte_count(), chunk_count};
}

Image::Image(std::shared_ptr<Store> store, std::string name, bool writable, ParsedImage parsed)
    : store_(std::move(store)),
      name_(std::move(name)),
      id_(store_->IdOf(name_)),
      writable_(writable),
      generation_(parsed.state.generation),
      file_end_(parsed.end),
      next_sequence_(parsed.next_sequence),
      torn_(parsed.torn) {
  for (PartitionState& state : parsed.state.partitions) {
    Partition& partition = partitions_.emplace_back();
    partition.synced_objects = state.objects.object_count();
    partition.state = std::move(state);
    partition.synced_put_bytes = partition.PutBytes();
  }
}

Image::~Image() {
  // What was not synced is given up; a failure to note the end leaves a file that reads as well.
  if (!Close().ok()) closed_ = true;
}

Status Image::CheckReadable(uint32_t partition) const {
  if (closed_) return Invalid(name_, "the image is closed");
  if (partition >= partitions_.size())
    return Invalid(name_, "there is no partition " + std::to_string(partition));
  return store_->CheckOpen(false);
}

Status Image::CheckWritable(uint32_t partition, uint64_t at) const {
  TRY(CheckReadable(partition));
  if (!writable_) return Invalid(name_, "the image is open for reading only");
  if (at > partitions_[partition].state.objects.object_count())
    return Invalid(name_, "object " + std::to_string(at) + " lies behind the end of data");
  return store_->CheckOpen(true);
}

Result<ImageInfo> Image::Info() {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(0));
  ImageInfo info{name_, generation_, {}};
  for (const Partition& partition : partitions_)
    info.partitions.push_back(
        SummaryOf(partition.state.objects,
                  partition.state.streams[0].size() + partition.state.streams[1].size()));
  return info;
}

void Image::EachRef(const std::function<void(ChunkRef)>& visit) {
  const std::lock_guard guard(mutex_);
  // Closed, it needs nothing, however long somebody holds it: what of it was synced, its file refers to.
  if (closed_) return;
  for (const Partition& partition : partitions_)
    for (const ChunkList& list : partition.state.streams) list.EachRef(visit);
}

// -- Writing

uint64_t Image::Partition::PutBytes() const {
  uint64_t bytes = state.objects.put_bytes();
  for (const ChunkList& list : state.streams) bytes += list.put_bytes();
  return bytes;
}

uint64_t Image::UnsyncedBytes() const {
  if (!changed_) return 0;
  uint64_t bytes = 0;
  for (const Partition& partition : partitions_) {
    const uint64_t coded = partition.PutBytes() - partition.synced_put_bytes;
    // Coded anew it may be a little longer.
    bytes += coded + coded / 8 + kFrameSlackBytes;
    for (const StreamWriter& writer : partition.writers)
      bytes += PackStore::RoomFor(writer.pending().size(), 1);
  }
  return bytes;
}

void Image::Promise(uint64_t claimed) {
  const uint64_t bytes = UnsyncedBytes();
  store_->packs_->Promise(static_cast<int64_t>(bytes - promised_bytes_ - claimed));
  promised_bytes_ = bytes;
}

void Image::Cut(Partition& partition, uint64_t at) {
  const ObjectPlace place = partition.state.objects.PlaceOf(at);
  partition.state.objects.Truncate(at);
  for (size_t i = 0; i < kStreamCount; ++i)
    partition.writers[i].Truncate(PartitionState::BytesBefore(place, i),
                                  partition.state.streams[i]);
  partition.framer.Reset();
  partition.synced_objects = std::min(partition.synced_objects, at);
  changed_ = true;
}

uint64_t Image::AppendTo(Partition& partition, StreamKind kind, View bytes) {
  return partition.writers[static_cast<size_t>(kind)].Append(bytes, *store_->packs_,
                                                             partition.state.stream(kind));
}

uint64_t Image::FinishStreams(Partition& partition) {
  uint64_t new_bytes = 0;
  for (size_t i = 0; i < kStreamCount; ++i)
    new_bytes += partition.writers[i].Finish(*store_->packs_, partition.state.streams[i]);
  return new_bytes;
}

Result<uint64_t> Image::Append(uint32_t number, uint64_t at, std::span<const uint32_t> lengths,
                               View data) {
  const std::lock_guard guard(mutex_);
  TRY(CheckWritable(number, at));
  uint64_t sum = 0;
  for (const uint32_t length : lengths) {
    if (length > kBlockBytesMax)
      return Error{ErrorCode::kLimit, "images/" + name_,
                   "a block of " + std::to_string(length) + " bytes, over the limit of " +
                       std::to_string(kBlockBytesMax)};
    sum += length;
  }
  if (sum != data.size()) return Invalid(name_, "the lengths do not add up to the data");
  Partition& partition = partitions_[number];
  ObjectMap& objects = partition.state.objects;
  if (lengths.empty()) return objects.object_count();
  // From here on nothing fails: there is room for it, and what a disk refuses that cannot hold room is kept, and
  // tried again.
  const auto filemarks = static_cast<uint64_t>(std::count(lengths.begin(), lengths.end(), 0u));
  const uint64_t room = PackStore::RoomFor(sum, kStreamCount * (filemarks + 1)) +
                        lengths.size() * kRoomOfObject + partitions_.size() * kFrameSlackBytes;
  TRY(store_->packs_->Claim(room, sum > kTrailerBytesMax ? kTrailersBytesMax : 0));
  if (at < objects.object_count()) Cut(partition, at);

  uint64_t new_bytes = 0;
  size_t offset = 0;
  // Blocks without framing lie in the stream as they lie in the call, and go on together.
  size_t plain_start = 0;
  const auto flush_plain = [&] {
    if (offset > plain_start)
      new_bytes += AppendTo(partition, StreamKind::kPayload,
                            data.subspan(plain_start, offset - plain_start));
  };
  for (const uint32_t length : lengths) {
    if (length == 0) {
      // A filemark ends a tape file, and the chunks with it.
      flush_plain();
      plain_start = offset;
      new_bytes += FinishStreams(partition);
      partition.framer.EndFile();
      objects.Append({0, 1});
      continue;
    }
    framing_scratch_.clear();
    payload_scratch_.clear();
    const View block = data.subspan(offset, length);
    if (partition.framer.Split(block, framing_scratch_, payload_scratch_)) {
      flush_plain();
      new_bytes += AppendTo(partition, StreamKind::kPayload, payload_scratch_);
      new_bytes += AppendTo(partition, StreamKind::kFraming, framing_scratch_);
      objects.Append({length, 1, static_cast<uint32_t>(framing_scratch_.size()),
                      static_cast<uint32_t>(payload_scratch_.size())});
      offset += length;
      plain_start = offset;
    } else {
      objects.Append({length, 1});
      offset += length;
    }
  }
  flush_plain();
  store_->new_chunk_bytes_ += new_bytes;
  store_->appended_bytes_ += data.size();
  changed_ = true;
  Promise(room);
  return objects.object_count();
}

Result<uint64_t> Image::Truncate(uint32_t number, uint64_t at) {
  const std::lock_guard guard(mutex_);
  TRY(CheckWritable(number, at));
  if (at < partitions_[number].state.objects.object_count()) {
    Cut(partitions_[number], at);
    Promise(0);
  }
  return partitions_[number].state.objects.object_count();
}

// -- Positions

Result<SpaceResult> Image::Space(uint32_t number, uint64_t at, bool filemarks, int64_t count) {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(number));
  const ObjectMap& objects = partitions_[number].state.objects;
  at = std::min(at, objects.object_count());
  const uint64_t before = objects.PlaceOf(at).filemarks_before;
  const uint64_t wanted = count < 0 ? 0 - static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  if (wanted == 0) return SpaceResult{at, 0, StoppedBy::kCount};
  if (filemarks) {
    const uint64_t available = count > 0 ? objects.filemark_count() - before : before;
    if (wanted > available) {
      const bool forward = count > 0;
      return SpaceResult{forward ? objects.object_count() : 0, wanted - available,
                         forward ? StoppedBy::kEndOfData : StoppedBy::kBeginningOfPartition};
    }
    if (count > 0)
      return SpaceResult{objects.FilemarkAt(before + wanted - 1) + 1, 0, StoppedBy::kCount};
    return SpaceResult{objects.FilemarkAt(before - wanted), 0, StoppedBy::kCount};
  }
  if (count > 0) {
    const bool filemark_ahead = before < objects.filemark_count();
    const uint64_t limit = filemark_ahead ? objects.FilemarkAt(before) : objects.object_count();
    if (wanted <= limit - at) return SpaceResult{at + wanted, 0, StoppedBy::kCount};
    const uint64_t residual = wanted - (limit - at);
    if (filemark_ahead) return SpaceResult{limit + 1, residual, StoppedBy::kFilemark};
    return SpaceResult{limit, residual, StoppedBy::kEndOfData};
  }
  const uint64_t first = before > 0 ? objects.FilemarkAt(before - 1) + 1 : 0;
  if (wanted <= at - first) return SpaceResult{at - wanted, 0, StoppedBy::kCount};
  const uint64_t residual = wanted - (at - first);
  if (before > 0) return SpaceResult{first - 1, residual, StoppedBy::kFilemark};
  return SpaceResult{0, residual, StoppedBy::kBeginningOfPartition};
}

Result<LocateResult> Image::Locate(uint32_t number, uint64_t at) {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(number));
  const ObjectMap& objects = partitions_[number].state.objects;
  const ObjectPlace place = objects.PlaceOf(std::min(at, objects.object_count()));
  return LocateResult{place.object, objects.object_count(), place.filemarks_before,
                      place.bytes_before};
}

// -- Durability

Status Image::Sync(uint64_t generation) {
  const std::lock_guard guard(mutex_);
  TRY(CheckWritable(0, 0));
  if (!changed_ && generation == generation_) return Ok();
  std::vector<ChunkStream*> streams;
  for (Partition& partition : partitions_) {
    store_->new_chunk_bytes_ += FinishStreams(partition);
    for (StreamWriter& writer : partition.writers) streams.push_back(&writer.chunks());
  }
  TRY_ASSIGN(const Watermark synced, store_->packs_->Sync(streams));
  FrameWriter frame(generation, synced);
  for (uint32_t i = 0; i < partitions_.size(); ++i)
    frame.Change(i, partitions_[i].state, partitions_[i].synced_objects);
  TRY_ASSIGN(const Bytes encoded, frame.Finish(next_sequence_, id_, store_->sealing_.get()));
  if (store_->CheckImageSize(name_, file_end_ + encoded.size()).ok())
    TRY(WriteFrame(encoded, true));
  else
    TRY(Rewrite(generation, synced));
  generation_ = generation;
  changed_ = false;
  synced_here_ = true;
  for (Partition& partition : partitions_) {
    partition.synced_objects = partition.state.objects.object_count();
    partition.synced_put_bytes = partition.PutBytes();
  }
  Promise(0);
  return Ok();
}

Status Image::WriteFrame(const Bytes& frame, bool sync) {
  TRY_ASSIGN(const auto entered, store_->Enter());
  if (!file_) {
    TRY_ASSIGN(file_, store_->disk_->Open(store_->ImagePath(name_), OpenMode::kWrite));
  }
  if (torn_) {
    // The end of a frame that a crash tore would stand behind the new one.
    TRY(file_->Truncate(file_end_));
    torn_ = false;
  }
  Status written = file_->WriteAt(file_end_, frame);
  if (!written.ok() && written.error().code == ErrorCode::kNoSpace) {
    const Result<bool> made = store_->packs_->MakeRoom();
    if (!made.ok())
      written = made.error();
    else if (made.value())
      written = file_->WriteAt(file_end_, frame);
  }
  if (!written.ok()) {
    if (const Status cut = file_->Truncate(file_end_); !cut.ok()) store_->Fail(cut.error());
    return written;
  }
  if (sync) {
    if (const Status synced = file_->Sync(); !synced.ok()) {
      store_->Fail(synced.error());
      return synced;
    }
  }
  file_end_ += frame.size();
  ++next_sequence_;
  return Ok();
}

Result<Bytes> Image::EncodeWhole(FrameWriter frame) {
  Bytes content = EncodeImageHeader(id_, static_cast<uint32_t>(partitions_.size()));
  TRY_ASSIGN(const Bytes whole, frame.Finish(0, id_, store_->sealing_.get()));
  content.insert(content.end(), whole.begin(), whole.end());
  return content;
}

// In place of a frame for which the file has no room: all that is synced now, written anew.
Status Image::Rewrite(uint64_t generation, const Watermark& synced) {
  FrameWriter frame(generation, synced);
  for (uint32_t i = 0; i < partitions_.size(); ++i) frame.Change(i, partitions_[i].state, 0);
  TRY_ASSIGN(const Bytes content, EncodeWhole(std::move(frame)));
  TRY(store_->CheckImageSize(name_, content.size()));
  TRY(store_->ReplaceImage(name_, content));
  file_.reset();
  file_end_ = content.size();
  next_sequence_ = 1;
  torn_ = false;
  return Ok();
}

Status Image::Compact() {
  const Bytes mark = EncodeClosed(next_sequence_, id_);
  if (file_end_ < kCompactionSlackBytes) return WriteFrame(mark, false);
  // As of the last sync, which is what the file says.
  TRY_ASSIGN(const ParsedImage parsed, store_->LoadImage(name_));
  FrameWriter frame(generation_, parsed.state.synced);
  for (uint32_t i = 0; i < parsed.state.partitions.size(); ++i)
    frame.Change(i, parsed.state.partitions[i], 0);
  TRY_ASSIGN(Bytes content, EncodeWhole(std::move(frame)));
  const Bytes closed = EncodeClosed(1, id_);
  content.insert(content.end(), closed.begin(), closed.end());
  if (file_end_ < 2 * content.size() + kCompactionSlackBytes) return WriteFrame(mark, false);
  return store_->ReplaceImage(name_, content);
}

void Image::CloseFile() {
  const std::lock_guard guard(mutex_);
  file_.reset();
}

Status Image::Close() {
  const std::lock_guard guard(mutex_);
  if (closed_) return Ok();
  closed_ = true;
  DropAhead(UINT64_MAX);
  if (writable_)
    for (Partition& partition : partitions_)
      for (StreamWriter& writer : partition.writers) store_->packs_->End(writer.chunks());
  Status noted = Ok();
  if (synced_here_ && store_->CheckOpen(true).ok()) noted = Compact();
  file_.reset();
  store_->packs_->Promise(-static_cast<int64_t>(promised_bytes_));
  promised_bytes_ = 0;
  if (writable_) {
    const std::lock_guard store_guard(store_->mutex_);
    store_->writing_.erase(name_);
  }
  return noted;
}

}  // namespace capstan
