// Records taken apart and joined: known formats, unknown ones, payload that looks like framing, damage.
#include "../engine/chunker.h"
#include "../engine/framing.h"
#include "harness.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace capstan::test {
namespace {

using Records = std::vector<Bytes>;

void Append(Bytes& out, View bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
void Append(Bytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }
void BigEndian(Bytes& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<uint8_t>(value >> shift));
}
void LittleEndian(Bytes& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

struct Taken {
  Bytes framing;
  Bytes payload;
  // Per record: the bytes of it that went to the framing, or nothing of it where it stayed as it is.
  std::vector<size_t> framing_bytes;
  size_t raw = 0;
};

// Takes every record apart, joins it again and compares; a record that is left alone is payload.
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

// What a backup saves: words, noise, zeros, small numbers, in files of all lengths.
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

Bytes TextContent(uint64_t seed, size_t size) {
  Random random(seed);
  Bytes content;
  while (content.size() < size)
    Append(content, Text("2024-06-", 10 + random.Below(20), " host", random.Below(20), " app[",
                         random.Below(30000), "]: request ", random.Next(), " was answered\n"));
  content.resize(size);
  return content;
}

Bytes PageContent(uint64_t seed, size_t size, size_t page_bytes) {
  Random random(seed);
  Bytes content;
  for (uint32_t number = 0; content.size() < size; ++number) {
    const size_t end = content.size() + page_bytes;
    LittleEndian(content, 0x50414745, 4);
    LittleEndian(content, number, 4);
    LittleEndian(content, 1000 + number, 8);
    LittleEndian(content, page_bytes, 4);
    while (content.size() + 64 < end) {
      Append(content, random.Noise(24));
      Append(content, "row of a table ");
    }
    content.resize(end);
  }
  return content;
}

// Files of one length each, so that a header stands at every multiple of it.
Bytes TarContent(uint64_t seed, size_t size, size_t member_bytes) {
  Random random(seed);
  Bytes content;
  for (int number = 0; content.size() < size; ++number) {
    Bytes header;
    Append(header, Text("folder/file-", 10000 + number));
    header.resize(100);
    Append(header, std::string_view("0000644\0" "0001750\0" "0001750\0", 24));
    Append(header, std::string_view("00000176000\0" "14626453421\0", 24));
    Append(header, Text("01", 1000 + number % 7, " 0"));
    header.resize(257);
    Append(header, "ustar  ");
    header.resize(512);
    Append(content, header);
    Append(content, random.Noise(member_bytes - 512));
  }
  content.resize(size);
  return content;
}

// The same content, changed early on: everything behind lies elsewhere in its records.
Bytes Shifted(const Bytes& content, size_t at, size_t by) {
  Bytes shifted(content.begin(), content.begin() + static_cast<ptrdiff_t>(at));
  Append(shifted, Random(by).Noise(by));
  Append(shifted, View(content).subspan(at));
  return shifted;
}

Records Cut(const Bytes& content, size_t record_bytes) {
  Records records;
  for (size_t at = 0; at < content.size(); at += record_bytes)
    records.emplace_back(
        content.begin() + static_cast<ptrdiff_t>(at),
        content.begin() + static_cast<ptrdiff_t>(std::min(content.size(), at + record_bytes)));
  return records;
}

struct BaculaShape {
  int level = 2;
  size_t block_bytes = 64512;
  // Size field counts the padding of a fixed block.
  bool size_counts_padding = false;
  bool fixed_blocks = true;
  bool labels = true;
  bool checksum_option = true;
  size_t record_bytes_max = 65536;
  uint32_t session = 7;
};

// Writes as the storage daemon does: records of a stream, split over blocks, behind session labels.
class BaculaWriter {
 public:
  explicit BaculaWriter(const BaculaShape& shape) : shape_(shape), random_(shape.session) { Begin(); }

  Records Write(const Bytes& content) {
    if (shape_.labels) Label(-4);
    int32_t index = 0;
    for (size_t at = 0; at < content.size();) {
      const size_t length =
          std::min<size_t>(1 + random_.Below(shape_.record_bytes_max), content.size() - at);
      Record(++index, 2, View(content).subspan(at, length));
      at += length;
    }
    if (shape_.labels) Label(-5);
    Finish();
    return std::move(records_);
  }

 private:
  size_t record_header_bytes() const { return shape_.level == 1 ? 20 : 12; }
  void Begin() {
    block_.clear();
    BigEndian(block_, shape_.level == 3 ? uint64_t{shape_.checksum_option} : 0, 4);
    BigEndian(block_, 0, 4);
    BigEndian(block_, number_++, 4);
    Append(block_, Text("BB0", shape_.level));
    if (shape_.level > 1) BigEndian(block_, uint64_t{shape_.session} << 32 | 0x66000000, 8);
    if (shape_.level == 3 && shape_.checksum_option) BigEndian(block_, random_.Next(), 8);
    empty_bytes_ = block_.size();
  }
  void Finish() {
    if (block_.size() == empty_bytes_) return;
    const size_t used = block_.size();
    if (shape_.fixed_blocks) block_.resize(shape_.block_bytes);
    const size_t counted = shape_.size_counts_padding ? block_.size() : used;
    for (int i = 0; i < 4; ++i) block_[4 + i] = static_cast<uint8_t>(counted >> (24 - 8 * i));
    const uint64_t checksum = random_.Next();
    if (shape_.level < 3) std::memcpy(block_.data(), &checksum, 4);
    records_.push_back(block_);
    Begin();
  }
  void Header(int32_t index, int32_t stream, size_t length) {
    if (shape_.level == 1) BigEndian(block_, uint64_t{shape_.session} << 32 | 0x66000000, 8);
    BigEndian(block_, static_cast<uint32_t>(index), 4);
    BigEndian(block_, static_cast<uint32_t>(stream), 4);
    BigEndian(block_, length, 4);
  }
  void Label(int32_t kind) {
    if (shape_.block_bytes - block_.size() < record_header_bytes() + 300) Finish();
    Header(kind, 42, 280);
    Append(block_, random_.Noise(280));
  }
  void Record(int32_t index, int32_t stream, View data) {
    for (;;) {
      if (shape_.block_bytes - block_.size() <= record_header_bytes()) Finish();
      const size_t here =
          std::min(data.size(), shape_.block_bytes - block_.size() - record_header_bytes());
      Header(index, stream, data.size());
      Append(block_, data.first(here));
      data = data.subspan(here);
      if (data.empty()) return;
      stream = -2;
      Finish();
    }
  }

  BaculaShape shape_;
  Random random_;
  Bytes block_;
  size_t empty_bytes_ = 0;
  uint32_t number_ = 0;
  Records records_;
};

// A block format of no known application.
struct UnknownFormat {
  const char* name;
  size_t header_bytes;
  size_t record_bytes;
  // Records that may stay as they are before the header is known.
  size_t raw_max;
  // Of block `number` of a session; `data` is its payload.
  void (*write)(Bytes& out, uint64_t session, uint64_t number, View data);
};

uint32_t Noisy(uint64_t session, uint64_t number) {
  return static_cast<uint32_t>(Random(session * 1'000'003 + number).Next());
}
Bytes Identity(uint64_t session, size_t size) { return Random(session ^ 0x5e55).Noise(size); }

constexpr UnknownFormat kUnknownFormats[] = {
    {"lengths inside, checksum last", 96, 262144, 4,
     [](Bytes& out, uint64_t session, uint64_t number, View data) {
       Append(out, "SMBK");
       LittleEndian(out, 3, 2), LittleEndian(out, 96, 2);
       Append(out, Identity(1, 16)), Append(out, Identity(session, 16));
       Append(out, std::string_view("client-17.example\0\0\0\0\0\0\0", 24));
       LittleEndian(out, session * 200'000 + number, 8), LittleEndian(out, number, 4);
       LittleEndian(out, 1'700'000'000 + session * 86'400 + number / 40, 4);
       LittleEndian(out, data.size(), 4), LittleEndian(out, 0, 8);
       LittleEndian(out, Noisy(session, number), 4);
     }},
    {"big endian, checksum first", 32, 65536, 16,
     [](Bytes& out, uint64_t session, uint64_t number, View) {
       BigEndian(out, Noisy(session, number), 4);
       Append(out, "BLKH"), BigEndian(out, number, 4);
       BigEndian(out, 1'700'000'000 + session * 86'400 + number / 9, 4);
       Append(out, Identity(session, 16));
     }},
    {"checksum last, no lengths", 64, 65536, 16,
     [](Bytes& out, uint64_t session, uint64_t number, View) {
       Append(out, "VOLBLOCK"), LittleEndian(out, 0x00010002, 4), LittleEndian(out, number, 8);
       Append(out, "backup-server-3."), Append(out, Identity(session, 16));
       LittleEndian(out, session, 4), LittleEndian(out, 17, 4);
       LittleEndian(out, Noisy(session, number), 4);
     }},
    {"reserved to 512 bytes", 512, 32768, 16,
     [](Bytes& out, uint64_t session, uint64_t number, View) {
       Append(out, "MPX1"), BigEndian(out, session % 9, 4), BigEndian(out, number, 8);
       Append(out, Identity(session, 8)), out.resize(512);
     }},
    {"no magic, length of the data", 24, 131072, 16,
     [](Bytes& out, uint64_t session, uint64_t number, View data) {
       Append(out, Identity(session, 12)), LittleEndian(out, number, 4);
       LittleEndian(out, data.size(), 4), LittleEndian(out, Noisy(session, number), 4);
     }},
    {"digits", 48, 10240, 16,
     [](Bytes& out, uint64_t session, uint64_t number, View) {
       Append(out, Text("BLOCK ", 100'000'000 + number, " JOB ", 1'000'000 + session));
       Append(out, " 2024-06-01 SITE01 ");
       out.resize(47, ' '), out.push_back('\n');
     }},
};

Records WriteUnknown(const UnknownFormat& format, uint64_t session, const Bytes& content) {
  Records records;
  const size_t room = format.record_bytes - format.header_bytes;
  for (size_t at = 0, number = 0; at < content.size(); at += room, ++number) {
    const View data = View(content).subspan(at, std::min(room, content.size() - at));
    Bytes record;
    format.write(record, session, number, data);
    CHECK(record.size() == format.header_bytes, format.name);
    Append(record, data);
    records.push_back(std::move(record));
  }
  return records;
}

// The share of the chunks' bytes of `second` that `first` has not.
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

TEST("framing", "Bacula blocks of every level give back exactly what was saved") {
  const Bytes content = MixedContent(1, 700'000);
  std::vector<BaculaShape> shapes;
  for (const int level : {1, 2, 3})
    for (const bool counts : {false, true})
      for (const bool fixed : {false, true})
        for (const size_t record_bytes_max : {200, 65536, 300'000})
          shapes.push_back({.level = level, .size_counts_padding = counts, .fixed_blocks = fixed,
                            .record_bytes_max = record_bytes_max});
  shapes.push_back({.level = 3, .checksum_option = false});
  shapes.push_back({.block_bytes = 1'048'576});
  for (const BaculaShape& shape : shapes) {
    const Taken taken = TakeApart(BaculaWriter(shape).Write(content));
    CHECK(taken.raw == 0, shape.level);
    CHECK(taken.payload == content, "level ", shape.level, " records up to ", shape.record_bytes_max);
  }
}

TEST("framing", "two Bacula backups of shifted content have payload that differs only there") {
  const Bytes first = MixedContent(2, 6'000'000);
  const Bytes second = Shifted(first, 100'000, 777);
  const Records first_blocks = BaculaWriter({.session = 7}).Write(first);
  const Records second_blocks = BaculaWriter({.session = 11}).Write(second);
  const Taken first_taken = TakeApart(first_blocks), second_taken = TakeApart(second_blocks);
  CHECK(first_taken.payload == first && second_taken.payload == second);
  CHECK(NewShare(Whole(first_blocks), Whole(second_blocks)) > 0.9);
  CHECK(NewShare(first_taken.payload, second_taken.payload) < 0.06);
}

TEST("framing", "Bacula blocks with damaged headers are joined again all the same") {
  Random random(3);
  const Records blocks = BaculaWriter({.record_bytes_max = 9000}).Write(MixedContent(3, 130'000));
  for (int round = 0; round < 3000; ++round) {
    Bytes block = blocks[random.Below(blocks.size())];
    if (random.OneIn(2)) block.resize(64 + random.Below(block.size() - 64));
    for (uint64_t flips = 1 + random.Below(4); flips > 0; --flips) {
      const size_t at = random.OneIn(2) ? random.Below(48) : random.Below(block.size());
      block[at] = static_cast<uint8_t>(random.OneIn(3) ? 0xff : random.Next());
    }
    TakeApart({block});
  }
}

TEST("framing", "an Amanda header becomes framing and its zeros take no room") {
  Bytes header;
  Append(header, "AMANDA: FILE 20240601 host.example /home lev 0 comp N program /bin/tar\n"
                 "To restore, position tape at start of file and run:\n"
                 "\tdd if=<tape> bs=32k skip=1\n\f\n");
  const size_t text_bytes = header.size();
  header.resize(32768);
  const Taken taken = TakeApart({header, Bytes(32768, 'x')});
  CHECK(taken.raw == 1 && taken.payload == Bytes(32768, 'x'));
  CHECK(taken.framing.size() < text_bytes + 16);
}

TEST("framing", "an unknown header's length is found, and again with other ids and shifted content") {
  const auto contents = {MixedContent, TextContent,
                         +[](uint64_t seed, size_t size) { return Random(seed).Noise(size); },
                         +[](uint64_t seed, size_t size) { return PageContent(seed, size, 8192); }};
  for (const UnknownFormat& format : kUnknownFormats) {
    int content_number = 0;
    for (const auto content_of : contents) {
      ++content_number;
      for (const uint64_t seed : {1, 2}) {
        const Bytes content = content_of(seed, 24 * format.record_bytes);
        for (const size_t shift : {0, 777, 100'000}) {
          const Records blocks =
              WriteUnknown(format, seed * 10 + shift, Shifted(content, 5000, shift));
          const Taken taken = TakeApart(blocks);
          const std::string place = Text(format.name, ", content ", content_number, ", seed ", seed,
                                         ", shift ", shift);
          CHECK(taken.raw < format.raw_max, place, ": raw ", taken.raw);
          for (size_t i = 0; i < taken.framing_bytes.size(); ++i)
            CHECK(taken.framing_bytes[i] == (i < taken.raw ? 0 : format.header_bytes), place, ": record ", i,
                  " has a header of ", taken.framing_bytes[i]);
        }
      }
    }
  }
}

TEST("framing", "an unknown format deduplicates once its header is known") {
  const Bytes first = MixedContent(5, 12'000'000);
  const Bytes second = Shifted(first, 3'000'000, 4321);
  const UnknownFormat& format = kUnknownFormats[2];
  const Records first_blocks = WriteUnknown(format, 1, first);
  const Records second_blocks = WriteUnknown(format, 2, second);
  CHECK(NewShare(Whole(first_blocks), Whole(second_blocks)) > 0.9);
  CHECK(NewShare(TakeApart(first_blocks).payload, TakeApart(second_blocks).payload) < 0.2);
}

TEST("framing", "payload that looks structured is left alone") {
  struct Case {
    const char* name;
    Bytes content;
    size_t record_bytes;
  };
  Random random(6);
  Bytes rows;
  for (int i = 0; rows.size() < 4'000'000; ++i) {
    Append(rows, Text("ROW ", 1'000'000 + i, " CUSTOMER ", 10'000 + random.Below(80'000)));
    rows.resize((rows.size() + 79) / 80 * 80, ' ');
  }
  Bytes one_record = random.Noise(65536), repeated;
  for (int i = 0; i < 60; ++i) Append(repeated, one_record);
  Bytes sparse(4'000'000);
  for (size_t at = 0; at < sparse.size(); at += 1 + random.Below(4000)) sparse[at] = 1;
  const Case cases[] = {
      {"zeros", Bytes(4'000'000), 65536},
      {"one byte", Bytes(4'000'000, 0x20), 10240},
      {"noise", random.Noise(4'000'000), 65536},
      {"mixture", MixedContent(6, 8'000'000), 65536},
      {"mixture, small records", MixedContent(7, 8'000'000), 10240},
      {"text", TextContent(8, 4'000'000), 32768},
      {"pages", PageContent(9, 8'000'000, 8192), 65536},
      {"large pages", PageContent(9, 8'000'000, 32768), 65536},
      {"small pages", PageContent(9, 4'000'000, 2048), 10240},
      {"pages and no multiple of them", PageContent(9, 4'000'000, 8192), 10240},
      {"tar of equal files", TarContent(10, 8'000'000, 65536), 65536},
      {"tar of small equal files", TarContent(11, 4'000'000, 1024), 10240},
      {"rows", rows, 10240},
      {"one record again and again", repeated, 65536},
      {"sparse", sparse, 65536},
  };
  for (const Case& one : cases) {
    const Taken taken = TakeApart(Cut(one.content, one.record_bytes));
    CHECK(taken.framing.empty(), one.name, ": ", taken.framing_bytes[40]);
    CHECK(taken.payload == one.content, one.name);
  }
}

TEST("framing", "pages behind an unknown header are not taken for a part of it") {
  for (const size_t shift : {0, 512, 8192}) {
    Bytes content = PageContent(12, 4'000'000, 8192);
    content.erase(content.begin(), content.begin() + static_cast<ptrdiff_t>(shift));
    UnknownFormat format = kUnknownFormats[1];
    format.record_bytes = 65536 + format.header_bytes;
    const Taken taken = TakeApart(WriteUnknown(format, 1, content));
    CHECK(taken.raw < 33, shift);
    CHECK(taken.framing_bytes.back() == format.header_bytes, shift, ": ", taken.framing_bytes.back());
  }
}

TEST("framing", "what was learned holds over filemarks and foreign records, and is learned anew") {
  const UnknownFormat& format = kUnknownFormats[0];
  const Bytes content = MixedContent(13, 20 * format.record_bytes);
  const Records blocks = WriteUnknown(format, 1, content);
  Framer framer;
  CHECK(TakeApart(framer, blocks).raw < 4);
  framer.EndFile();
  CHECK(TakeApart(framer, {Bytes(80, 'H'), Bytes(80, 'E')}).raw == 2);
  framer.EndFile();
  CHECK(TakeApart(framer, blocks).raw == 0);
  Records mixed = blocks;
  for (size_t at = 3; at < mixed.size(); at += 4)
    mixed.insert(mixed.begin() + static_cast<ptrdiff_t>(at), Random(at).Noise(65536));
  CHECK(TakeApart(framer, mixed).raw == mixed.size() - blocks.size());
  framer.EndFile();
  const Taken other = TakeApart(framer, WriteUnknown(kUnknownFormats[2], 9, content));
  CHECK(other.raw < 17 && other.framing_bytes.back() == kUnknownFormats[2].header_bytes);
  const Records again = WriteUnknown(format, 2, content);
  framer.Reset();
  Framer fresh;
  CHECK(TakeApart(framer, again).framing_bytes == TakeApart(fresh, again).framing_bytes);
}

TEST("framing", "labels before the data do not keep an unknown header from being found") {
  const UnknownFormat& format = kUnknownFormats[2];
  Records records = WriteUnknown(format, 3, MixedContent(14, 60 * format.record_bytes));
  records.insert(records.begin(), {Bytes(1024, 'L'), Random(1).Noise(65536), Bytes(32768, 'C')});
  const Taken taken = TakeApart(records);
  CHECK(taken.raw <= 20, taken.raw);
  CHECK(taken.framing_bytes.back() == format.header_bytes);
}

TEST("framing", "whatever the records are, they are joined again") {
  Random random(17);
  Framer framer;
  const Bytes content = MixedContent(17, 400'000);
  for (int round = 0; round < 1500; ++round) {
    Bytes header = Identity(random.Below(3), 8 + random.Below(random.OneIn(2) ? 64 : 3000));
    Records records;
    const size_t length = random.Below(random.OneIn(4) ? 70'000 : 5000);
    for (uint64_t count = random.Below(40); count > 0; --count) {
      Bytes record = header;
      Append(record, View(content).subspan(random.Below(300'000), length));
      if (random.OneIn(5)) record.resize(random.Below(record.size() + 1));
      if (random.OneIn(9)) record.resize(record.size() + random.Below(4000));
      header[random.Below(header.size())] = static_cast<uint8_t>(random.Next());
      records.push_back(std::move(record));
    }
    TakeApart(framer, records);
    if (random.OneIn(3)) framer.EndFile();
    if (random.OneIn(9)) framer.Reset();
  }
}

TEST("framing", "damaged programs are refused or give a record of the length they say") {
  Random random(15);
  Framer framer;
  Bytes framing, payload;
  std::vector<std::pair<Bytes, Bytes>> programs;
  BaculaWriter bacula({.block_bytes = 4096, .record_bytes_max = 900});
  for (const Bytes& block : bacula.Write(MixedContent(15, 60'000))) {
    framing.clear(), payload.clear();
    CHECK(framer.Split(block, framing, payload));
    programs.emplace_back(framing, payload);
  }
  size_t refused = 0, joined = 0;
  for (int round = 0; round < 15'000; ++round) {
    auto [program, data] = programs[random.Below(programs.size())];
    if (random.OneIn(4)) program.resize(random.Below(program.size()));
    for (uint64_t flips = random.Below(4); flips > 0 && !program.empty(); --flips)
      program[random.Below(std::min<size_t>(program.size(), random.OneIn(2) ? 24 : 4096))] =
          static_cast<uint8_t>(random.OneIn(3) ? 0xff : random.Next());
    // Exactly so long, on the heap: a step too far is noticed.
    program.shrink_to_fit();
    const auto lengths = MeasureProgram(program);
    if (!lengths.ok()) {
      CHECK(lengths.error().code == ErrorCode::kCorrupt);
      Bytes record(4096);
      CHECK(!Join(program, data, record).ok());
      ++refused;
      continue;
    }
    CHECK(lengths.value().record_length <= kFramedRecordBytesMax);
    CHECK(lengths.value().program_length <= program.size());
    program.resize(lengths.value().program_length);
    program.shrink_to_fit();
    data.resize(lengths.value().payload_length);
    Bytes record(lengths.value().record_length);
    Must(Join(program, data, record), "join");
    Bytes wrong(record.size() + 1);
    CHECK(!Join(program, data, wrong).ok());
    data.push_back(0);
    CHECK(!Join(program, data, record).ok());
    ++joined;
  }
  CHECK(refused > 500 && joined > 500, refused, " ", joined);
}

TEST("framing", "programs with lengths beyond a record's are refused before anything is taken") {
  Bytes program;
  Writer writer(program);
  writer.Varint(2);
  writer.Varint(0), writer.Varint(kFramedRecordBytesMax), writer.Varint(0);
  writer.Varint(0), writer.Varint(1), writer.Varint(0);
  CHECK(!MeasureProgram(program).ok());
  program.clear();
  writer.Varint(UINT64_MAX);
  CHECK(!MeasureProgram(program).ok());
  CHECK(!MeasureProgram({}).ok());
  for (const uint64_t length : {uint64_t{1} << 32, UINT64_MAX}) {
    program.clear();
    writer.Varint(1), writer.Varint(length), writer.Varint(0), writer.Varint(0);
    CHECK(!MeasureProgram(program).ok());
  }
}

TEST("framing", "records too short or too long are left alone") {
  Framer framer;
  Bytes framing, payload;
  const Bytes block = BaculaWriter({}).Write(MixedContent(16, 90'000)).front();
  for (size_t length = 0; length < kFramedRecordBytesMin; ++length)
    CHECK(!framer.Split(View(block).first(length), framing, payload), length);
  const Bytes long_record(kFramedRecordBytesMax + 1);
  CHECK(!framer.Split(long_record, framing, payload));
  CHECK(framing.empty() && payload.empty());
}

}  // namespace
}  // namespace capstan::test
