#include "framing_learner.h"

#include <algorithm>
#include <bit>

namespace capstan {
namespace {

constexpr size_t kHeaderBytesMax = 1024;
constexpr size_t kHeaderBytesMin = 8;
// Shorter records are not learned from, and hardly hold data.
constexpr size_t kLearnedRecordBytesMin = 2048;
constexpr size_t kSamplesMax = 32;
// With so many records the end of a header is decided from statistics alone.
constexpr size_t kSamplesForStatistics = 16;
constexpr size_t kStrideCount = 5;
constexpr size_t kHistogramPlaces = 4;
constexpr size_t kHistogramBytes = 256;
constexpr uint64_t kIdleGrowth = 8;
constexpr uint64_t kIdlePromising = 32;
constexpr size_t kMarksMin = 4;
constexpr size_t kMarksKept = 8;
// A checksum of 256 bits may come first.
constexpr size_t kLeadingNoiseMax = 36;
// How far behind the last byte with a structure the header may reach.
constexpr size_t kTrailerBytesMax = 64;
// So many zeros are fields that are not used.
constexpr size_t kReservedBytesMin = 12;
// 32, 64, 128, 160 and 256 bits.
constexpr std::array<size_t, 5> kTrailerLengths = {4, 8, 16, 20, 32};

// Evidence is counted in sixteenths of a bit.
constexpr int kBit = 16;
constexpr int kByteEvidenceMax = 64 * kBit;
// A varying byte in a header is somewhat improbable, and looks like noise if it is there.
constexpr int kVaryingCost = 2 * kBit;
constexpr int kVaryingCostMax = 24 * kBit;
constexpr int kNoiseMax = 4 * kBit;
constexpr int kHeaderEvidenceMin = 96 * kBit;
constexpr int kTailEvidenceMin = 12 * kBit;
constexpr int kPairEvidenceMin = 6 * kBit;
constexpr int kContradictionMin = 24 * kBit;
constexpr int kSeparationMin = 48 * kBit;

// 16 log2(value), in integers.
int Log2(uint64_t value) {
  const int whole = std::bit_width(value) - 1;
  uint64_t mantissa = whole <= 31 ? value << (31 - whole) : value >> (whole - 31);
  int result = whole;
  for (int i = 0; i < 4; ++i) {
    mantissa = mantissa * mantissa >> 31;
    result = 2 * result + static_cast<int>(mantissa >> 32);
    if (mantissa >> 32) mantissa >>= 1;
  }
  return result;
}

// A number as it may stand in a header.
struct FieldForm {
  size_t bytes;
  bool little_endian;
};
constexpr FieldForm kFieldForms[] = {{2, true}, {2, false}, {4, true}, {4, false}};

uint32_t Number(const uint8_t* at, FieldForm form) {
  uint32_t value = 0;
  for (size_t i = 0; i < form.bytes; ++i)
    value = value << 8 | at[form.little_endian ? form.bytes - 1 - i : i];
  return value;
}

// A POSIX or GNU tar header: files of one length make it stand at the start of every record.
bool IsTarHeader(View record) { return std::memcmp(&record[257], "ustar", 5) == 0; }

}  // namespace

// The starts of the last records, and what was counted over them. A pair is two consecutive records.
struct HeaderLearner::Window {
  size_t count = 0;
  size_t prefix = 0;
  std::array<size_t, kStrideCount> strides{};
  std::array<uint32_t, kSamplesMax> record_bytes{};
  std::array<std::array<uint8_t, kHeaderBytesMax>, kSamplesMax> samples{};
  // By place in the prefix: pairs that have the same value, and pairs that step as the pair before.
  std::array<uint8_t, kHeaderBytesMax> same{};
  std::array<uint8_t, kHeaderBytesMax> steps{};
  std::array<uint8_t, kHeaderBytesMax> last_step{};
  // Pairs for which the byte one stride further does the same: payload that repeats itself, as pages do.
  std::array<std::array<uint8_t, kHeaderBytesMax>, kStrideCount> inner{};
  std::array<std::array<uint8_t, kHeaderBytesMax>, kStrideCount> repeated{};
  std::array<uint32_t, 256> histogram{};
  uint32_t histogram_total = 0;
  // What a value costs as a byte of the payload.
  std::array<int, 256> cost{};
  // What the counts say, made by Weigh: of a byte as a field of a header, and as noise in it.
  std::array<int, kHeaderBytesMax> structure{};
  std::array<int, kHeaderBytesMax> noise{};

