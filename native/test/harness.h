// A test is a sentence and a body; CHECK ends the body with where and what. One line a test goes out:
// "ok - group: sentence" or "not ok - group: sentence".
#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../engine/bytes.h"
#include "../engine/result.h"

namespace capstan::test {

struct TestCase {
  std::string name;
  std::function<void()> body;
};

std::vector<TestCase>& Tests();

struct Register {
  Register(const char* group, const char* sentence, std::function<void()> body) {
    Tests().push_back({std::string(group) + ": " + sentence, std::move(body)});
  }
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

#define TEST(group, sentence)                                              \
  static void CAPSTAN_JOIN(Body, __LINE__)();                              \
  static const ::capstan::test::Register CAPSTAN_JOIN(register_, __LINE__)( \
      group, sentence, CAPSTAN_JOIN(Body, __LINE__));                      \
  static void CAPSTAN_JOIN(Body, __LINE__)()

// Further arguments are put into the message.
#define CHECK(condition, ...)                                                                   \
  do {                                                                                          \
    if (!(condition))                                                                           \
      throw ::capstan::test::Failure(::capstan::test::Text(__FILE__, ":", __LINE__,             \
                                                           ": not " #condition " "              \
                                                           __VA_OPT__(, ) __VA_ARGS__));        \
  } while (false)

inline std::string Describe(const Error& error) {
  return Text("[", static_cast<int>(error.code), "] ", error.place, ": ", error.what);
}

// The value of a result that must be one.
template <class T>
T Must(Result<T> result, const char* what = "") {
  if (!result.ok()) throw Failure(Text(what, " failed: ", Describe(result.error())));
  return result.take();
}

// splitmix64: the same seed, the same test.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 to `bound` - 1.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  Bytes Noise(size_t size) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; i += 8) {
      const uint64_t word = Next();
      std::memcpy(bytes.data() + i, &word, std::min<size_t>(8, size - i));
    }
    return bytes;
  }

 private:
  uint64_t state_;
};

}  // namespace capstan::test
