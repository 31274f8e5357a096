#include <algorithm>
#include <optional>

#include "blake3.h"
#include "chunker.h"
#include "store.h"

namespace capstan {
namespace {

Error Invalid(const std::string& name, const std::string& what) {
  return {ErrorCode::kInvalid, "images/" + name, what};
}

// A file this much longer than what it says is written anew when it is closed.
constexpr uint64_t kCompactionSlackBytes = 64 * 1024;

// Cuts `bytes` into chunks, all of them where `last`, else as long as a cut does not depend on what follows.
// Returns how many bytes went into chunks.
size_t CutChunks(View bytes, bool last, const PackStore& packs, Recipe& recipe,
                 std::vector<NewChunk>& fresh) {
  size_t done = 0;
  while (done < bytes.size() && (last || bytes.size() - done >= kChunkBytesMax)) {
    const View content = bytes.subspan(done, FirstChunkLength(bytes.subspan(done)));
    const Digest digest = Blake3(content);
    const uint32_t length = static_cast<uint32_t>(content.size());
    if (!packs.Has(digest)) fresh.push_back({digest, length, EncodeChunk(content)});
    recipe.Append({digest, length, length});
    done += content.size();
  }
  return done;
}

}  // namespace

Image::Image(std::shared_ptr<Store> store, std::string name, bool writable, ParsedImage parsed)
    : store_(std::move(store)),
      name_(std::move(name)),
      writable_(writable),
      generation_(parsed.state.generation),
      file_end_(parsed.end),
      next_sequence_(parsed.next_sequence),
      torn_(parsed.torn) {
  for (PartitionState& state : parsed.state.partitions) {
    const uint64_t objects = state.records.object_count();
    partitions_.push_back({std::move(state), {}, objects});
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
  if (at > partitions_[partition].state.records.object_count())
    return Invalid(name_, "object " + std::to_string(at) + " lies behind the end of data");
  return store_->CheckOpen(true);
}

Result<ImageInfo> Image::Info() {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(0));
  ImageInfo info{name_, generation_, {}};
  for (const Partition& partition : partitions_)
    info.partitions.push_back(SummaryOf(partition.state));
  return info;
}

void Image::Cut(Partition& partition, uint64_t at) {
  RecordMap& records = partition.state.records;
  const uint64_t bytes = records.BytesBefore(at);
  records.Truncate(at);
  const uint64_t in_recipe = partition.state.recipe.byte_count();
  if (bytes >= in_recipe) {
    partition.pending.resize(bytes - in_recipe);
  } else {
    partition.pending.clear();
    partition.state.recipe.Truncate(bytes);
  }
  partition.synced_objects = std::min(partition.synced_objects, at);
  changed_ = true;
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
  if (lengths.empty()) return partition.state.records.object_count();

  // A failure leaves the image as it was: an append at the end is taken back, an overwriting one undone
  // from a copy.
  const uint64_t objects_before = partition.state.records.object_count();
  const uint64_t recipe_bytes_before = partition.state.recipe.byte_count();
  const Bytes pending_before = partition.pending;
  std::optional<Partition> before;
  if (at < objects_before) {
    before = partition;
    Cut(partition, at);
  }
  std::vector<NewChunk> fresh;
  size_t offset = 0;
  size_t gathered = 0;
  const auto flush = [&](bool last) {
    const View more = data.subspan(offset - gathered, gathered);
    gathered = 0;
    if (partition.pending.empty()) {
      const size_t done = CutChunks(more, last, *store_->packs_, partition.state.recipe, fresh);
      partition.pending.assign(more.begin() + static_cast<ptrdiff_t>(done), more.end());
      return;
    }
    partition.pending.insert(partition.pending.end(), more.begin(), more.end());
    const size_t done =
        CutChunks(partition.pending, last, *store_->packs_, partition.state.recipe, fresh);
    partition.pending.erase(partition.pending.begin(),
                          partition.pending.begin() + static_cast<ptrdiff_t>(done));
  };
  for (const uint32_t length : lengths) {
    // A filemark ends a tape file, and the chunk with it.
    if (length == 0) flush(true);
    partition.state.records.Append(length, 1);
    offset += length;
    gathered += length;
  }
  flush(false);
  if (const Status stored = store_->packs_->Append(fresh); !stored.ok()) {
    if (before) {
      partition = std::move(*before);
    } else {
      partition.state.records.Truncate(objects_before);
      partition.state.recipe.Truncate(recipe_bytes_before);
      partition.pending = pending_before;
    }
    return stored.error();
  }
  for (const NewChunk& chunk : fresh) store_->new_chunk_bytes_ += chunk.content_length;
  store_->appended_bytes_ += data.size();
  changed_ = true;
  return partition.state.records.object_count();
}

Result<uint64_t> Image::Truncate(uint32_t number, uint64_t at) {
  const std::lock_guard guard(mutex_);
  TRY(CheckWritable(number, at));
  if (at < partitions_[number].state.records.object_count()) Cut(partitions_[number], at);
  return partitions_[number].state.records.object_count();
}

Status Image::ReadBytes(const Partition& partition, uint64_t from, std::span<uint8_t> out) {
  const Recipe& recipe = partition.state.recipe;
  size_t done = 0;
  for (size_t i = recipe.IndexAt(from); i < recipe.size() && done < out.size(); ++i) {
    TRY_ASSIGN(const auto content, store_->packs_->Read(recipe[i].digest));
    // A manifest from a peer may have lied about the chunk's length before the chunk was here.
    if (content->size() != recipe[i].content_length)
      return Error{ErrorCode::kCorrupt, "images/" + name_, "a slice is not as long as its chunk"};
    const uint64_t skip = from + done - recipe.StartOf(i);
    const size_t count = std::min<uint64_t>(recipe[i].used - skip, out.size() - done);
    std::memcpy(out.data() + done, content->data() + skip, count);
    done += count;
  }
  if (done < out.size()) {
    const uint64_t skip = from + done - recipe.byte_count();
    std::memcpy(out.data() + done, partition.pending.data() + skip, out.size() - done);
  }
  return Ok();
}

Result<ReadResult> Image::Read(uint32_t number, uint64_t at, bool reverse, uint64_t count_max,
                               uint64_t bytes_max) {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(number));
  const Partition& partition = partitions_[number];
  const RecordMap& records = partition.state.records;
  at = std::min(at, records.object_count());
  ReadResult result{{}, {}, StoppedBy::kLimit};
  uint64_t bytes = 0;
  const auto object = [&](uint64_t i) { return reverse ? at - 1 - i : at + i; };
  const uint64_t available = reverse ? at : records.object_count() - at;
  while (result.lengths.size() < count_max) {
    if (result.lengths.size() == available) {
      result.stopped_by = reverse ? StoppedBy::kBeginningOfPartition : StoppedBy::kEndOfData;
      break;
    }
    const uint32_t length = records.LengthOf(object(result.lengths.size()));
    if (!result.lengths.empty() && bytes + length > bytes_max) break;
    result.lengths.push_back(length);
    bytes += length;
    if (length == 0) {
      result.stopped_by = StoppedBy::kFilemark;
      break;
    }
  }
  const uint64_t start = records.BytesBefore(reverse ? at - result.lengths.size() : at);
  Bytes data(bytes);
  if (const Status read = ReadBytes(partition, start, data); !read.ok()) {
    // Object by object, as far as they are whole.
    Bytes whole;
    size_t good = 0;
    for (; good < result.lengths.size(); ++good) {
      Bytes block(result.lengths[good]);
      const Status one = ReadBytes(partition, records.BytesBefore(object(good)), block);
      if (!one.ok()) {
        if (good == 0 || one.error().code != ErrorCode::kCorrupt) return one.error();
        break;
      }
      whole.insert(whole.end(), block.begin(), block.end());
    }
    result.lengths.resize(good);
    result.stopped_by = StoppedBy::kDamaged;
    result.data = std::move(whole);
    return result;
  }
  if (!reverse) {
    result.data = std::move(data);
    return result;
  }
  result.data.reserve(bytes);
  uint64_t end = bytes;
  for (const uint32_t length : result.lengths) {
    const auto block = data.begin() + static_cast<ptrdiff_t>(end - length);
    result.data.insert(result.data.end(), block, block + length);
    end -= length;
  }
  return result;
}

