// Between JavaScript's values and the engine's: arguments checked, results made, errors carried over.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>

#include "../engine/store.h"

namespace capstan {

// An Error with `code` (the ErrorCode by name), `place` and `what`.
Napi::Error ToJs(Napi::Env env, const Error& error);

// Throws a TypeError that names the argument.
std::string StringArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
double NumberArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
uint64_t CountArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
bool BooleanArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
Napi::Uint8Array BytesArgument(const Napi::CallbackInfo& info, size_t i, const char* name);
Napi::Uint32Array WordsArgument(const Napi::CallbackInfo& info, size_t i, const char* name);

// {data, size} of an array that stays alive as long as the call that uses it.
inline View ViewOf(const Napi::Uint8Array& array) { return {array.Data(), array.ByteLength()}; }

// Takes over the memory, without a copy where they are many.
Napi::Value ToJs(Napi::Env env, Bytes&& bytes);
Napi::Value ToJs(Napi::Env env, RawBytes&& bytes);
Napi::Value ToJs(Napi::Env env, std::vector<uint32_t>&& words);
Napi::Value ToJs(Napi::Env env, const ImageInfo& info);
Napi::Value ToJs(Napi::Env env, const std::vector<ImageInfo::Partition>& partitions);
const char* ToText(StoppedBy stopped_by);

// Runs `work` on a worker thread, or at once where `synchronous`, and settles a promise with what
// `to_js` makes of its value. `kept` are the values whose memory `work` uses.
template <class T>
class Task final : public Napi::AsyncWorker {
 public:
  using Work = std::function<Result<T>()>;
  using Convert = std::function<Napi::Value(Napi::Env, T&&)>;

  static Napi::Value Run(Napi::Env env, bool synchronous, std::vector<Napi::Value> kept, Work work,
                         Convert convert) {
    if (synchronous) {
      Napi::Promise::Deferred deferred(env);
      Settle(env, deferred, work(), convert);
      return deferred.Promise();
    }
    // Deletes itself once it has settled its promise.
    auto task = std::unique_ptr<Task>(new Task(env, std::move(work), std::move(convert)));
    for (const Napi::Value& value : kept)
      task->kept_.push_back(Napi::Persistent(value.As<Napi::Object>()));
    Napi::Promise promise = task->deferred_.Promise();
    task.release()->Queue();
    return promise;
  }

 protected:
  void Execute() override { outcome_.emplace(work_()); }
  void OnOK() override {
    Napi::HandleScope scope(Env());
    Settle(Env(), deferred_, std::move(*outcome_), convert_);
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Task(Napi::Env env, Work work, Convert convert)
      : Napi::AsyncWorker(env),
        deferred_(env),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

  static void Settle(Napi::Env env, Napi::Promise::Deferred& deferred, Result<T>&& outcome,
                     const Convert& convert) {
    if (outcome.ok())
      deferred.Resolve(convert(env, outcome.take()));
    else
      deferred.Reject(ToJs(env, outcome.error()).Value());
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<Result<T>> outcome_;
  std::vector<Napi::ObjectReference> kept_;
};

inline Napi::Value Nothing(Napi::Env env, Unit&&) { return env.Undefined(); }

}  // namespace capstan
