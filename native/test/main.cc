// Runs the tests whose name begins with the first argument; all but the campaigns where there is none. With
// --list, prints their names only.
#include <chrono>
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "harness.h"

namespace capstan::test {

std::vector<TestCase>& Tests() {
  static std::vector<TestCase> tests;
  return tests;
}

}  // namespace capstan::test

namespace {

// Far longer than any takes: who waits so long waits for ever.
constexpr unsigned kTestSecondsMax = 600;
const char* running = "";

void TellOfHang(int) {
  for (const char* const part : {"not ok - ", running, "\n#   it hangs\n"})
    if (::write(STDOUT_FILENO, part, std::strlen(part)) < 0) break;
  ::_exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  using Clock = std::chrono::steady_clock;
  const bool list = count > 1 && std::string(arguments[1]) == "--list";
  const std::string only = count > 1 + list ? arguments[1 + list] : "";
  std::signal(SIGALRM, TellOfHang);
  int failed = 0;
  for (const auto& test : capstan::test::Tests()) {
    if (!test.name.starts_with(only)) continue;
    if (only.empty() && test.name.starts_with("campaign")) continue;
    if (list) {
      std::printf("%s\n", test.name.c_str());
      continue;
    }
    running = test.name.c_str();
    // Campaigns take their time, and set an alarm for each of their points.
    if (!test.name.starts_with("campaign")) ::alarm(kTestSecondsMax);
    const auto started = Clock::now();
    std::string failure;
    try {
      test.body();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    ::alarm(0);
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    std::printf("%s - %s\n", failure.empty() ? "ok" : "not ok", test.name.c_str());
    if (!failure.empty()) std::printf("#   %s\n", failure.c_str());
    if (seconds > 1) std::printf("#   %.1f s\n", seconds);
    std::fflush(stdout);
    if (!failure.empty()) ++failed;
  }
  return failed == 0 ? 0 : 1;
}
