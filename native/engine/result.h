// Outcomes of engine operations: a value, or an error that says where and what.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace capstan {

enum class ErrorCode : uint8_t {
  kNotFound,
  kAlreadyExists,
  kInUse,
  kCorrupt,
  kLocked,
  kFailed,
  kNoSpace,
  kIo,
  kLimit,
  kInvalid,
  // The simulated disk has lost power: no call answers until it is restarted.
  kCrashed,
};

struct Error {
  ErrorCode code;
  // A path below the store with an offset where one is known: "packs/00000001.pack at 4096".
  std::string place;
  std::string what;
};

struct Unit {};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T take() { return std::move(std::get<0>(state_)); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<Unit>;
inline Status Ok() { return Unit{}; }

#define CAPSTAN_JOIN_(a, b) a##b
#define CAPSTAN_JOIN(a, b) CAPSTAN_JOIN_(a, b)
// Returns the error of `expression`, if it has one.
#define TRY(expression)                                                  \
  do {                                                                   \
    if (auto try_status = (expression); !try_status.ok()) return try_status.error(); \
  } while (false)
// Declares `declaration` with the value of `expression`, or returns its error.
#define TRY_ASSIGN(declaration, expression)                         \
  auto CAPSTAN_JOIN(try_result_, __LINE__) = (expression);          \
  if (!CAPSTAN_JOIN(try_result_, __LINE__).ok())                    \
    return CAPSTAN_JOIN(try_result_, __LINE__).error();             \
  declaration = CAPSTAN_JOIN(try_result_, __LINE__).take()

}  // namespace capstan
