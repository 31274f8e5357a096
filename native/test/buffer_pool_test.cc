#include "../engine/buffer_pool.h"

#include <algorithm>
#include <optional>

#include "harness.h"

namespace capstan::test {
namespace {

constexpr size_t kBytes = 64 * 1024;

TEST("buffer pool", "gives the same memory again, large enough and aligned") {
  BufferPool pool(kBytes, 2);
  auto first = pool.Take(kBytes);
  const uint8_t* const memory = first->data();
  CHECK(first->size() == kBytes);
  CHECK(reinterpret_cast<uintptr_t>(memory) % kDirectAlignment == 0);
  const auto second = pool.Take(kBytes);
  CHECK(second->data() != memory);
  first.reset();
  CHECK(pool.Take(kBytes - 1)->data() == memory);
}

TEST("buffer pool", "takes no more back than it may keep") {
  BufferPool pool(kBytes, 1);
  auto first = pool.Take(kBytes);
  auto second = pool.Take(kBytes);
  const uint8_t* const memory = first->data();
  first.reset();
  second.reset();
  CHECK(pool.free_count() == 1);
  CHECK(pool.Take(kBytes)->data() == memory);
}

TEST("buffer pool", "gives what is small or large its own memory") {
  BufferPool pool(kBytes, 2);
  CHECK(pool.Take(4096)->size() == 4096);
  CHECK(pool.Take(kBytes + 1)->size() == kBytes + 1);
  CHECK(pool.free_count() == 0);
}

TEST("buffer pool", "is outlived by what was taken from it") {
  std::optional<BufferPool> pool(std::in_place, kBytes, 2);
  auto taken = pool->Take(kBytes);
  pool.reset();
  std::ranges::fill(taken->span(), uint8_t{7});
  CHECK(taken->span()[kBytes - 1] == 7);
  taken.reset();
}

}  // namespace
}  // namespace capstan::test
