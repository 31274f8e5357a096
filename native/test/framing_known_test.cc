// Blocks of known applications taken apart and joined, their programs, and damage to either.
#include <algorithm>

#include "framing_records.h"

namespace capstan::test {
namespace {

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