  size_t pairs() const { return count - 1; }
  const uint8_t* last() const { return samples[count - 1].data(); }

  void Clear() { count = 0; }
  void Start(View record);
  bool Observe(View record);
  void CountPairs(View record);
  int Noise(uint8_t value) const;
  bool Repeats(size_t at) const;
  bool IsField(size_t at) const;
  bool IsConstant(size_t at) const;
  void Weigh();
  size_t StructuredEnd(int& evidence) const;
  size_t EndOfZeros(size_t end) const;
  size_t LengthInHeader(size_t end) const;
  bool Contradicted(size_t end, size_t length) const;
  bool Plausible() const;
  size_t Trailer(size_t end) const;
  size_t Decide(bool& promising);
};

void HeaderLearner::Window::Start(View record) {
  prefix = std::min(kHeaderBytesMax, record.size() / 8);
  // Periods of 2, 3, 5 or 7 to a record, and pages behind a header.
  strides = {record.size() / 2, record.size() / 3, record.size() / 5, record.size() / 7,
             std::bit_floor(record.size() / 2)};
  same = {};
  steps = {};
  last_step = {};
  repeated = {};
  histogram = {};
  histogram_total = 0;
}

// Takes `record` in; false where it is no record to learn from.
bool HeaderLearner::Window::Observe(View record) {
  if (count == kSamplesMax || record.size() < kLearnedRecordBytesMin || IsTarHeader(record))
    return false;
  if (count == 0) Start(record);
  if (record.size() < strides[0] + prefix) return false;
  if (count > 0) CountPairs(record);
  for (size_t s = 0; s < kStrideCount; ++s)
    std::memcpy(inner[s].data(), &record[strides[s]], prefix);
  std::memcpy(samples[count].data(), record.data(), prefix);
  record_bytes[count] = static_cast<uint32_t>(record.size());
  for (size_t place = 1; place <= kHistogramPlaces; ++place) {
    const size_t at = record.size() * place / (kHistogramPlaces + 1);
    for (const uint8_t byte : record.subspan(at, kHistogramBytes)) ++histogram[byte];
  }
  histogram_total += kHistogramPlaces * kHistogramBytes;
  ++count;
  return true;
}

void HeaderLearner::Window::CountPairs(View record) {
  const uint8_t* before = last();
  const uint8_t* now = record.data();
  for (size_t s = 0; s < kStrideCount; ++s) {
    const uint8_t* inner_now = now + strides[s];
    const uint8_t* inner_before = inner[s].data();
    uint8_t* counts = repeated[s].data();
    for (size_t i = 0; i < prefix; ++i) {
      const auto step = static_cast<uint8_t>(now[i] - before[i]);
      const auto inner_step = static_cast<uint8_t>(inner_now[i] - inner_before[i]);
      // Constants must have the same value there, counters the same step.
      counts[i] = static_cast<uint8_t>(
          counts[i] + (step == inner_step && (step != 0 || now[i] == inner_now[i])));
    }
  }
  for (size_t i = 0; i < prefix; ++i) {
    const auto step = static_cast<uint8_t>(now[i] - before[i]);
    same[i] = static_cast<uint8_t>(same[i] + (step == 0));
    steps[i] = static_cast<uint8_t>(steps[i] + (count > 1 && step != 0 && step == last_step[i]));
    last_step[i] = step;
  }
}

// How much more one value speaks for noise than for the payload.
int HeaderLearner::Window::Noise(uint8_t value) const {
  return std::clamp(cost[value] - 8 * kBit, -kNoiseMax, kNoiseMax);
}

bool HeaderLearner::Window::Repeats(size_t at) const {
  size_t most = 0;
  for (const auto& counts : repeated) most = std::max<size_t>(most, counts[at]);
  return 2 * most >= pairs();
}

bool HeaderLearner::Window::IsConstant(size_t at) const {
  return 4 * same[at] >= 3 * pairs();
}

bool HeaderLearner::Window::IsField(size_t at) const {
  return IsConstant(at) || (steps[at] > 0 && 4 * (steps[at] + size_t{1}) >= 3 * pairs());
}

void HeaderLearner::Window::Weigh() {
  for (size_t value = 0; value < cost.size(); ++value)
    cost[value] = Log2(histogram_total + cost.size()) - Log2(histogram[value] + 1);
  for (size_t i = 0; i < prefix; ++i) {
    noise[i] = 0;
    for (size_t n = 0; n < count; ++n) noise[i] += Noise(samples[n][i]);
    if (!IsField(i)) {
      structure[i] = std::clamp(noise[i], -kVaryingCostMax, 0) - kVaryingCost;
      continue;
    }
    const bool constant = IsConstant(i);
    const size_t predicted = constant ? same[i] : steps[i] + size_t{1};
    // As payload each of these bytes would have cost that much; what the payload repeats costs nothing.
    const int bits = Repeats(i) ? 0 : constant ? cost[last()[i]] : 6 * kBit;
    int evidence = static_cast<int>(predicted) * bits -
                   static_cast<int>(pairs() - std::min(predicted, pairs())) * 8 * kBit;
    // A run of one value, such as zeros, is one fact and not many.
    if (i > 0 && constant && IsConstant(i - 1) && last()[i] == last()[i - 1])
      evidence = std::min(evidence, evidence / 8);
    structure[i] = std::min(evidence, kByteEvidenceMax);
  }
}

// The end of what has a structure: where the sum of the evidence is greatest.
size_t HeaderLearner::Window::StructuredEnd(int& evidence) const {
  int sum = 0;
  size_t end = 0;
  evidence = 0;
  for (size_t i = 0; i < prefix; ++i) {
    sum += structure[i];
    if (sum > evidence) {
      evidence = sum;
      end = i + 1;
    }
  }
  // A last run of one value must stand for itself: it may be payload that begins alike by chance.
  const int least = std::min(kTailEvidenceMin, static_cast<int>(pairs()) * kPairEvidenceMin);
  while (end > 0) {
    size_t start = end;
    int tail = 0;
    do {
      --start;
      tail += structure[start];
    } while (start > 0 && IsConstant(start) && IsConstant(start - 1) &&
             last()[start] == last()[start - 1]);
    if (tail >= least) break;
    end = start;
    evidence -= tail;
  }
  return EndOfZeros(end);
}

// Where the last run is of zeros, which the payload may have as well, it ends where the first record has
// another value; a few zeros of the payload that all records happen to begin with are cut off again.
size_t HeaderLearner::Window::EndOfZeros(size_t end) const {
  if (end == 0) return 0;
  const auto always_zero = [this](size_t at) { return same[at] == pairs() && last()[at] == 0; };
  size_t zeros_end = end;
  while (zeros_end < prefix && always_zero(zeros_end)) ++zeros_end;
  size_t zeros_start = zeros_end;
  while (zeros_start > 0 && always_zero(zeros_start - 1)) --zeros_start;
  if (zeros_end - zeros_start < kReservedBytesMin) return end;
  return std::max(zeros_start, zeros_end / 8 * 8);
}

// The header's length where it, or the data's, stands in the header itself; 0 where that is not certain.
size_t HeaderLearner::Window::LengthInHeader(size_t end) const {
  size_t least = end;
  while (least > 0 && last()[least - 1] == 0) --least;
  const size_t reach = std::min(end + kTrailerBytesMax, prefix);
  // By length: the widest field that names it.
  std::array<uint8_t, kHeaderBytesMax + 1> by_header{}, by_data{};
  for (const FieldForm form : kFieldForms) {
    for (size_t at = 0; at + form.bytes <= reach; at += 2) {
      size_t header_agrees = 0, data_agrees = 0;
      const uint32_t header_now = Number(last() + at, form);
      const uint32_t data_now = record_bytes[count - 1] - header_now;
      for (size_t n = 0; n < count; ++n) {
        const uint32_t value = Number(samples[n].data() + at, form);
        header_agrees += value == header_now;
        data_agrees += record_bytes[n] - value == data_now;
      }
      const auto vote = [&](auto& votes, uint32_t length, size_t agrees) {
        if (4 * agrees >= 3 * count && length >= at + form.bytes && length <= reach)
          votes[length] = std::max<uint8_t>(votes[length], static_cast<uint8_t>(form.bytes));
      };
      vote(by_header, header_now, header_agrees);
      vote(by_data, data_now, data_agrees);
    }
  }
  size_t found = 0, found_strength = 0;
  bool ambiguous = false;
  for (size_t length = kHeaderBytesMin; length < by_header.size(); ++length) {
    // Where both agree two records are enough, even against an end that is too far. The data's length
    // alone must be a number of more than 16 bits, and not before the end. The rest may be chance, or a
    // letter with zeros behind it, and only confirms an end that is found anyway.
    const bool wide = by_data[length] == 4 && record_bytes[count - 1] - length > UINT16_MAX;
    size_t strength = 0;
    if (by_header[length] && by_data[length]) {
      strength = 3;
    } else if (count >= 4 && wide && length >= least) {
      strength = 2;
    } else if (count >= kSamplesForStatistics && length % 4 == 0 && length >= end &&
               length <= end + kTrailerLengths.back()) {
      strength = by_header[length] || by_data[length] ? 1 : 0;
    }
    if (strength == 0 || Contradicted(end, length)) continue;
    if (strength == found_strength) ambiguous = true;
    if (strength > found_strength) {
      found = length;
      found_strength = strength;
      ambiguous = false;
    }
  }
  return ambiguous ? 0 : found;
}

// Whether what lies behind the structure up to `length` is clearly payload.
bool HeaderLearner::Window::Contradicted(size_t end, size_t length) const {
  int evidence = 0;
  for (size_t i = end; i < length; ++i) evidence += IsField(i) ? 0 : noise[i];
  return evidence <= -kContradictionMin;
}

// Bytes behind the last structured one that are header nevertheless: a checksum.
size_t HeaderLearner::Window::Trailer(size_t end) const {
  // What a word of noise, and one of the payload, would score: halfway between them is the border.
  int64_t of_noise = 0, of_payload = 0;
  for (size_t value = 0; value < cost.size(); ++value) {
    of_noise += Noise(static_cast<uint8_t>(value)) * int64_t{histogram_total} / 256;
    of_payload += Noise(static_cast<uint8_t>(value)) * int64_t{histogram[value]};
  }
  const int64_t word = 4 * static_cast<int64_t>(count);
  const int64_t border = word * (of_noise + of_payload) / (2 * int64_t{histogram_total});
  // Noise in noise cannot be seen; but headers have lengths that are multiples of 8 more often than not.
  if (word * (of_noise - of_payload) / int64_t{histogram_total} < kSeparationMin)
    return (8 - end % 8) % 8;
  const size_t padding = (4 - end % 4) % 4;
  size_t seen = padding;
  for (; seen + 4 <= padding + kTrailerLengths.back() && end + seen + 4 <= prefix; seen += 4) {
    int64_t score = 0;
    bool repeats = false;
    for (size_t i = end + seen; i < end + seen + 4; ++i) {
      score += noise[i];
      repeats = repeats || Repeats(i);
    }
    if (repeats || score < border) break;
  }
  size_t trailer = 0;
  for (const size_t length : kTrailerLengths)
    if (padding + length <= seen) trailer = padding + length;
  return trailer;
}

// A cheap look: without constants there is no header, nor where the first lies far behind the start, as in
// payload that repeats itself by the record's length.
bool HeaderLearner::Window::Plausible() const {
  size_t constants = 0;
  for (size_t i = 0; i < prefix; ++i) {
    constants += IsConstant(i) && last()[i] != 0;
    if (i == kLeadingNoiseMax && constants == 0) return false;
  }
  return constants >= kMarksMin;
}

// The header's length, or 0; then `promising` says whether more records may tell.
size_t HeaderLearner::Window::Decide(bool& promising) {
  promising = true;
  // 2, 3, 4, 8, 16, 24, 32 records: what one more adds is not worth the weighing.
  if (count < 2 || (count > 4 && count % 8 != 0)) return 0;
  promising = Plausible();
  if (!promising) {
    promising = count < kSamplesForStatistics;
    return 0;
  }
  Weigh();
  int evidence = 0;
  const size_t end = StructuredEnd(evidence);
  if (count >= kSamplesForStatistics && evidence < kHeaderEvidenceMin) promising = false;
  if (evidence < kHeaderEvidenceMin || end < kHeaderBytesMin) return 0;
  if (const size_t length = LengthInHeader(end); length > 0) return length;
  if (count < kSamplesForStatistics) return 0;
  // Structure up to the end of what is looked at: it is the payload that does not vary.
  if (end + kTrailerBytesMax > prefix) return 0;
  return end + Trailer(end);
}

HeaderLearner::HeaderLearner() = default;
HeaderLearner::~HeaderLearner() = default;
HeaderLearner::HeaderLearner(HeaderLearner&&) noexcept = default;
HeaderLearner& HeaderLearner::operator=(HeaderLearner&&) noexcept = default;

size_t HeaderLearner::HeaderLength(View record) {
  if (header_bytes_ > 0 && Matches(record)) {
    if (window_) window_->Clear();
    idle_ = 0;
    idle_next_ = kIdleFirst;
    return header_bytes_;
  }
  if (idle_ > 0) {
    --idle_;
    return 0;
  }
  if (record.size() < kLearnedRecordBytesMin) return 0;
  if (!window_) window_ = std::make_unique<Window>();
  window_->Observe(record);
  bool promising = true;
  const size_t length = window_->Decide(promising);
  if (length > 0) {
    Remember(length);
    if (header_bytes_ > 0 && Matches(record)) return header_bytes_;
  }
  if (!promising || window_->count == kSamplesMax) {
    window_->Clear();
    idle_ = promising ? kIdlePromising : idle_next_;
    if (!promising) idle_next_ *= kIdleGrowth;
  }
  return 0;
}

void HeaderLearner::EndFile() {
  if (window_) window_->Clear();
  idle_ = 0;
  idle_next_ = kIdleFirst;
}

void HeaderLearner::Reset() {
  EndFile();
  header_bytes_ = 0;
  mark_count_ = 0;
}

// Three quarters of the marks must be there: counters carry over and sessions end. Those that are not are
// dropped while enough are left, so that what remains is what the application never changes.
bool HeaderLearner::Matches(View record) {
  if (record.size() < header_bytes_) return false;
  size_t hits = 0;
  for (size_t i = 0; i < mark_count_; ++i) hits += record[marks_[i].offset] == marks_[i].value;
  if (4 * hits < 3 * mark_count_) return false;
  if (hits < mark_count_ && hits >= kMarksKept) {
    const auto kept = std::remove_if(marks_.begin(), marks_.begin() + mark_count_, [&](Mark mark) {
      return record[mark.offset] != mark.value;
    });
    mark_count_ = static_cast<size_t>(kept - marks_.begin());
  }
  return true;
}

void HeaderLearner::Remember(size_t header_bytes) {
  header_bytes_ = 0;
  mark_count_ = 0;
  const Window& window = *window_;
  for (size_t i = 0; i < header_bytes && mark_count_ < kMarksMax; ++i) {
    if (window.last()[i] != 0 && window.IsConstant(i) && !window.Repeats(i))
      marks_[mark_count_++] = {static_cast<uint16_t>(i), window.last()[i]};
  }
  if (mark_count_ >= kMarksMin) header_bytes_ = header_bytes;
}

}  // namespace capstan
