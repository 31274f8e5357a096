// The entry of libFuzzer: runs the target that FUZZ_TARGET names; FUZZ_LIST prints the names of all.
#include "fuzz.h"

#include <algorithm>
#include <cstring>

#include "../../engine/crc32c.h"

namespace capstan::fuzz {
namespace {

constexpr size_t kEditedBytesMax = 8u << 20;

uint32_t U32At(View bytes, size_t offset) { return Reader(bytes.subspan(offset)).U32(); }

void Put(std::span<uint8_t> bytes, size_t offset, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace

void PutU32(Bytes& bytes, size_t offset, uint32_t value) { Put(bytes, offset, value); }

Bytes Edit(Bytes bytes, Reader& script) {
  while (script.left() > 0 && !script.failed()) {
    const uint8_t kind = script.U8();
    const size_t at = bytes.empty() ? 0 : script.U32() % (bytes.size() + 1);
    switch (kind % 6) {
      case 0:
        if (at < bytes.size()) bytes[at] = script.U8();
        break;
      case 1: {
        const uint32_t value = script.U32();
        if (at + 4 <= bytes.size()) PutU32(bytes, at, value);
        break;
      }
      case 2: {
        const size_t count = std::min<size_t>(script.U8(), bytes.size() - at);
        const auto from = bytes.begin() + static_cast<ptrdiff_t>(at);
        bytes.erase(from, from + static_cast<ptrdiff_t>(count));
        break;
      }
      case 3: {
        const View more = script.Raw(std::min<size_t>(script.U8(), script.left()));
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), more.begin(), more.end());
        break;
      }
      case 4: {
        const size_t to = bytes.empty() ? 0 : script.U32() % bytes.size();
        const size_t count = std::min<size_t>({script.U8() * size_t{16}, bytes.size() - at,
                                               bytes.size() - to});
        if (count > 0) std::memmove(bytes.data() + to, bytes.data() + at, count);
        break;
      }
      default:
        bytes.resize(at);
    }
    if (bytes.size() > kEditedBytesMax) bytes.resize(kEditedBytesMax);
  }
  return bytes;
}

void SealRegion(std::span<uint8_t> region, const RegionSite& site) {
  if (region.size() < 64) return;
  Put(region, 28, Crc32c(0, region.subspan(64)));
  PlaceRegion(region, site);
}

void SealPack(Bytes& pack, uint32_t number) {
  if (pack.size() >= 4096) PutU32(pack, 4092, Crc32c(0, View(pack).first(4092)));
  for (size_t at = 4096; at + 64 <= pack.size();) {
    if (std::memcmp(pack.data() + at, "REGN", 4) != 0) {
      ++at;
      continue;
    }
    const size_t size = std::clamp<size_t>(U32At(pack, at + 8), 64, pack.size() - at);
    SealRegion(std::span(pack).subspan(at, size), {{}, number, static_cast<uint32_t>(at)});
    at += size;
  }
  if (pack.size() < 4096 + 128) return;
  const size_t trailer = pack.size() - 128;
  const uint64_t table = U32At(pack, trailer + 32);
  const uint64_t length = U32At(pack, trailer + 40);
  if (table + length <= trailer)
    PutU32(pack, trailer + 44, Crc32c(0, View(pack).subspan(table, length)));
  if (std::memcmp(pack.data() + trailer, "CAPSTABL", 8) == 0)
    PutU32(pack, pack.size() - 4, Crc32c(0, View(pack).subspan(trailer, 124)));
}

void SealImage(Bytes& image, const ImageId& id) {
  const uint32_t seed = Crc32c(0, id);
  if (image.size() >= 64) PutU32(image, 60, Crc32c(0, View(image).first(60)));
  for (size_t at = 64; at + 64 <= image.size();) {
    const size_t length = std::min<size_t>(U32At(image, at + 8), image.size() - at - 64);
    PutU32(image, at + 16, Crc32c(seed, View(image).subspan(at + 64, length)));
    PutU32(image, at + 60, Crc32c(seed, View(image).subspan(at, 60)));
    at += 64 + length;
  }
}

void SealSuperblock(Bytes& superblock) {
  if (superblock.size() >= 128) PutU32(superblock, 124, Crc32c(0, View(superblock).first(124)));
}

Bytes Content(size_t size, uint64_t seed) {
  Bytes bytes(size);
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (uint8_t& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<uint8_t>(state >> 60);
  }
  return bytes;
}

namespace {

const Target* Chosen() {
  const char* const wanted = std::getenv("FUZZ_TARGET");
  const bool list = std::getenv("FUZZ_LIST") != nullptr;
  const Target* chosen = nullptr;
  const std::span<const Target> groups[] = {{kFormatTargets, kFormatTargetCount},
                                            {kStreamTargets, kStreamTargetCount},
                                            {kStoreTargets, kStoreTargetCount}};
  for (const auto& group : groups)
    for (const Target& target : group) {
      if (list) std::printf("%s\n", target.name);
      if (wanted != nullptr && std::strcmp(wanted, target.name) == 0) chosen = &target;
    }
  if (list) {
    std::fflush(stdout);
    std::_Exit(0);
  }
  if (chosen == nullptr) {
    std::fprintf(stderr, "FUZZ_TARGET names no target; FUZZ_LIST=1 lists them\n");
    std::_Exit(2);
  }
  return chosen;
}

}  // namespace
}  // namespace capstan::fuzz

namespace {
const capstan::fuzz::Target* target = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  target = capstan::fuzz::Chosen();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target->run({data, size});
  return 0;
}
