// Finds by itself the header of fixed length that an unknown application puts before its records' data.
//
// It looks at the first records of a tape file: what stays equal from record to record, or counts, while
// nothing in the payload is like it, is header. How its end is found is in docs/internals/framing.md.
#pragma once

#include "bytes.h"

#include <memory>

namespace capstan {

// The decisions are made in integers: the same records give the same lengths on every machine.
class HeaderLearner {
 public:
  HeaderLearner();
  ~HeaderLearner();
  HeaderLearner(HeaderLearner&&) noexcept;
  HeaderLearner& operator=(HeaderLearner&&) noexcept;

  // Bytes of header at the start of `record`, from which is learned for those to come. 0: none is known.
  size_t HeaderLength(View record);
  // A new tape file begins. What is known stays, as applications go on as they began.
  void EndFile();
  void Reset();

 private:
  static constexpr size_t kMarksMax = 48;
  static constexpr uint64_t kIdleFirst = 256;
  struct Mark {
    uint16_t offset;
    uint8_t value;
  };
  struct Window;

  bool Matches(View record);
  void Remember(size_t header_bytes);

  size_t header_bytes_ = 0;
  // Bytes that nearly always have one value: what tells the application's records from others.
  std::array<Mark, kMarksMax> marks_{};
  size_t mark_count_ = 0;
  // Records to pass by before the next try, and how many the one after that passes by.
  uint64_t idle_ = 0;
  uint64_t idle_next_ = kIdleFirst;
  // Only while it is learning, or for its memory.
  std::unique_ptr<Window> window_;
};

}  // namespace capstan
