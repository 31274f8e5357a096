// Runs the tests whose name begins with the first argument; all but the campaigns where there is none. With
// --list, prints their names only.
#include <chrono>
#include <cstdio>

#include "harness.h"

namespace capstan::test {

std::vector<TestCase>& Tests() {
  static std::vector<TestCase> tests;
  return tests;
}

}  // namespace capstan::test

int main(int count, char** arguments) {
  using Clock = std::chrono::steady_clock;
  const bool list = count > 1 && std::string(arguments[1]) == "--list";
  const std::string only = count > 1 + list ? arguments[1 + list] : "";
  int failed = 0;
  for (const auto& test : capstan::test::Tests()) {
    if (!test.name.starts_with(only)) continue;
    if (only.empty() && test.name.starts_with("campaign")) continue;
    if (list) {
      std::printf("%s\n", test.name.c_str());
      continue;
    }
    const auto started = Clock::now();
    std::string failure;
    try {
      test.body();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    std::printf("%s - %s\n", failure.empty() ? "ok" : "not ok", test.name.c_str());
    if (!failure.empty()) std::printf("#   %s\n", failure.c_str());
    if (seconds > 1) std::printf("#   %.1f s\n", seconds);
    std::fflush(stdout);
    if (!failure.empty()) ++failed;
  }
  return failed == 0 ? 0 : 1;
}
