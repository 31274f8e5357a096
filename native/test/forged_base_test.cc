// A region whose checksum is right and whose content is not what its digests say, with another compressed against it:
// what comes of the two is never taken for what was written.
#include "../engine/crc32c.h"
#include "../engine/pack_format.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr char kPack[] = "v/packs/00000001.pack";
constexpr StoreId kId{3, 1, 4};
constexpr uint32_t kBlockBytes = 15000;
constexpr size_t kBlockCount = 10;
constexpr size_t kChanged = 5;
// In the header of a region: docs/formats/store.md.
constexpr size_t kBodyCrcAt = 28;

std::shared_ptr<Store> OpenStore(SimulatedDisk& disk) {
  Store::Options options;
  options.path = "v";
  options.mode = Store::Mode::kCreate;
  options.id_if_new = kId;
  return Must(Store::Open(disk.Attach(), options));
}

void Write(Store& store, const std::vector<Bytes>& blocks) {
  const auto image = Must(store.OpenImage("A", true));
  uint64_t at = 0;
  for (const Bytes& block : blocks)
    at = Must(image->Append(0, at, std::vector<uint32_t>{kBlockBytes, 0}, block));
  Must(image->Sync(1));
  Must(image->Close());
}

// Another byte in the block that is a base, and checksums that fit.
void Forge(SimulatedDisk& disk) {
  const auto file = Must(disk.Attach()->Open(kPack, OpenMode::kWrite));
  const RegionSite site{kId, 1, kPackHeaderBytes};
  Bytes header(kRegionHeaderBytes);
  Must(file->ReadAt(kPackHeaderBytes, header));
  const auto parsed = ParseRegionHeader(header, site);
  CHECK(parsed && parsed->codec == Codec::kRaw && parsed->chunk_count == kBlockCount);
  Bytes region(parsed->total_bytes);
  Must(file->ReadAt(kPackHeaderBytes, region));
  region[kRegionHeaderBytes + parsed->list_bytes() + kChanged * kBlockBytes + 7000] ^= 1;
  const uint32_t crc = Crc32c(0, View(region).subspan(kRegionHeaderBytes));
  for (size_t i = 0; i < 4; ++i) region[kBodyCrcAt + i] = static_cast<uint8_t>(crc >> (8 * i));
  PlaceRegion(region, site);
  CHECK(RegionChecks(region, site));
  Must(file->WriteAt(kPackHeaderBytes, region));
  Must(file->Sync());
}

TEST("forged base", "what was compressed against it is refused, and so is it, in either order") {
  for (const bool base_first : {false, true}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    std::vector<Bytes> blocks(kBlockCount);
    Random random(1);
    for (Bytes& block : blocks) block = random.Noise(kBlockBytes);
    {
      const auto store = OpenStore(disk);
      Must(store->CreateImage("A", 1));
      Write(*store, blocks);
      const uint64_t before = Must(store->Statistics()).packs.stored_bytes;
      blocks[kChanged][100] ^= 0xff;
      Write(*store, blocks);
      CHECK(Must(store->Statistics()).packs.stored_bytes - before <= 4096, "it is no delta");
      Must(store->Close());
    }
    Forge(disk);
    const auto store = OpenStore(disk);
    const auto image = Must(store->OpenImage("A", false));
    const size_t orders[2][2] = {{kChanged, kChanged - 1}, {kChanged - 1, kChanged}};
    for (const size_t block : orders[base_first]) {
      const auto read = image->Read(0, 2 * block, false, 1, kBlockBytes);
      CHECK(!read.ok() && read.error().code == ErrorCode::kCorrupt, block);
    }
    CHECK(!Must(store->Verify({})).damages.empty());
  }
}

}  // namespace
}  // namespace capstan::test
