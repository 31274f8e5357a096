// A workload run on a simulated disk, beside a model that knows what was acknowledged.
//
// The model: a tape image is in the state of its last acknowledged sync (or creation, removal, import), or in one
// that a call brought about which was not answered, or not well. Nothing else is ever right.
#pragma once

#include <map>
#include <optional>

#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"
#include "workloads.h"

namespace capstan::test {

// Null: a filemark.
using Block = std::shared_ptr<const Bytes>;
struct Content {
  uint64_t generation = 0;
  std::vector<std::vector<Block>> partitions;
};
// None: there is no such image.
using ImageState = std::optional<Content>;
bool SameState(const ImageState& a, const ImageState& b);
std::string Say(const ImageState& state);
Result<Content> ReadAll(Image& image);

// What a run does where a call fails.
enum class AfterError {
  kStop,
  kGoOn,  // asks once more; then in a new process; then takes the next step
};

enum class Honesty {
  kRight,           // no damage, and each image is as it was acknowledged
  kReported,        // opening or Verify says that something is damaged
  kReportedByRead,  // Verify finds nothing, but a read does
  kWentBack,        // an image is in an earlier state, without a word
};

class Run {
 public:
  Run(SimulatedDisk& disk, const Workload& workload, AfterError after_error);
  ~Run();
  // What the disk says is not to be believed once a fault has struck: what is acknowledged then may be lost,
  // and states of before may come back.
  void DistrustFaults() { distrust_ = true; }

  // All steps, or up to the crash.
  void Work();
  // Codes of the calls that failed, in order.
  const std::vector<ErrorCode>& errors() const { return errors_; }
  // Of all collections.
  const PackStore::Collected& collected() const { return collected_; }
  // Deltas that came with copies.
  size_t deltas_imported() const { return deltas_imported_; }
  Result<StoreStatistics> Statistics() { return store_->Statistics(); }
  bool crashed() const { return !errors_.empty() && errors_.back() == ErrorCode::kCrashed; }

  // All images and the store are closed in good order.
  void Finish();
  // The handles go, as at the end of the process.
  void Abandon();
  // Opens for writing, whatever comes of it.
  void TryOpen();
  // Opens for writing what the disk has: it verifies clean and holds what it must, which from here on
  // counts as acknowledged. Throws Failure.
  void CheckRecovered();
  // It takes more, and that survives a power cut, too.
  void CheckGoesOn();
  // Opens for reading and compares. Throws Failure where an image reads as what it never was.
  Honesty CheckHonest();

 private:
  struct Known {
    ImageState acknowledged;
    // What calls that were not answered well may have made of it.
    std::vector<ImageState> possible;
    // Once acknowledged.
    std::vector<ImageState> earlier;
    // As the process that writes sees it.
    Content now;
  };

  Store::Options OptionsFor(Store::Mode mode) const;
  Status OpenStore();
  Result<Image*> Writable(const std::string& name);
  Status Release(const std::string& name);
  Status Do(const Step& step, uint64_t seed);
  Status Append(const Step& step, uint64_t seed);
  Status Sync(const std::string& name);
  Status Import(const Step& step, uint64_t seed);
  Status ReadBack(const std::string& name);
  Status LookBeside(const std::string& name);
  // What a failed call left in memory must be the state before, or part of the one after.
  void TakeStock(const std::string& name, const Content& before, const Content& after);
  // Whether some image of the store was ever in this state, but for the generation.
  bool IsOfAnother(const ImageState& state) const;
  bool IsPermitted(const Known& known, const ImageState& state) const;
  bool Overcome(const Step& step, uint64_t seed);
  void Expect(const std::string& name, ImageState state);
  void Acknowledge(const std::string& name, ImageState state);
  Block MakeBlock(const Step& step, uint64_t seed, uint32_t index) const;
  Status CheckImages(bool adopt);

  SimulatedDisk& disk_;
  const Workload& workload_;
  const AfterError after_error_;
  bool distrust_ = false;
  std::shared_ptr<Store> store_;
  std::map<std::string, std::shared_ptr<Image>> images_;
  std::map<std::string, Known> known_;
  std::vector<ErrorCode> errors_;
  uint64_t generation_ = 0;
  PackStore::Collected collected_;
  size_t deltas_imported_ = 0;
};

}  // namespace capstan::test
