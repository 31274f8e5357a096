// Hands a process's standard input and output to another process over a Unix socket (SCM_RIGHTS), so that the bytes
// of a connection need not pass through the one that was started for it.
#include "descriptors.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "values.h"

namespace capstan {
namespace {

constexpr size_t kDescriptorCount = 2;
constexpr size_t kNoteBytesMax = 200;
// Who connects and says nothing is dropped.
constexpr int kNoteTimeoutMs = 5000;
// As much as Linux lets anybody have: who fills it and who empties it wait for each other less often.
constexpr int kPipeBytes = 1 << 20;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

struct Received {
  std::array<int, kDescriptorCount> descriptors;
  std::string note;
};

// Room for the descriptors' control message, aligned as one.
union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(kDescriptorCount * sizeof(int))];
};

Error FromErrno(const std::string& place, const char* call) {
  const ErrorCode code = errno == ENOENT || errno == ECONNREFUSED ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, place, std::string(call) + ": " + std::strerror(errno)};
}

msghdr MessageOf(iovec& part, Control& control) {
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof(control);
  return message;
}

Status Send(int socket, const std::string& path, std::string note) {
  iovec part{note.data(), note.size()};
  Control control{};
  msghdr message = MessageOf(part, control);
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(kDescriptorCount * sizeof(int));
  const std::array<int, kDescriptorCount> descriptors{STDIN_FILENO, STDOUT_FILENO};
  std::memcpy(CMSG_DATA(&control.header), descriptors.data(), sizeof(descriptors));
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(note.size()))
    return FromErrno(path, "sendmsg");
  return Ok();
}

Result<Received> Receive(int socket) {
  pollfd ready{socket, POLLIN, 0};
  if (::poll(&ready, 1, kNoteTimeoutMs) != 1)
    return Error{ErrorCode::kInvalid, "the descriptors", "they do not come"};
  std::array<char, kNoteBytesMax> note;
  iovec part{note.data(), note.size()};
  Control control{};
  msghdr message = MessageOf(part, control);
  const ssize_t length = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0) return FromErrno("the descriptors", "recvmsg");
  Received received{{}, {note.data(), static_cast<size_t>(length)}};
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  const size_t count = header == nullptr || header->cmsg_type != SCM_RIGHTS
                           ? 0
                           : (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  if (count > 0) std::memcpy(received.descriptors.data(), CMSG_DATA(header), count * sizeof(int));
  if (count == kDescriptorCount && (message.msg_flags & MSG_CTRUNC) == 0) return received;
  for (size_t i = 0; i < count; ++i) ::close(received.descriptors[i]);
  return Error{ErrorCode::kInvalid, "the descriptors", "a message brings others than two"};
}

// Waits until the peer has ended; whether it had said anything before.
Result<bool> AwaitEnd(int socket, const std::string& path) {
  bool said = false;
  for (;;) {
    char byte;
    const ssize_t length = ::read(socket, &byte, 1);
    if (length == 0) return said;
    if (length > 0) said = true;
    if (length < 0 && errno == ECONNRESET) return said;
    if (length < 0 && errno != EINTR) return FromErrno(path, "read");
  }
}

Result<bool> HandOverTo(const std::string& path, const std::string& note) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path) || note.empty() || note.size() > kNoteBytesMax)
    return Error{ErrorCode::kInvalid, path, "the path or the note is too long"};
  std::memcpy(address.sun_path, path.data(), path.size());
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return FromErrno(path, "socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return FromErrno(path, "connect");
  TRY(Send(socket.get(), path, note));
  return AwaitEnd(socket.get(), path);
}

}  // namespace

Napi::Value HandOver(const Napi::CallbackInfo& info) {
  const auto ended = HandOverTo(StringArgument(info, 0, "path"), StringArgument(info, 1, "note"));
  if (!ended.ok()) throw ToJs(info.Env(), ended.error());
  return Napi::Boolean::New(info.Env(), ended.value());
}

Napi::Value ReceiveDescriptors(const Napi::CallbackInfo& info) {
  // One of its own: the socket may be closed, and its number given anew, while this one waits.
  const auto number = static_cast<int>(CountArgument(info, 0, "socket"));
  const auto socket = std::make_shared<Descriptor>(::fcntl(number, F_DUPFD_CLOEXEC, 0));
  return Task<Received>::Run(
      info.Env(), false, {}, [socket] { return Receive(socket->get()); },
      [](Napi::Env env, Received&& received) -> Napi::Value {
        for (const int descriptor : received.descriptors) ::fcntl(descriptor, F_SETPIPE_SZ, kPipeBytes);
        const Napi::Object object = Napi::Object::New(env);
        object.Set("input", received.descriptors[0]);
        object.Set("output", received.descriptors[1]);
        object.Set("note", received.note);
        return object;
      });
}

}  // namespace capstan
