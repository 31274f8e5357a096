// What must be true of a store after a workload was cut short.
#include <algorithm>

#include "workload_run.h"

namespace capstan::test {
namespace {

constexpr uint64_t kLaterGeneration = 100000;

void CheckClean(Store& store) {
  const VerifyReport report = Must(store.Verify({}), "verify");
  for (const Damage& damage : report.damages)
    throw Failure("damage: " + damage.place + ": " + damage.what);
}

bool IsStaged(const std::string& name) { return name.ends_with(".NEW"); }

}  // namespace

bool Run::IsPermitted(const Known& known, const ImageState& state) const {
  if (SameState(state, known.acknowledged)) return true;
  for (const ImageState& possible : known.possible)
    if (SameState(state, possible)) return true;
  if (!distrust_ || disk_.fault_count() == 0) return false;
  for (const ImageState& earlier : known.earlier)
    if (SameState(state, earlier)) return true;
  return false;
}

bool Run::IsOfAnother(const ImageState& state) const {
  if (!state) return false;
  const auto same = [&](const ImageState& each) {
    if (!each) return false;
    Content content = *each;
    content.generation = state->generation;
    content.partitions.resize(state->partitions.size());
    return SameState(state, content);
  };
  for (const auto& [name, known] : known_) {
    if (same(known.acknowledged)) return true;
    for (const auto* states : {&known.possible, &known.earlier})
      if (std::any_of(states->begin(), states->end(), same)) return true;
  }
  return false;
}

// Opens every image for writing and compares; with `adopt`, what is found counts as acknowledged from here on.
Status Run::CheckImages(bool adopt) {
  TRY_ASSIGN(const std::vector<ImageInfo> infos, store_->ListImages());
  images_.clear();
  for (const ImageInfo& info : infos)
    CHECK(IsStaged(info.name) || known_.contains(info.name), info.name);
  for (auto& [name, known] : known_) {
    const auto image = Writable(name);
    if (!image.ok() && image.error().code != ErrorCode::kNotFound) return image.error();
    ImageState found;
    if (image.ok()) found = known.now;
    CHECK(IsPermitted(known, found), name, " is gone; acknowledged: ", Say(known.acknowledged));
    if (adopt) Acknowledge(name, std::move(found));
  }
  return Ok();
}

void Run::TryOpen() {
  Abandon();
  const Status opened = OpenStore();
  Abandon();
  CHECK(opened.ok() || opened.error().code == ErrorCode::kCrashed ||
            opened.error().code == ErrorCode::kCorrupt,
        Describe(opened.error()));
}

void Run::CheckRecovered() {
  Abandon();
  Must(OpenStore(), "open");
  CheckClean(*store_);
  Must(CheckImages(false), "images");
  // From here on what is there counts, and the disk does as it says.
  distrust_ = false;
  Must(CheckImages(true), "images again");
}

void Run::CheckGoesOn() {
  std::string name;
  for (const auto& [each, known] : known_)
    if (known.acknowledged) name = each;
  if (name.empty()) {
    name = "Z";
    Must(store_->CreateImage(name, 1), "create");
    Acknowledge(name, Content{0, {{}}});
  }
  Image* const image = Must(Writable(name), "open an image");
  Content& now = known_[name].now;
  now.generation = kLaterGeneration;
  const Block block = std::make_shared<Bytes>(Random(1).Noise(5000));
  const uint32_t length = static_cast<uint32_t>(block->size());
  Must(image->Append(0, now.partitions[0].size(), {&length, 1}, *block), "append");
  now.partitions[0].push_back(block);
  Must(image->Sync(kLaterGeneration), "sync");
  Acknowledge(name, now);
  Abandon();
  disk_.PowerCut();
  disk_.Restart();
  store_ = Must(Store::Open(disk_.Attach(), OptionsFor(Store::Mode::kRead)), "open for reading");
  CheckClean(*store_);
  for (const auto& [each, expected] : known_) {
    const auto found = store_->OpenImage(each, false);
    CHECK(found.ok() == expected.acknowledged.has_value(), each, " after going on");
    if (found.ok())
      CHECK(SameState(Must(ReadAll(*found.value()), "read"), expected.acknowledged), each,
            " after going on");
  }
  Abandon();
}

Honesty Run::CheckHonest() {
  Abandon();
  auto opened = Store::Open(disk_.Attach(), OptionsFor(Store::Mode::kRead));
  if (!opened.ok()) {
    CHECK(opened.error().code == ErrorCode::kCorrupt || opened.error().code == ErrorCode::kIo ||
              opened.error().code == ErrorCode::kNotFound,
          Describe(opened.error()));
    return Honesty::kReported;
  }
  store_ = opened.take();
  const auto report = store_->Verify({});
  Honesty honesty = Honesty::kRight;
  if (!report.ok() || !report.value().damages.empty()) honesty = Honesty::kReported;
  for (const auto& [name, known] : known_) {
    const auto image = store_->OpenImage(name, false);
    ImageState found;
    if (image.ok()) {
      auto content = ReadAll(*image.value());
      if (!content.ok()) {
        CHECK(content.error().code == ErrorCode::kCorrupt || content.error().code == ErrorCode::kIo,
              name, ": ", Describe(content.error()));
        // Only a fault that is over by now may be seen by one and not by the other.
        if (honesty == Honesty::kRight) honesty = Honesty::kReportedByRead;
        continue;
      }
      found = content.take();
    } else if (image.error().code != ErrorCode::kNotFound) {
      if (honesty == Honesty::kRight) honesty = Honesty::kReportedByRead;
      continue;
    }
    if (SameState(found, known.acknowledged)) continue;
    bool before = false;
    for (const auto* states : {&known.possible, &known.earlier})
      for (const ImageState& state : *states) before = before || SameState(found, state);
    CHECK(before, name, IsOfAnother(found) ? " reads as another one" : " reads as what it never was");
    if (honesty == Honesty::kRight || honesty == Honesty::kReportedByRead)
      honesty = Honesty::kWentBack;
  }
  Abandon();
  return honesty;
}

}  // namespace capstan::test
