// What this machine can do at best with the bytes of a file: the yardstick of the store's rates. A library
// that Node loads, so that it runs on the zstd that the engine uses, over the engine's own kernels.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "../../native/engine/blake3.h"
#include "../../native/engine/chunker.h"
#include "../../native/engine/crc32c.h"
#include "library.h"

extern "C" {
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;
ZSTD_CCtx_s* ZSTD_createCCtx(void);
size_t ZSTD_freeCCtx(ZSTD_CCtx_s* context);
size_t ZSTD_compressBound(size_t in_size);
size_t ZSTD_compressCCtx(ZSTD_CCtx_s* context, void* out, size_t out_capacity, const void* in,
                         size_t in_size, int level);
ZSTD_DCtx_s* ZSTD_createDCtx(void);
size_t ZSTD_freeDCtx(ZSTD_DCtx_s* context);
size_t ZSTD_decompressDCtx(ZSTD_DCtx_s* context, void* out, size_t out_capacity, const void* in,
                           size_t in_size);
}

namespace {

using capstan::View;

// What a thread takes at a time, and what it compresses as one frame: a store's region.
constexpr size_t kPieceBytes = 1024 * 1024;
constexpr size_t kFrameBytes = 256 * 1024;
constexpr size_t kWriteBytes = 4 * 1024 * 1024;
constexpr size_t kDirectAlignment = 4096;
// Rates of one kernel alone are taken over every so manieth piece.
constexpr size_t kSampling = 4;
constexpr int kLevel = 1;

struct Free {
  void operator()(uint8_t* memory) const { std::free(memory); }
  void operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }
};
using Compressor = std::unique_ptr<ZSTD_CCtx_s, Free>;
using Decompressor = std::unique_ptr<ZSTD_DCtx_s, Free>;

// Whole blocks of an O_DIRECT write; the last is filled up with zeros.
struct Content {
  std::unique_ptr<uint8_t, Free> memory;
  size_t size;
  size_t piece_count() const { return (size + kPieceBytes - 1) / kPieceBytes; }
  View Piece(size_t number) const {
    const size_t at = number * kPieceBytes;
    return {memory.get() + at, std::min(kPieceBytes, size - at)};
  }
};

bool ReadAt(int file, uint8_t* into, size_t size, size_t at) {
  while (size > 0) {
    const ssize_t count = pread(file, into, size, static_cast<off_t>(at));
    if (count <= 0) return false;
    into += count;
    size -= static_cast<size_t>(count);
    at += static_cast<size_t>(count);
  }
  return true;
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void OnThreads(size_t count, const std::function<void()>& work) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
}

// What a result is put into, so that no computation is left out as useless.
std::atomic<uint64_t> sink;

void Digest(View piece) { sink += capstan::Blake3(piece)[0]; }

void Chunk(View piece) {
  std::vector<uint32_t> lengths;
  sink += capstan::CutChunks(piece, true, lengths);
}

void ReadWords(View piece) {
  uint64_t sum = 0;
  for (size_t at = 0; at + 8 <= piece.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, piece.data() + at, 8);
    sum += word;
  }
  sink += sum;
}

// Chunks, digests and compresses pieces until there are no more.
class Pipeline {
 public:
  Pipeline() : context_(ZSTD_createCCtx()), out_(ZSTD_compressBound(kFrameBytes)) {}

  void Take(View piece) {
    lengths_.clear();
    capstan::CutChunks(piece, true, lengths_);
    View rest = piece;
    for (const uint32_t length : lengths_) {
      Digest(rest.first(length));
      rest = rest.subspan(length);
    }
    CompressAll(piece);
  }
  void CompressAll(View piece) {
    for (size_t at = 0; at < piece.size(); at += kFrameBytes) sink += Compress(FrameAt(piece, at));
  }
  static View FrameAt(View piece, size_t at) {
    return piece.subspan(at, std::min(kFrameBytes, piece.size() - at));
  }
  size_t Compress(View frame) {
    return ZSTD_compressCCtx(context_.get(), out_.data(), out_.size(), frame.data(), frame.size(),
                             kLevel);
  }
  View out(size_t size) const { return {out_.data(), size}; }

 private:
  Compressor context_;
  std::vector<uint8_t> out_;
  std::vector<uint32_t> lengths_;
};

// Bytes a second, in GB.
double PipelineRate(const Content& content, size_t thread_count) {
  std::atomic<size_t> next = 0;
  return static_cast<double>(content.size) / 1e9 / Seconds([&] {
    OnThreads(thread_count, [&] {
      Pipeline pipeline;
      for (size_t piece; (piece = next++) < content.piece_count();) pipeline.Take(content.Piece(piece));
    });
  });
}