Result<SpaceResult> Image::Space(uint32_t number, uint64_t at, bool filemarks, int64_t count) {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(number));
  const RecordMap& records = partitions_[number].state.records;
  at = std::min(at, records.object_count());
  const uint64_t before = records.FilemarksBefore(at);
  const uint64_t wanted = count < 0 ? 0 - static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  if (wanted == 0) return SpaceResult{at, 0, StoppedBy::kCount};
  if (filemarks) {
    const uint64_t available = count > 0 ? records.filemark_count() - before : before;
    if (wanted > available) {
      const bool forward = count > 0;
      return SpaceResult{forward ? records.object_count() : 0, wanted - available,
                         forward ? StoppedBy::kEndOfData : StoppedBy::kBeginningOfPartition};
    }
    if (count > 0)
      return SpaceResult{records.FilemarkAt(before + wanted - 1) + 1, 0, StoppedBy::kCount};
    return SpaceResult{records.FilemarkAt(before - wanted), 0, StoppedBy::kCount};
  }
  if (count > 0) {
    const bool filemark_ahead = before < records.filemark_count();
    const uint64_t limit = filemark_ahead ? records.FilemarkAt(before) : records.object_count();
    if (wanted <= limit - at) return SpaceResult{at + wanted, 0, StoppedBy::kCount};
    const uint64_t residual = wanted - (limit - at);
    if (filemark_ahead) return SpaceResult{limit + 1, residual, StoppedBy::kFilemark};
    return SpaceResult{limit, residual, StoppedBy::kEndOfData};
  }
  const uint64_t first = before > 0 ? records.FilemarkAt(before - 1) + 1 : 0;
  if (wanted <= at - first) return SpaceResult{at - wanted, 0, StoppedBy::kCount};
  const uint64_t residual = wanted - (at - first);
  if (before > 0) return SpaceResult{first - 1, residual, StoppedBy::kFilemark};
  return SpaceResult{0, residual, StoppedBy::kBeginningOfPartition};
}

