// SSH packets: what is sealed is opened again however it arrives, and nothing that was changed or cannot be is.
#include "../engine/ssh_packets.h"

#include <algorithm>
#include <random>

#include "harness.h"

namespace capstan::test {
namespace {

constexpr size_t kPartBytes = 32768;
constexpr uint32_t kChannel = 7;

Bytes Numbers(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + i / 251);
  return bytes;
}

std::unique_ptr<SshCipher> CipherOf(size_t key_bytes, bool seals) {
  // The counter goes over from one byte into the next.
  Bytes nonce = Numbers(kSshNonceBytes);
  nonce.back() = 0xfe;
  return Must(SshCipher::Make(Numbers(key_bytes), nonce, seals));
}

Bytes SealedOf(size_t key_bytes, View data, size_t part_bytes = kPartBytes) {
  const auto cipher = CipherOf(key_bytes, true);
  Bytes out(SealedChannelDataBytes(data.size(), part_bytes));
  Must(SealChannelData(*cipher, kChannel, data, part_bytes, out), "seal");
  return out;
}

// Opens `wire` in pieces of up to `piece_bytes_max`; the data of its CHANNEL_DATA packets.
Result<Bytes> Opened(size_t key_bytes, View wire, size_t piece_bytes_max) {
  Bytes pieces(kSshPacketBytesMax);
  SshOpener opener(CipherOf(key_bytes, false), pieces);
  std::mt19937 random(3);
  Bytes data;
  for (size_t start = 0; start < wire.size();) {
    const size_t size = std::min<size_t>(1 + random() % piece_bytes_max, wire.size() - start);
    Bytes piece(wire.begin() + static_cast<ptrdiff_t>(start),
                wire.begin() + static_cast<ptrdiff_t>(start + size));
    for (size_t at = 0; at < piece.size();) {
      std::array<SshOpener::Payload, 4> payloads;
      size_t count = 0;
      TRY_ASSIGN(const size_t taken, opener.Take(std::span(piece).subspan(at), payloads, &count));
      CHECK(taken > 0);
      for (size_t i = 0; i < count; ++i) {
        const uint8_t* const from = payloads[i].in_pieces ? pieces.data() : piece.data() + at;
        const View payload(from + payloads[i].offset, payloads[i].length);
        CHECK(payload[0] == kSshChannelData && payload[4] == kChannel);
        data.insert(data.end(), payload.begin() + 9, payload.end());
      }
      at += taken;
    }
    start += size;
  }
  return data;
}

TEST("ssh packets", "bring the data back, whatever pieces they come in") {
  const Bytes data = Numbers(5 * kPartBytes + 1234);
  for (const size_t key_bytes : {16, 32}) {
    const Bytes wire = SealedOf(key_bytes, data);
    for (const size_t piece_bytes_max : {1, 7, 500, 40000, 65536, 1 << 20})
      CHECK(Must(Opened(key_bytes, wire, piece_bytes_max)) == data, piece_bytes_max);
  }
  for (const size_t size : {0, 1, 5, 6, 7, 15, 16, 4095})
    CHECK(Must(Opened(16, SealedOf(16, View(data).first(size), 100), 64)) == Bytes(data.begin(), data.begin() + static_cast<ptrdiff_t>(size)), size);
}

TEST("ssh packets", "are refused where any bit of them was changed") {
  const Bytes wire = SealedOf(16, Numbers(100));
  for (size_t i = 0; i < wire.size() * 8; ++i) {
    Bytes changed = wire;
    changed[i / 8] = static_cast<uint8_t>(changed[i / 8] ^ (1 << i % 8));
    const auto opened = Opened(16, changed, 1 << 20);
    // Another length may wait for more that never comes.
    CHECK(i < 32 ? !opened.ok() || opened.value().empty() : !opened.ok(), i);
  }
}

TEST("ssh packets", "of a length that cannot be are refused before they have come") {
  for (const uint32_t length : {0u, 15u, 17u, 34992u, 0xffffffffu}) {
    const Bytes head{static_cast<uint8_t>(length >> 24), static_cast<uint8_t>(length >> 16),
                     static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)};
    for (const size_t piece_bytes_max : {1, 4}) CHECK(!Opened(16, head, piece_bytes_max).ok(), length);
  }
}

TEST("ssh packets", "of other kinds come one at a time, for they may change the keys") {
  const auto cipher = CipherOf(16, true);
  Bytes wire;
  for (int i = 0; i < 3; ++i) {
    Bytes packet(4 + 16 + kSshTagBytes);
    packet[3] = 16;
    packet[4] = 10;
    packet[5] = 20;
    Must(cipher->Seal(packet), "seal");
    wire.insert(wire.end(), packet.begin(), packet.end());
  }
  Bytes pieces(kSshPacketBytesMax);
  SshOpener opener(CipherOf(16, false), pieces);
  std::array<SshOpener::Payload, 4> payloads;
  size_t count = 0;
  CHECK(Must(opener.Take(wire, payloads, &count)) == 36 && count == 1);
  CHECK(payloads[0].offset == 5 && payloads[0].length == 5 && wire[5] == 20);
}

TEST("ssh packets", "that are all padding are refused") {
  const auto cipher = CipherOf(16, true);
  Bytes packet(4 + 16 + kSshTagBytes);
  packet[3] = 16;
  packet[4] = 16;
  Must(cipher->Seal(packet), "seal");
  CHECK(!Opened(16, packet, 100).ok());
}

TEST("ssh packets", "take no key and no nonce of another length") {
  CHECK(!SshCipher::Make(Numbers(24), Numbers(12), true).ok());
  CHECK(!SshCipher::Make(Numbers(16), Numbers(11), true).ok());
  const auto cipher = CipherOf(16, true);
  Bytes none(3);
  CHECK(!cipher->Seal(none).ok());
  CHECK(!SealChannelData(*cipher, 1, Numbers(10), 100, none).ok());
}

}  // namespace
}  // namespace capstan::test
