// Blocks of no known application taken apart and joined, and payload that looks like framing.
#include <algorithm>

#include "framing_records.h"

namespace capstan::test {
namespace {

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

Records Cut(const Bytes& content, size_t record_bytes) {
  Records records;
  for (size_t at = 0; at < content.size(); at += record_bytes)
    records.emplace_back(
        content.begin() + static_cast<ptrdiff_t>(at),
        content.begin() + static_cast<ptrdiff_t>(std::min(content.size(), at + record_bytes)));
  return records;
}

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

}  // namespace
}  // namespace capstan::test
