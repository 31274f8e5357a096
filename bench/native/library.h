// A measurement in C++ for Node to load: a function from two strings to figures as a JSON object.
#pragma once

#include <node_api.h>

#include <array>
#include <cstdio>
#include <string>

namespace capstan::bench {

using Arguments = std::array<std::string, 2>;

// Figures by name, as JSON.
class Figures {
 public:
  void Add(const char* name, double value) {
    char text[128];
    std::snprintf(text, sizeof text, "%s\"%s\":%.12g", text_.empty() ? "" : ",", name, value);
    text_ += text;
  }
  std::string json() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

// Strings longer than a path may be are cut.
inline napi_value Call(napi_env env, napi_callback_info info, std::string (*measure)(const Arguments&)) {
  std::array<napi_value, 2> values{};
  size_t count = values.size();
  if (napi_get_cb_info(env, info, &count, values.data(), nullptr, nullptr) != napi_ok) return nullptr;
  Arguments arguments;
  for (size_t i = 0; i < count && i < values.size(); ++i) {
    char text[4096];
    size_t length = 0;
    if (napi_get_value_string_utf8(env, values[i], text, sizeof text, &length) == napi_ok)
      arguments[i].assign(text, length);
  }
  const std::string json = measure(arguments);
  napi_value result = nullptr;
  napi_create_string_utf8(env, json.data(), json.size(), &result);
  return result;
}

}  // namespace capstan::bench

// Exports the body that follows as `measure(one, other)`.
#define CAPSTAN_BENCH_LIBRARY(arguments)                                                         \
  static std::string MeasureBody(const capstan::bench::Arguments&);                              \
  static napi_value MeasureCall(napi_env env, napi_callback_info info) {                         \
    return capstan::bench::Call(env, info, MeasureBody);                                         \
  }                                                                                              \
  NAPI_MODULE_INIT() {                                                                           \
    napi_value function = nullptr;                                                               \
    napi_create_function(env, "measure", NAPI_AUTO_LENGTH, MeasureCall, nullptr, &function);     \
    napi_set_named_property(env, exports, "measure", function);                                  \
    return exports;                                                                              \
  }                                                                                              \
  static std::string MeasureBody([[maybe_unused]] const capstan::bench::Arguments& arguments)
