#include "ssh_packets.h"

#include <algorithm>
#include <cstring>

#include "openssl_api.h"

namespace capstan {
namespace {

constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;
constexpr size_t kLengthBytes = 4;
constexpr size_t kBlockBytes = 16;
constexpr size_t kPaddingBytesMin = 4;
// Padding length, message number, channel, and length of the data.
constexpr size_t kDataHeadBytes = 1 + 1 + 4 + 4;

uint32_t ReadU32(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

void WriteU32(uint8_t* bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

Error Failed() { return {ErrorCode::kIo, "", "the cipher of OpenSSL failed"}; }

// Of a CHANNEL_DATA packet, all but length and tag.
size_t TextBytes(size_t data_bytes) {
  const size_t least = kDataHeadBytes + data_bytes + kPaddingBytesMin;
  return (least + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

size_t PacketBytes(size_t data_bytes) { return kLengthBytes + TextBytes(data_bytes) + kSshTagBytes; }

}  // namespace

void SshCipher::Free::operator()(evp_cipher_ctx_st* context) const { EVP_CIPHER_CTX_free(context); }

Result<std::unique_ptr<SshCipher>> SshCipher::Make(View key, View nonce, bool seals) {
  const evp_cipher_st* const kind = key.size() == 16   ? EVP_aes_128_gcm()
                                    : key.size() == 32 ? EVP_aes_256_gcm()
                                                       : nullptr;
  if (kind == nullptr || nonce.size() != kSshNonceBytes)
    return Error{ErrorCode::kInvalid, "", "the length of a key or nonce does not fit"};
  std::unique_ptr<SshCipher> cipher(new SshCipher);
  std::copy(nonce.begin(), nonce.end(), cipher->nonce_.begin());
  cipher->context_.reset(EVP_CIPHER_CTX_new());
  if (!cipher->context_ || EVP_CipherInit_ex(cipher->context_.get(), kind, nullptr, key.data(),
                                             nullptr, seals ? 1 : 0) != 1)
    return Failed();
  return cipher;
}

// Sets the packet's nonce, and the next one's behind it.
bool SshCipher::Begin(View length) {
  int count = 0;
  if (EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce_.data(), -1) != 1 ||
      EVP_CipherUpdate(context_.get(), nullptr, &count, length.data(), kLengthBytes) != 1)
    return false;
  for (size_t i = kSshNonceBytes; i > kSshNonceBytes - 8; --i)
    if (++nonce_[i - 1] != 0) break;
  return true;
}

Status SshCipher::Seal(std::span<uint8_t> packet) {
  if (packet.size() < kLengthBytes + kBlockBytes + kSshTagBytes)
    return Error{ErrorCode::kInvalid, "", "a packet is too short"};
  const auto text = packet.subspan(kLengthBytes, packet.size() - kLengthBytes - kSshTagBytes);
  int count = 0;
  if (!Begin(packet.first(kLengthBytes)) ||
      EVP_CipherUpdate(context_.get(), text.data(), &count, text.data(),
                       static_cast<int>(text.size())) != 1 ||
      EVP_CipherFinal_ex(context_.get(), text.data() + text.size(), &count) != 1 ||
      EVP_CIPHER_CTX_ctrl(context_.get(), kGetTag, kSshTagBytes, packet.last(kSshTagBytes).data()) != 1)
    return Failed();
  return Ok();
}

Status SshCipher::Open(std::span<uint8_t> packet) {
  const auto text = packet.subspan(kLengthBytes, packet.size() - kLengthBytes - kSshTagBytes);
  int count = 0;
  if (!Begin(packet.first(kLengthBytes)) ||
      EVP_CipherUpdate(context_.get(), text.data(), &count, text.data(),
                       static_cast<int>(text.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context_.get(), kSetTag, kSshTagBytes, packet.last(kSshTagBytes).data()) != 1)
    return Failed();
  if (EVP_CipherFinal_ex(context_.get(), text.data() + text.size(), &count) != 1)
    return Error{ErrorCode::kCorrupt, "", "an SSH packet was changed on its way"};
  return Ok();
}

size_t SealedChannelDataBytes(size_t data_bytes, size_t part_bytes) {
  const size_t rest = data_bytes % part_bytes;
  return data_bytes / part_bytes * PacketBytes(part_bytes) + (rest == 0 ? 0 : PacketBytes(rest));
}

Status SealChannelData(SshCipher& cipher, uint32_t channel, View data, size_t part_bytes,
                       std::span<uint8_t> out) {
  if (out.size() != SealedChannelDataBytes(data.size(), part_bytes))
    return Error{ErrorCode::kInvalid, "", "the room for packets does not fit"};
  for (size_t start = 0; start < data.size();) {
    const View part = data.subspan(start, std::min(part_bytes, data.size() - start));
    const auto packet = out.first(PacketBytes(part.size()));
    const size_t text_bytes = TextBytes(part.size());
    const size_t padding_bytes = text_bytes - kDataHeadBytes - part.size();
    uint8_t* const text = packet.data() + kLengthBytes;
    WriteU32(packet.data(), static_cast<uint32_t>(text_bytes));
    text[0] = static_cast<uint8_t>(padding_bytes);
    text[1] = kSshChannelData;
    WriteU32(text + 2, channel);
    WriteU32(text + 6, static_cast<uint32_t>(part.size()));
    std::memcpy(text + kDataHeadBytes, part.data(), part.size());
    // Arbitrary bytes do under a mode that authenticates them; none of the memory's own may get out.
    if (RAND_bytes(text + text_bytes - padding_bytes, static_cast<int>(padding_bytes)) != 1)
      return Failed();
    TRY(cipher.Seal(packet));
    start += part.size();
    out = out.subspan(packet.size());
  }
  return Ok();
}

Status SshOpener::CheckLength(uint32_t length) const {
  if (length >= kBlockBytes && length % kBlockBytes == 0 &&
      length + kLengthBytes + kSshTagBytes <= kSshPacketBytesMax)
    return Ok();
  return Error{ErrorCode::kInvalid, "", "bad packet length " + std::to_string(length)};
}

Result<size_t> SshOpener::Collect(View bytes) {
  size_t taken = 0;
  const auto fill_to = [&](size_t wanted) {
    const size_t count = std::min(wanted - collected_, bytes.size() - taken);
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(taken), count,
                pieces_.begin() + static_cast<ptrdiff_t>(collected_));
    collected_ += count;
    taken += count;
    return collected_ == wanted;
  };
  if (collected_ < kLengthBytes && !fill_to(kLengthBytes)) return taken;
  const uint32_t length = ReadU32(pieces_.data());
  TRY(CheckLength(length));
  fill_to(kLengthBytes + length + kSshTagBytes);
  return taken;
}

Result<SshOpener::Payload> SshOpener::OpenAt(std::span<uint8_t> packet, size_t offset,
                                             bool in_pieces) {
  TRY(cipher_->Open(packet));
  const size_t text_bytes = packet.size() - kLengthBytes - kSshTagBytes;
  const size_t padding_bytes = packet[kLengthBytes];
  if (padding_bytes + 1 > text_bytes)
    return Error{ErrorCode::kInvalid, "", "bad padding of a packet"};
  return Payload{static_cast<uint32_t>(offset + kLengthBytes + 1),
                 static_cast<uint32_t>(text_bytes - padding_bytes - 1), in_pieces};
}

Result<size_t> SshOpener::Take(std::span<uint8_t> bytes, std::span<Payload> payloads,
                               size_t* count) {
  *count = 0;
  size_t taken = 0;
  const auto is_data = [&](const Payload& payload, const uint8_t* memory) {
    return payload.length > 0 && memory[payload.offset] == kSshChannelData;
  };
  while (*count < payloads.size() && taken < bytes.size()) {
    const auto rest = bytes.subspan(taken);
    size_t packet_bytes = 0;
    if (collected_ == 0 && rest.size() >= kLengthBytes) {
      const uint32_t length = ReadU32(rest.data());
      TRY(CheckLength(length));
      packet_bytes = kLengthBytes + length + kSshTagBytes;
    }
    Payload& payload = payloads[*count];
    if (packet_bytes > 0 && packet_bytes <= rest.size()) {
      TRY_ASSIGN(payload, OpenAt(rest.first(packet_bytes), taken, false));
      taken += packet_bytes;
      ++*count;
      if (!is_data(payload, bytes.data())) break;
      continue;
    }
    TRY_ASSIGN(const size_t more, Collect(rest));
    taken += more;
    if (collected_ < kLengthBytes) break;
    packet_bytes = kLengthBytes + ReadU32(pieces_.data()) + kSshTagBytes;
    if (collected_ < packet_bytes) break;
    TRY_ASSIGN(payload, OpenAt(pieces_.first(packet_bytes), 0, true));
    collected_ = 0;
    ++*count;
    // The next packet may need `pieces_`.
    break;
  }
  return taken;
}

}  // namespace capstan
