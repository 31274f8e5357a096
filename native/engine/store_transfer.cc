// What travels between stores: manifests, and parcels with the chunks that the other one lacks.
#include <set>

#include "blake3.h"
#include "store.h"

namespace capstan {
namespace {

std::vector<Digest> UniqueDigests(const Manifest& manifest) {
  std::vector<Digest> digests;
  std::set<Digest> seen;
  for (const ManifestPartition& partition : manifest)
    for (const auto& slices : partition.streams)
      for (const ManifestSlice& slice : slices)
        if (seen.insert(slice.digest).second) digests.push_back(slice.digest);
  return digests;
}

}  // namespace

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

Result<ChunkRef> Store::FindChunk(const Digest& digest) {
  auto ref = packs_->Find(digest);
  if (!ref && !writable_) {
    TRY(packs_->Reload());
    ref = packs_->Find(digest);
  }
  if (!ref) return Error{ErrorCode::kCorrupt, "packs", "a chunk that was asked for is missing"};
  return *ref;
}

Result<std::shared_ptr<Transfer>> Store::OpenTransfer(View digests) {
  TRY(CheckOpen(false));
  return Transfer::Make(shared_from_this(), digests);
}

// What a parcel decompresses to, each chunk compared with its digest.
Result<RawBytes> Store::ContentOf(const Parcel& parcel) {
  RawBytes prefix;
  for (const Digest& digest : parcel.bases) {
    const auto ref = packs_->Find(digest);
    if (!ref) return Error{ErrorCode::kNotFound, "chunk", "what a delta rests on is not here"};
    TRY_ASSIGN(const ChunkContent base, packs_->Read(*ref));
    if (prefix.size() + base.bytes.size() > kBaseBytesMax)
      return Error{ErrorCode::kInvalid, "", "a delta rests on more than it may"};
    Append(prefix, base.bytes);
  }
  RawBytes content(parcel.content_bytes);
  if (const Status done = Decompress(parcel.codec, parcel.stored, prefix, content); !done.ok())
    return Error{ErrorCode::kInvalid, "", done.error().what};
  std::vector<uint32_t> lengths;
  std::vector<Digest> digests;
  for (const ChunkEntry& chunk : parcel.chunks) lengths.push_back(chunk.length);
  packs_->DigestChunks(content, lengths, digests);
  for (size_t i = 0; i < digests.size(); ++i)
    if (digests[i] != parcel.chunks[i].digest)
      return Error{ErrorCode::kInvalid, "", "a chunk's digest does not match"};
  return content;
}

Status Store::AddParcels(View bytes) {
  TRY(CheckOpen(true));
  TRY_ASSIGN(const std::vector<Parcel> parcels, ParseParcels(bytes));
  for (const Parcel& parcel : parcels) {
    TRY_ASSIGN(RawBytes content, ContentOf(parcel));
    const uint64_t room = PackStore::RoomFor(content.size(), parcel.chunks.size());
    TRY(packs_->Claim(room, 0));
    const std::lock_guard guard(intake_mutex_);
    packs_->TakeParcel(intake_, parcel, std::move(content));
    packs_->Promise(-static_cast<int64_t>(room));
  }
  return Ok();
}

Status Store::StageImage(const std::string& name, View bytes, uint64_t generation) {
  TRY(CheckOpen(true));
  TRY(CheckName(name));
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
  }
  // The frame says how far the packs are synced, so they are before it is written.
  ChunkStream* const intake = &intake_;
  const std::lock_guard intake_guard(intake_mutex_);
  TRY_ASSIGN(const Watermark synced, packs_->Sync({&intake, 1}));
  FrameWriter frame(generation, synced);
  for (uint32_t i = 0; i < partitions.size(); ++i) frame.Change(i, partitions[i], 0);
  const ImageId image = IdOf(name);
  Bytes content = EncodeImageHeader(image, static_cast<uint32_t>(partitions.size()));
  TRY_ASSIGN(const Bytes encoded, frame.Finish(0, image, sealing_.get()));
  content.insert(content.end(), encoded.begin(), encoded.end());
  TRY(CheckImageSize(name, content.size()));
  const std::lock_guard guard(names_mutex_);
  TRY_ASSIGN(const auto entered, Enter());
  // Collections may have begun and ended since the chunks were found. One that looks at the names from here on
  // finds the image; of one that has looked before, what is found again now is kept.
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    for (size_t k = 0; k < kStreamCount; ++k) {
      auto cursor = partitions[p].streams[k].CursorAtSlice(0);
      for (const ManifestSlice& slice : manifest[p].streams[k]) {
        if (packs_->Find(slice.digest) != cursor.slice().ref)
          return Error{ErrorCode::kNotFound, "chunk", "a collection gave it up meanwhile"};
        cursor.Next();
      }
    }
  }
  TRY(PutFile(path_ + "/images", name, content, false));
  const std::lock_guard inner(mutex_);
  staged_.insert(name);
  return Ok();
}

}  // namespace capstan
