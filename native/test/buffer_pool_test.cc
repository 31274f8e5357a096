#include "../engine/buffer_pool.h"

#include <algorithm>
#include <optional>

#include "harness.h"

namespace capstan::test {
namespace {

constexpr size_t kStep = BufferPool::kStepBytes;

TEST("buffer pool", "gives the same memory again, large enough and aligned") {
  BufferPool pool(8 * kStep);
  auto first = pool.Take(2 * kStep - 1);
  const uint8_t* const memory = first->data();
  CHECK(first->size() == 2 * kStep);
  CHECK(reinterpret_cast<uintptr_t>(memory) % kDirectAlignment == 0);
  const auto second = pool.Take(2 * kStep);
  CHECK(second->data() != memory);
  first.reset();
  CHECK(pool.free_bytes() == 2 * kStep);
  CHECK(pool.Take(2 * kStep)->data() == memory);
  CHECK(pool.Take(kStep + 1)->data() == memory);
}

TEST("buffer pool", "takes no more back than it may keep") {
  BufferPool pool(3 * kStep);
  auto first = pool.Take(2 * kStep);
  auto second = pool.Take(2 * kStep);
  auto third = pool.Take(kStep);
  const uint8_t* const memory = first->data();
  first.reset();
  second.reset();
  CHECK(pool.free_bytes() == 2 * kStep);
  third.reset();
  CHECK(pool.free_bytes() == 3 * kStep);
  CHECK(pool.Take(2 * kStep)->data() == memory);
}

TEST("buffer pool", "gives the smallest that is large enough, and none of more than twice that") {
  BufferPool pool(64 * kStep);
  auto large = pool.Take(16 * kStep);
  auto small = pool.Take(4 * kStep);
  const uint8_t* const large_memory = large->data();
  const uint8_t* const small_memory = small->data();
  large.reset();
  small.reset();
  CHECK(pool.Take(3 * kStep)->data() == small_memory);
  CHECK(pool.Take(5 * kStep)->size() == 5 * kStep);
  CHECK(pool.Take(9 * kStep)->data() == large_memory);
}

TEST("buffer pool", "gives what is small its own memory") {
  BufferPool pool(8 * kStep);
  CHECK(pool.Take(4096)->size() == 4096);
  CHECK(pool.free_bytes() == 0);
}

TEST("buffer pool", "is outlived by what was taken from it") {
  std::optional<BufferPool> pool(std::in_place, 8 * kStep);
  auto taken = pool->Take(kStep);
  pool.reset();
  std::ranges::fill(taken->span(), uint8_t{7});
  CHECK(taken->span()[kStep - 1] == 7);
  taken.reset();
}

}  // namespace
}  // namespace capstan::test
