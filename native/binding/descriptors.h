// Descriptors that go from one process to another.
#pragma once

#include <napi.h>

namespace capstan {

// (path, note): hands standard input and output to who listens at `path` and waits, in the call, until it has
// ended the connection. Whether it said that all went well. Throws NOT_FOUND where nobody listens.
Napi::Value HandOver(const Napi::CallbackInfo& info);

// (socket): a promise of what came over that connected socket: {input, output, note}. They are the caller's to close.
Napi::Value ReceiveDescriptors(const Napi::CallbackInfo& info);

}  // namespace capstan