// The same, where the bytes must first be read from a file in the page cache, as everybody must.
double PipelineRateFromFile(const Content& content, size_t thread_count, int file) {
  std::atomic<size_t> next = 0;
  return static_cast<double>(content.size) / 1e9 / Seconds([&] {
    OnThreads(thread_count, [&] {
      Pipeline pipeline;
      std::vector<uint8_t> in(kPieceBytes);
      for (size_t piece; (piece = next++) < content.piece_count();) {
        const size_t size = content.Piece(piece).size();
        if (!ReadAt(file, in.data(), size, piece * kPieceBytes)) return;
        pipeline.Take({in.data(), size});
      }
    });
  });
}

double KernelRate(const Content& content, const std::function<void(View)>& kernel) {
  size_t bytes = 0;
  const double seconds = Seconds([&] {
    for (size_t piece = 0; piece < content.piece_count(); piece += kSampling) {
      kernel(content.Piece(piece));
      bytes += content.Piece(piece).size();
    }
  });
  return static_cast<double>(bytes) / 1e9 / seconds;
}

// Content bytes a second out of zstd's frames of a piece each.
double DecompressionRate(const Content& content) {
  Pipeline pipeline;
  const Decompressor context(ZSTD_createDCtx());
  std::vector<uint8_t> out(kFrameBytes);
  size_t bytes = 0;
  double seconds = 0;
  for (size_t piece = 0; piece < content.piece_count(); piece += kSampling) {
    const View frame = pipeline.out(pipeline.Compress(Pipeline::FrameAt(content.Piece(piece), 0)));
    seconds += Seconds([&] {
      bytes += ZSTD_decompressDCtx(context.get(), out.data(), out.size(), frame.data(), frame.size());
    });
  }
  return static_cast<double>(bytes) / 1e9 / seconds;
}

// One after another, or by two writers at once, into one file; synced at the end. 0 where O_DIRECT is refused.
double DirectWriteRate(const Content& content, const std::string& path, size_t writer_count) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
  if (file < 0) return 0;
  const size_t size = (content.size + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  const double seconds = Seconds([&] {
    OnThreads(writer_count, [&] {
      for (size_t at; (at = kWriteBytes * next++) < size;) {
        const size_t length = std::min(kWriteBytes, size - at);
        if (pwrite(file, content.memory.get() + at, length, static_cast<off_t>(at)) !=
            static_cast<ssize_t>(length)) {
          failed = true;
        }
      }
    });
    if (fsync(file) != 0) failed = true;
  });
  close(file);
  unlink(path.c_str());
  return failed ? 0 : static_cast<double>(content.size) / 1e9 / seconds;
}

std::string Measure(const std::string& path, const std::string& folder) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) return "{}";
  const size_t size = static_cast<size_t>(status.st_size);
  const size_t room = (size + kWriteBytes - 1) / kWriteBytes * kWriteBytes;
  const Content content{
      std::unique_ptr<uint8_t, Free>(static_cast<uint8_t*>(std::aligned_alloc(kDirectAlignment, room))),
      size};
  if (content.memory == nullptr || !ReadAt(file, content.memory.get(), size, 0)) return "{}";
  std::fill(content.memory.get() + size, content.memory.get() + room, uint8_t{0});

  capstan::bench::Figures figures;
  Pipeline pipeline;
  figures.Add("pipelineOneCore", PipelineRate(content, 1));
  figures.Add("pipelineTwoCores", PipelineRate(content, 2));
  figures.Add("pipelineTwoCoresFromFile", PipelineRateFromFile(content, 2, file));
  figures.Add("directWrite", DirectWriteRate(content, folder + "/direct-write", 1));
  figures.Add("directWriteByTwo", DirectWriteRate(content, folder + "/direct-write", 2));
  figures.Add("memoryRead", KernelRate(content, ReadWords));
  figures.Add("crc32c", KernelRate(content, [](View piece) { sink += capstan::Crc32c(0, piece); }));
  figures.Add("chunker", KernelRate(content, Chunk));
  figures.Add("digest", KernelRate(content, Digest));
  figures.Add("zstd1", KernelRate(content, [&](View piece) { pipeline.CompressAll(piece); }));
  figures.Add("zstdDecompression", DecompressionRate(content));
  close(file);
  return figures.json();
}

}  // namespace

// The file, and a folder for the O_DIRECT write; rates in GB/s.
CAPSTAN_BENCH_LIBRARY(arguments) { return Measure(arguments[0], arguments[1]); }
