// Goal: no nonce is used twice with one key, not even by copies of a store that are both written to. Method: every nonce
// that two such copies have on their disks, with the tag that belongs to it.
#include <map>

#include "../engine/pack_scanner.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr char kPath[] = "/v";
constexpr StoreId kId{3, 1, 4};

// Nonces, with the tags that they made.
using Nonces = std::multimap<Bytes, Bytes>;

std::shared_ptr<Store> OpenStore(SimulatedDisk& disk, uint32_t salt) {
  Store::Options options;
  options.path = kPath;
  options.mode = Store::Mode::kCreate;
  options.id_if_new = kId;
  options.pack_bytes_max = 16 << 10;
  options.key = Bytes(kCipherKeyBytes, 7);
  options.nonce_salt = salt;
  return Must(Store::Open(disk.Attach(), options), "open");
}

// Regions, tables, a note of the last pack, frames.
void Write(SimulatedDisk& disk, uint32_t salt, const std::string& name, uint64_t seed) {
  const auto store = OpenStore(disk, salt);
  Must(store->CreateImage(name, 1), "create");
  const auto image = Must(store->OpenImage(name, true));
  Random random(seed);
  uint64_t at = 0;
  for (int i = 0; i < 8; ++i) {
    const Bytes block = random.Noise(5000);
    const uint32_t lengths[] = {5000, 0};
    at = Must(image->Append(0, at, lengths, block), "append");
    Must(image->Sync(at), "sync");
  }
  Must(image->Close(), "close");
  Must(store->Close(), "close");
}

void Take(Nonces& nonces, View bytes, size_t nonce, size_t tag) {
  const View at = bytes.subspan(nonce, kCipherNonceBytes);
  const View of = bytes.subspan(tag, kCipherTagBytes);
  nonces.emplace(Bytes(at.begin(), at.end()), Bytes(of.begin(), of.end()));
}

Nonces NoncesOf(SimulatedDisk& disk) {
  Nonces nonces;
  const auto attached = disk.Attach();
  for (const auto& [path, size] : disk.Files()) {
    const auto file = Must(attached->Open(path, OpenMode::kRead));
    const Bytes bytes = Must(ReadWhole(*file, 1 << 24, path));
    if (path.ends_with(".pack")) {
      const auto number = static_cast<uint32_t>(std::stoul(path.substr(path.rfind('/') + 1)));
      PackScanner scanner(*file, {kId, number}, kPackHeaderBytes, size);
      while (Must(scanner.Next()) == PackScanner::Found::kRegion) Take(nonces, scanner.region(), 32, 44);
    }
    if (path.find("/packs/") != std::string::npos && bytes.size() > kTrailerBytes) {
      const View trailer = View(bytes).last(kTrailerBytes);
      if (std::equal(trailer.begin(), trailer.begin() + 8, "CAPSTABL")) Take(nonces, trailer, 52, 64);
    }
    if (path.find("/images/") == std::string::npos) continue;
    for (size_t at = kImageHeaderBytes; at + kFrameHeaderBytes <= bytes.size();) {
      Reader header(View(bytes).subspan(at + 8));
      const uint32_t length = header.U32();
      if (header.U32() == 1) Take(nonces, View(bytes).subspan(at), 20, 32);
      at += kFrameHeaderBytes + length;
    }
  }
  return nonces;
}

// How many nonces both disks have that sealed different things.
size_t SharedNonces(uint32_t salt, uint32_t other_salt) {
  SimulatedDisk disks[] = {{1, CrashProfile::kOrdered}, {2, CrashProfile::kOrdered}};
  Write(disks[0], 17, "BEFORE", 1);
  const auto from = disks[0].Attach();
  const auto to = disks[1].Attach();
  for (const char* const folder : {"", "/packs", "/images"})
    Must(to->MakeDirectory(std::string(kPath) + folder));
  for (const auto& [path, size] : disks[0].Files()) {
    const Bytes bytes = Must(ReadWhole(*Must(from->Open(path, OpenMode::kRead)), 1 << 24, path));
    Must(Must(to->Open(path, OpenMode::kCreate))->WriteAt(0, bytes));
  }
  Write(disks[0], salt, "A", 2);
  Write(disks[1], other_salt, "B", 3);
  const Nonces mine = NoncesOf(disks[0]);
  const Nonces others = NoncesOf(disks[1]);
  CHECK(mine.size() > 30 && others.size() > 30, mine.size());
  size_t shared = 0;
  for (const auto& [nonce, tag] : mine) {
    CHECK(mine.count(nonce) == 1, "a store has a nonce twice");
    const auto found = others.find(nonce);
    if (found != others.end() && found->second != tag) ++shared;
  }
  return shared;
}

TEST("nonce", "copies of an encrypted store that are both written to share none but by the salt") {
  CHECK(SharedNonces(5, 6) == 0);
  CHECK(SharedNonces(5, 5) > 10, "the test sees none where there must be some");
}

TEST("nonce", "once all of an opening are used nothing more is sealed, and none is the key check's") {
  NonceSource nonces(0x01020304, 0xffffffff, kNonceCountMax - 2);
  Must(nonces.Next(), "the last but one");
  const auto last = Must(nonces.Next(), "the last");
  const Bytes expected{4, 3, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff};
  CHECK(std::equal(last.begin(), last.end(), expected.begin(), expected.end()));
  for (int i = 0; i < 2; ++i) {
    const auto refused = nonces.Next();
    CHECK(!refused.ok() && refused.error().code == ErrorCode::kLimit);
  }
  Sealing sealing{Must(Cipher::Make(Bytes(kCipherKeyBytes, 7))), {0, 0, kNonceCountMax}};
  RegionLists lists;
  lists.chunks.push_back({Digest{}, 1});
  RawBytes bytes;
  BeginRegion(lists, bytes);
  Append(bytes, Bytes(1));
  const auto region = FinishRegion(1, kId, Codec::kRaw, 1, lists, &sealing, bytes, {});
  CHECK(!region.ok() && region.error().code == ErrorCode::kLimit);
  const auto table = EncodePackEnd(PackTable{}, {kId, 1}, 8192, &sealing);
  CHECK(!table.ok() && table.error().code == ErrorCode::kLimit);
  const auto frame = FrameWriter(1, {1, 4096, 1}).Finish(0, IdOfImage(kId, "A"), &sealing);
  CHECK(!frame.ok() && frame.error().code == ErrorCode::kLimit);
}

}  // namespace
}  // namespace capstan::test
