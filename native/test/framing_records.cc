#include "framing_records.h"

#include <set>

#include "../engine/chunker.h"

namespace capstan::test {

void Append(Bytes& out, View bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
void Append(Bytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }
void BigEndian(Bytes& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<uint8_t>(value >> shift));
}
void LittleEndian(Bytes& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

Taken TakeApart(Framer& framer, const Records& records) {
  Taken all;
  for (const Bytes& record : records) {
    const size_t program_at = all.framing.size(), payload_at = all.payload.size();
    if (!framer.Split(record, all.framing, all.payload)) {
      CHECK(all.framing.size() == program_at && all.payload.size() == payload_at);
      Append(all.payload, record);
      all.framing_bytes.push_back(0);
      ++all.raw;
      continue;
    }
    const View program = View(all.framing).subspan(program_at);
    const View payload = View(all.payload).subspan(payload_at);
    // Self-delimiting: what follows does not matter.
    Bytes followed(program.begin(), program.end());
    Append(followed, "follows");
    const ProgramLengths lengths = Must(MeasureProgram(followed), "measure");
    CHECK(lengths.program_length == program.size() && lengths.payload_length == payload.size());
    CHECK(lengths.record_length == record.size());
    Bytes joined(record.size(), 0xa5);
    Must(Join(program, payload, joined), "join");
    CHECK(joined == record);
    all.framing_bytes.push_back(record.size() - payload.size());
  }
  return all;
}

Taken TakeApart(const Records& records) {
  Framer framer;
  return TakeApart(framer, records);
}

Bytes MixedContent(uint64_t seed, size_t size) {
  Random random(seed);
  Bytes content;
  while (content.size() < size) {
    const size_t length = 200 + random.Below(60'000);
    switch (random.Below(4)) {
      case 0:
        for (size_t n = 0; n < length; n += 6) {
          for (int i = 0; i < 5; ++i) content.push_back(static_cast<uint8_t>('a' + random.Below(20)));
          content.push_back(' ');
        }
        break;
      case 1: Append(content, random.Noise(length)); break;
      case 2: content.resize(content.size() + length); break;
      default:
        for (size_t n = 0; n < length; n += 4) LittleEndian(content, random.Below(3000), 4);
    }
  }
  content.resize(size);
  return content;
}

Bytes Shifted(const Bytes& content, size_t at, size_t by) {
  Bytes shifted(content.begin(), content.begin() + static_cast<ptrdiff_t>(at));
  Append(shifted, Random(by).Noise(by));
  Append(shifted, View(content).subspan(at));
  return shifted;
}

double NewShare(const Bytes& first, const Bytes& second) {
  const auto chunks_of = [](View bytes) {
    std::vector<std::pair<uint64_t, size_t>> chunks;
    std::vector<uint32_t> lengths;
    CHECK(CutChunks(bytes, true, lengths) == bytes.size());
    for (const uint32_t length : lengths) {
      uint64_t hash = 14695981039346656037u;
      for (const uint8_t byte : bytes.first(length)) hash = (hash ^ byte) * 1099511628211u;
      chunks.emplace_back(hash, length);
      bytes = bytes.subspan(length);
    }
    return chunks;
  };
  std::set<std::pair<uint64_t, size_t>> known;
  for (const auto& chunk : chunks_of(first)) known.insert(chunk);
  size_t fresh = 0;
  for (const auto& chunk : chunks_of(second)) fresh += known.contains(chunk) ? 0 : chunk.second;
  return static_cast<double>(fresh) / static_cast<double>(second.size());
}

Bytes Whole(const Records& records) {
  Bytes whole;
  for (const Bytes& record : records) Append(whole, record);
  return whole;
}

}  // namespace capstan::test