Result<LocateResult> Image::Locate(uint32_t number, uint64_t at) {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(number));
  const RecordMap& records = partitions_[number].state.records;
  at = std::min(at, records.object_count());
  return LocateResult{at, records.object_count(), records.FilemarksBefore(at),
                      records.BytesBefore(at)};
}

Status Image::ClosePending(Partition& partition) {
  if (partition.pending.empty()) return Ok();
  Recipe& recipe = partition.state.recipe;
  const uint64_t bytes_before = recipe.byte_count();
  std::vector<NewChunk> fresh;
  CutChunks(partition.pending, true, *store_->packs_, recipe, fresh);
  if (const Status stored = store_->packs_->Append(fresh); !stored.ok()) {
    recipe.Truncate(bytes_before);
    return stored;
  }
  for (const NewChunk& chunk : fresh) store_->new_chunk_bytes_ += chunk.content_length;
  partition.pending.clear();
  return Ok();
}

Status Image::Sync(uint64_t generation) {
  const std::lock_guard guard(mutex_);
  TRY(CheckWritable(0, 0));
  if (!changed_ && generation == generation_) return Ok();
  for (Partition& partition : partitions_) TRY(ClosePending(partition));
  TRY_ASSIGN(const Watermark synced, store_->packs_->Sync());
  Frame frame{generation, synced, {}};
  for (uint32_t i = 0; i < partitions_.size(); ++i)
    frame.changes.push_back(
        ChangeSince(i, partitions_[i].state, partitions_[i].synced_objects));
  TRY(WriteFrame(EncodeFrame(frame, next_sequence_), true));
  generation_ = generation;
  changed_ = false;
  synced_here_ = true;
  for (Partition& partition : partitions_)
    partition.synced_objects = partition.state.records.object_count();
  return Ok();
}

Status Image::WriteFrame(const Bytes& frame, bool sync) {
  TRY_ASSIGN(const auto file, store_->disk_->Open(store_->ImagePath(name_), OpenMode::kWrite));
  if (torn_) {
    // The end of a frame that a crash tore would stand behind the new one.
    TRY(file->Truncate(file_end_));
    torn_ = false;
  }
  if (const Status written = file->WriteAt(file_end_, frame); !written.ok()) {
    if (const Status cut = file->Truncate(file_end_); !cut.ok()) store_->Fail(cut.error());
    return written;
  }
  if (sync) {
    if (const Status synced = file->Sync(); !synced.ok()) {
      store_->Fail(synced.error());
      return synced;
    }
  }
  file_end_ += frame.size();
  ++next_sequence_;
  return Ok();
}

Status Image::Compact() {
  Frame frame{generation_, {}, {}};
  // As of the last sync, which is what the file says.
  TRY_ASSIGN(const ParsedImage parsed, store_->LoadImage(name_));
  frame.synced = parsed.state.synced;
  for (uint32_t i = 0; i < parsed.state.partitions.size(); ++i)
    frame.changes.push_back(WholeOf(i, parsed.state.partitions[i]));
  Bytes content = EncodeImageHeader(store_->id_, static_cast<uint32_t>(partitions_.size()));
  const Bytes whole = EncodeFrame(frame, 0);
  content.insert(content.end(), whole.begin(), whole.end());
  const Bytes closed = EncodeClosed(1);
  content.insert(content.end(), closed.begin(), closed.end());
  if (file_end_ < 2 * content.size() + kCompactionSlackBytes) return WriteFrame(EncodeClosed(next_sequence_), false);
  return store_->ReplaceImage(name_, content);
}

Status Image::Close() {
  const std::lock_guard guard(mutex_);
  if (closed_) return Ok();
  closed_ = true;
  Status noted = Ok();
  if (synced_here_ && store_->CheckOpen(true).ok()) noted = Compact();
  if (writable_) {
    const std::lock_guard store_guard(store_->mutex_);
    store_->writing_.erase(name_);
  }
  return noted;
}

}  // namespace capstan
