// Runs the tests whose name begins with the argument; all but the campaigns where there is none. With --list, prints
// their names only; with --jobs=N, that many processes share them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hang_watch.h"
#include "harness.h"

namespace capstan::test {

std::vector<TestCase>& Tests() {
  static std::vector<TestCase> tests;
  return tests;
}

}  // namespace capstan::test

namespace {

using capstan::test::EndWatch;
using capstan::test::WatchForHang;

constexpr unsigned kTestSecondsMax = 600;
const char* running = "";
unsigned seconds_max = 0;
double cpu_seconds_at_start = 0;
double cpu_seconds_at_alarm = 0;

double CpuSeconds() {
  timespec time;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void TellOfHang(int) {
  const double now = CpuSeconds();
  if (now - cpu_seconds_at_alarm > 1 && now - cpu_seconds_at_start < seconds_max) {
    cpu_seconds_at_alarm = now;
    ::alarm(seconds_max);
    return;
  }
  for (const char* const part : {"not ok - ", running, "\n#   it hangs\n"})
    if (::write(STDOUT_FILENO, part, std::strlen(part)) < 0) break;
  ::_exit(1);
}

}  // namespace

namespace capstan::test {

void WatchForHang(unsigned limit_seconds) {
  seconds_max = limit_seconds;
  cpu_seconds_at_start = cpu_seconds_at_alarm = CpuSeconds();
  ::alarm(limit_seconds);
}

void EndWatch() { ::alarm(0); }

}  // namespace capstan::test

namespace {

bool IsCampaign(const capstan::test::TestCase& test) { return test.name.starts_with("campaign"); }

// Whether it passed.
bool Run(const capstan::test::TestCase& test) {
  using Clock = std::chrono::steady_clock;
  running = test.name.c_str();
  // Campaigns take their time, and watch each of their points.
  if (!IsCampaign(test)) WatchForHang(kTestSecondsMax);
  const auto started = Clock::now();
  std::string failure;
  try {
    test.body();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  EndWatch();
  const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  std::printf("%s - %s\n", failure.empty() ? "ok" : "not ok", test.name.c_str());
  if (!failure.empty()) std::printf("#   %s\n", failure.c_str());
  if (seconds > 1) std::printf("#   %.1f s\n", seconds);
  // At once, and so in one piece where other processes print, too.
  std::fflush(stdout);
  return failure.empty();
}

using Tests = std::vector<const capstan::test::TestCase*>;

// Takes the next test that nobody has taken until there is none; whether all that it took passed.
bool RunNext(const Tests& tests, std::atomic<size_t>& next) {
  bool passed = true;
  for (size_t i = next++; i < tests.size(); i = next++) passed = Run(*tests[i]) && passed;
  return passed;
}

// What a sanitizer ends is one process: the others go on with the tests behind.
bool RunInProcesses(const Tests& tests, size_t count) {
  void* const shared = ::mmap(nullptr, sizeof(std::atomic<size_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return false;
  auto& next = *new (shared) std::atomic<size_t>(0);
  for (size_t i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child == 0) std::exit(RunNext(tests, next) ? 0 : 1);
  }
  bool passed = true;
  for (int status = 0; ::wait(&status) > 0;) passed = passed && status == 0;
  return passed;
}

}  // namespace

int main(int count, char** arguments) {
  bool list = false;
  size_t jobs = 1;
  std::string only;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--list") list = true;
    else if (argument.starts_with("--jobs=")) jobs = std::stoul(argument.substr(7));
    else only = argument;
  }
  std::signal(SIGALRM, TellOfHang);
  Tests tests;
  for (const auto& test : capstan::test::Tests())
    if (test.name.starts_with(only) && !(only.empty() && IsCampaign(test))) tests.push_back(&test);
  if (list) {
    for (const auto* const test : tests) std::printf("%s\n", test->name.c_str());
    return 0;
  }
  std::atomic<size_t> next = 0;
  const size_t processes = std::min(jobs, tests.size());
  return (processes > 1 ? RunInProcesses(tests, processes) : RunNext(tests, next)) ? 0 : 1;
}
