// Goal: what comes from a peer or from a damaged disk is refused or parsed, never believed past its bytes.
// Method: a manifest that lies, and thousands of mutations of a manifest and of an image file.
#include "../engine/blake3.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr StoreId kId{1, 2, 3};
const ImageId kImageId = IdOfImage(kId, "A");

// A tape of one block of `length` bytes, in one slice.
Manifest OneBlock(const Digest& digest, uint32_t content_length, uint32_t length) {
  Manifest manifest(1);
  manifest[0].objects.Append({.length = length, .count = 1});
  manifest[0].streams[0].push_back({digest, content_length, length});
  return manifest;
}

TEST("hostile", "a manifest that lies about a chunk's length is refused and never read past the chunk") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Store::Options options;
  options.path = "/v";
  options.mode = Store::Mode::kCreate;
  options.id_if_new = kId;
  const auto store = Must(Store::Open(disk.Attach(), options));
  const Bytes content(10, 5);
  const Digest digest = ChunkDigest(content);
  RawBytes parcel;
  AppendParcel({Codec::kRaw, 10, {{digest, 10}}, {}, content}, parcel);
  Must(store->AddParcels(parcel), "add");
  const Bytes lie = EncodeManifest(OneBlock(digest, 200000, 200000));
  const Status staged = store->StageImage("X", lie, 1);
  CHECK(!staged.ok() && staged.error().code == ErrorCode::kCorrupt, "the lie is taken");
  const Bytes truth = EncodeManifest(OneBlock(digest, 10, 10));
  CHECK(store->StageImage("X", truth, 1).ok(), "the truth is refused");
}

TEST("hostile", "a mutated image file or manifest parses to a value or to an error") {
  Random random(5);
  const Bytes manifest = EncodeManifest(OneBlock(ChunkDigest(Bytes(4)), 4096, 1000));
  CHECK(ParseManifest(manifest).ok(), "the manifest itself");
  PartitionState state;
  for (uint32_t i = 1; i <= 20; ++i) {
    state.objects.Append({.length = 100 * i, .count = i});
    state.objects.Append({.length = 0, .count = 1});
    state.streams[0].Append({RefOf(i, 0), 100 * i * i});
  }
  Bytes image = EncodeImageHeader(kImageId, 1);
  FrameWriter frame(3, {1, 4096, 21});
  frame.Change(0, state, 0);
  for (const Bytes& part : {Must(frame.Finish(0, kImageId, nullptr), "a frame"), EncodeClosed(1, kImageId)})
    image.insert(image.end(), part.begin(), part.end());
  const auto parsed = ParseImageFile(image, kImageId, "A", nullptr);
  CHECK(parsed.ok() && !parsed.value().torn && parsed.value().state.generation == 3,
        "the image itself");
  for (int i = 0; i < 20000; ++i) {
    Bytes mutated = i % 2 == 0 ? manifest : image;
    for (uint64_t flips = 1 + random.Below(3); flips > 0; --flips)
      mutated[random.Below(mutated.size())] = static_cast<uint8_t>(random.Next());
    if (random.Below(3) == 0) mutated.resize(random.Below(mutated.size()));
    if (i % 2 == 0) {
      const auto result = ParseManifest(mutated);
      if (result.ok()) CHECK(result.value().size() <= kPartitionCountMax);
    } else {
      const auto result = ParseImageFile(mutated, kImageId, "A", nullptr);
      if (result.ok()) CHECK(result.value().end <= mutated.size());
    }
  }
}

}  // namespace
}  // namespace capstan::test
