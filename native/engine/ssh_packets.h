// Packets of SSH under aes128-gcm@openssh.com and aes256-gcm@openssh.com, sealed and opened many at a time.
//
//   packet length u32 │ padding length u8 │ payload │ padding │ tag (16)
//
// The packet length counts padding length, payload and padding, a multiple of 16; it is authenticated and in the clear.
// The nonce is 4 fixed bytes and a counter of 8 that goes up by one with each packet.
// Source: RFC 4253 section 6, RFC 5647 section 7; OpenSSH's PROTOCOL, 1.6.
#pragma once

#include <array>
#include <memory>

#include "bytes.h"
#include "result.h"

struct evp_cipher_ctx_st;

namespace capstan {

constexpr size_t kSshTagBytes = 16;
constexpr size_t kSshNonceBytes = 12;
// Longer ones are refused: RFC 4253 wants 35,000 to be taken, and nobody is told that he may send longer ones.
constexpr size_t kSshPacketBytesMax = 35000;
constexpr uint8_t kSshChannelData = 94;

// One direction's key and the nonce of its next packet.
class SshCipher {
 public:
  // A key of 16 bytes, or of 32.
  static Result<std::unique_ptr<SshCipher>> Make(View key, View nonce, bool seals);

  // `packet`: length, text and room for the tag; in place.
  Status Seal(std::span<uint8_t> packet);
  // kCorrupt where a bit was changed: nothing of the packet may be used then.
  Status Open(std::span<uint8_t> packet);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const;
  };

  SshCipher() = default;
  bool Begin(View length);

  std::unique_ptr<evp_cipher_ctx_st, Free> context_;
  std::array<uint8_t, kSshNonceBytes> nonce_;
};

// How many bytes SealChannelData makes.
size_t SealedChannelDataBytes(size_t data_bytes, size_t part_bytes);

// `data` as CHANNEL_DATA packets to `channel`, with `part_bytes` of it in each but the last.
Status SealChannelData(SshCipher& cipher, uint32_t channel, View data, size_t part_bytes,
                       std::span<uint8_t> out);

// Makes packets of bytes, however these are split.
class SshOpener {
 public:
  // A payload, at this offset of the bytes that were taken, or of `pieces` where it came in pieces.
  struct Payload {
    uint32_t offset;
    uint32_t length;
    bool in_pieces;
  };

  // `pieces`: kSshPacketBytesMax of memory that lives as long as this.
  SshOpener(std::unique_ptr<SshCipher> cipher, std::span<uint8_t> pieces)
      : cipher_(std::move(cipher)), pieces_(pieces) {}

  // Opens in place what `bytes` bring, up to the first payload that is no CHANNEL_DATA, or `payloads` is full; how many
  // bytes it took. At most one payload lies in `pieces`: until the next call.
  Result<size_t> Take(std::span<uint8_t> bytes, std::span<Payload> payloads, size_t* count);

 private:
  Status CheckLength(uint32_t length) const;
  // Fills the packet that has begun; how many bytes it took.
  Result<size_t> Collect(View bytes);
  Result<Payload> OpenAt(std::span<uint8_t> packet, size_t offset, bool in_pieces);

  std::unique_ptr<SshCipher> cipher_;
  std::span<uint8_t> pieces_;
  size_t collected_ = 0;
};

}  // namespace capstan
