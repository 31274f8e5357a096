#include "values.h"

#include <cmath>

namespace capstan {
namespace {

const char* NameOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return "NOT_FOUND";
    case ErrorCode::kAlreadyExists: return "ALREADY_EXISTS";
    case ErrorCode::kInUse: return "IN_USE";
    case ErrorCode::kCorrupt: return "CORRUPT";
    case ErrorCode::kLocked: return "LOCKED";
    case ErrorCode::kFailed: return "FAILED";
    case ErrorCode::kNoSpace: return "NO_SPACE";
    case ErrorCode::kIo: return "IO";
    case ErrorCode::kLimit: return "LIMIT";
    case ErrorCode::kInvalid: return "INVALID";
    case ErrorCode::kCrashed: return "CRASHED";
  }
  return "INVALID";
}

[[noreturn]] void Refuse(const Napi::CallbackInfo& info, const char* name, const char* type) {
  throw Napi::TypeError::New(info.Env(), std::string(name) + " must be " + type);
}

}  // namespace

Napi::Error ToJs(Napi::Env env, const Error& error) {
  Napi::Error value = Napi::Error::New(env, error.place + ": " + error.what);
  value.Set("code", Napi::String::New(env, NameOf(error.code)));
  value.Set("place", Napi::String::New(env, error.place));
  value.Set("what", Napi::String::New(env, error.what));
  return value;
}

std::string StringArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (!info[i].IsString()) Refuse(info, name, "a string");
  return info[i].As<Napi::String>().Utf8Value();
}
double NumberArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (!info[i].IsNumber()) Refuse(info, name, "a number");
  const double value = info[i].As<Napi::Number>().DoubleValue();
  if (!(std::abs(value) <= 9007199254740991.0)) Refuse(info, name, "a safe integer");
  return value;
}
uint64_t CountArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  const double value = NumberArgument(info, i, name);
  if (value < 0) Refuse(info, name, "0 or more");
  return static_cast<uint64_t>(value);
}
bool BooleanArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (!info[i].IsBoolean()) Refuse(info, name, "a boolean");
  return info[i].As<Napi::Boolean>().Value();
}
Napi::Uint8Array BytesArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (!info[i].IsTypedArray() ||
      info[i].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    Refuse(info, name, "a Uint8Array");
  return info[i].As<Napi::Uint8Array>();
}
Napi::Uint32Array WordsArgument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (!info[i].IsTypedArray() ||
      info[i].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array)
    Refuse(info, name, "a Uint32Array");
  return info[i].As<Napi::Uint32Array>();
}

// Up to here a copy costs less than an array over foreign memory with the finalizer that frees it.
constexpr size_t kCopiedBytesMax = 8192;

template <class Vector>
Napi::Value HandOver(Napi::Env env, Vector&& bytes) {
  const size_t size = bytes.size();
  if (size <= kCopiedBytesMax) {
    Napi::Uint8Array array = Napi::Uint8Array::New(env, size);
    if (size > 0) std::memcpy(array.Data(), bytes.data(), size);
    return array;
  }
  auto held = std::make_unique<Vector>(std::move(bytes));
  uint8_t* data = held->data();
  const Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, data, size,
      [](Napi::Env, void*, Vector* owner) { const std::unique_ptr<Vector> freed(owner); },
      held.release());
  return Napi::Uint8Array::New(env, size, buffer, 0);
}
Napi::Value ToJs(Napi::Env env, Bytes&& bytes) { return HandOver(env, std::move(bytes)); }
Napi::Value ToJs(Napi::Env env, RawBytes&& bytes) { return HandOver(env, std::move(bytes)); }
Napi::Value ToJs(Napi::Env env, std::vector<uint32_t>&& words) {
  Napi::Uint32Array array = Napi::Uint32Array::New(env, words.size());
  if (!words.empty()) std::memcpy(array.Data(), words.data(), words.size() * sizeof(uint32_t));
  return array;
}

Napi::Value ToJs(Napi::Env env, const std::vector<ImageInfo::Partition>& partitions) {
  const Napi::Array array = Napi::Array::New(env, partitions.size());
  for (uint32_t i = 0; i < partitions.size(); ++i) {
    const Napi::Object object = Napi::Object::New(env);
    object.Set("objectCount", static_cast<double>(partitions[i].object_count));
    object.Set("filemarkCount", static_cast<double>(partitions[i].filemark_count));
    object.Set("payloadBytes", static_cast<double>(partitions[i].payload_bytes));
    object.Set("chunkCount", static_cast<double>(partitions[i].chunk_count));
    array.Set(i, object);
  }
  return array;
}

Napi::Value ToJs(Napi::Env env, const ImageInfo& info) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("name", info.name);
  object.Set("generation", static_cast<double>(info.generation));
  object.Set("partitions", ToJs(env, info.partitions));
  return object;
}

const char* ToText(StoppedBy stopped_by) {
  switch (stopped_by) {
    case StoppedBy::kCount: return "count";
    case StoppedBy::kLimit: return "limit";
    case StoppedBy::kFilemark: return "filemark";
    case StoppedBy::kEndOfData: return "end-of-data";
    case StoppedBy::kBeginningOfPartition: return "beginning-of-partition";
    case StoppedBy::kDamaged: return "damaged";
  }
  return "limit";
}

}  // namespace capstan
