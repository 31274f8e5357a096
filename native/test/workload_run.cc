#include "workload_run.h"

#include <algorithm>

#include "carry.h"

namespace capstan::test {
namespace {

constexpr StoreId kId{1, 2, 3};
constexpr char kStorePath[] = "/vaults/v";
constexpr size_t kKeyBytes = 32;
constexpr uint64_t kReadCountMax = 100;
constexpr uint64_t kReadBytesMax = 1 << 20;
constexpr uint32_t kFilemarkEvery = 3;
constexpr uint32_t kEditBytes = 5;
constexpr char kStagedSuffix[] = ".NEW";

bool SameBlock(const Block& a, const Block& b) {
  if (a == b) return true;
  return a && b && *a == *b;
}

bool SameBlocks(const std::vector<Block>& a, const std::vector<Block>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), SameBlock);
}

bool SameContent(const Content& a, const Content& b) {
  return a.generation == b.generation &&
         std::equal(a.partitions.begin(), a.partitions.end(), b.partitions.begin(),
                    b.partitions.end(), SameBlocks);
}

void Join(const std::vector<Block>& blocks, std::vector<uint32_t>& lengths, Bytes& data) {
  for (const Block& block : blocks) {
    lengths.push_back(block ? static_cast<uint32_t>(block->size()) : 0);
    if (block) data.insert(data.end(), block->begin(), block->end());
  }
}

Bytes Words(Random& random, size_t size) {
  static constexpr char kWords[10][7] = {"tape",  "volume", "label", "record", "block",
                                         "drive", "reel",   "file",  "mark",   "end"};
  Bytes bytes;
  bytes.reserve(size + 8);
  while (bytes.size() < size) {
    const std::string_view word = kWords[random.Below(10)];
    bytes.insert(bytes.end(), word.begin(), word.end());
    bytes.push_back(static_cast<uint8_t>(' ' + random.Below(16)));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace

bool SameState(const ImageState& a, const ImageState& b) {
  return a.has_value() == b.has_value() && (!a || SameContent(*a, *b));
}

std::string Say(const ImageState& state) {
  if (!state) return "none";
  std::string text = Text("generation ", state->generation, ", objects");
  for (const auto& blocks : state->partitions) text += Text(" ", blocks.size());
  return text;
}

Result<Content> ReadAll(Image& image) {
  TRY_ASSIGN(const ImageInfo info, image.Info());
  Content content{info.generation, {}};
  for (uint32_t partition = 0; partition < info.partitions.size(); ++partition) {
    std::vector<Block>& blocks = content.partitions.emplace_back();
    StoppedBy stopped_by = StoppedBy::kCount;
    while (stopped_by != StoppedBy::kEndOfData) {
      TRY_ASSIGN(const ReadResult read,
                 image.Read(partition, blocks.size(), false, kReadCountMax, kReadBytesMax));
      if (read.stopped_by == StoppedBy::kDamaged)
        return Error{ErrorCode::kCorrupt, "image", "damaged"};
      if (read.lengths.empty() && read.stopped_by != StoppedBy::kEndOfData &&
          read.stopped_by != StoppedBy::kFilemark)
        throw Failure("a read gives nothing and does not say why");
      auto at = read.data.begin();
      for (const uint32_t length : read.lengths) {
        blocks.push_back(length == 0 ? nullptr : std::make_shared<Bytes>(at, at + length));
        at += length;
      }
      stopped_by = read.stopped_by;
    }
  }
  return content;
}

Run::Run(SimulatedDisk& disk, const Workload& workload, AfterError after_error)
    : disk_(disk), workload_(workload), after_error_(after_error) {}
Run::~Run() = default;

Store::Options Run::OptionsFor(Store::Mode mode) const {
  Store::Options options;
  options.path = kStorePath;
  options.mode = mode;
  options.pack_bytes_max = workload_.pack_bytes_max;
  options.id_if_new = kId;
  if (workload_.encrypted) options.key = Bytes(kKeyBytes, 7);
  return options;
}

Status Run::OpenStore() {
  auto disk = disk_.Attach();
  TRY(disk->MakeDirectory("/vaults"));
  TRY(disk->SyncDirectory("/"));
  TRY_ASSIGN(store_, Store::Open(std::move(disk), OptionsFor(Store::Mode::kCreate)));
  return Ok();
}

void Run::Finish() {
  for (const auto& [name, image] : images_) Must(image->Close(), "close an image");
  if (store_) Must(store_->Close(), "close");
  Abandon();
}

void Run::Abandon() {
  images_.clear();
  store_.reset();
}

Result<Image*> Run::Writable(const std::string& name) {
  if (const auto found = images_.find(name); found != images_.end()) return found->second.get();
  TRY_ASSIGN(auto image, store_->OpenImage(name, true));
  TRY_ASSIGN(Content content, ReadAll(*image));
  Known& known = known_[name];
  CHECK(IsPermitted(known, content), name, " is in state: ", Say(content),
        "; acknowledged: ", Say(known.acknowledged));
  known.now = std::move(content);
  return (images_[name] = std::move(image)).get();
}

Status Run::Release(const std::string& name) {
  const auto found = images_.find(name);
  if (found == images_.end()) return Ok();
  const std::shared_ptr<Image> image = std::move(found->second);
  images_.erase(found);
  return image->Close();
}

void Run::Expect(const std::string& name, ImageState state) {
  known_[name].possible.push_back(std::move(state));
}

void Run::Acknowledge(const std::string& name, ImageState state) {
  Known& known = known_[name];
  if (distrust_ && disk_.fault_count() > 0) {
    known.possible.push_back(std::move(state));
    return;
  }
  known.earlier.push_back(std::move(known.acknowledged));
  known.acknowledged = std::move(state);
  known.possible.clear();
}

Block Run::MakeBlock(const Step& step, uint64_t seed, uint32_t index) const {
  Random random(seed * 1000 + index);
  const size_t size = step.bytes - random.Below(step.bytes / 4 + 1);
  if (step.fill == Step::Fill::kNoise) return std::make_shared<Bytes>(random.Noise(size));
  if (step.fill == Step::Fill::kText) return std::make_shared<Bytes>(Words(random, size));
  std::vector<Block> blocks;
  if (const auto of = known_.find(step.of); of != known_.end() && !of->second.now.partitions.empty())
    blocks = of->second.now.partitions[0];
  std::erase(blocks, nullptr);
  if (blocks.empty()) return std::make_shared<Bytes>(random.Noise(size));
  const Block& original = blocks[index % blocks.size()];
  if (step.fill == Step::Fill::kSame) return original;
  Bytes edited = *original;
  for (int i = 0; i < 2; ++i) {
    const Bytes edit = random.Noise(kEditBytes);
    if (edited.size() > kEditBytes)
      std::copy(edit.begin(), edit.end(),
                edited.begin() + static_cast<ptrdiff_t>(random.Below(edited.size() - kEditBytes)));
  }
  return std::make_shared<Bytes>(std::move(edited));
}

Status Run::Append(const Step& step, uint64_t seed) {
  TRY_ASSIGN(Image* const image, Writable(step.image));
  Content after = known_[step.image].now;
  std::vector<Block>& blocks = after.partitions.at(step.partition);
  const size_t at = blocks.size() * step.at_permille / 1000;
  std::vector<Block> added;
  for (uint32_t i = 0; i < step.count; ++i) {
    added.push_back(MakeBlock(step, seed, i));
    if (i % kFilemarkEvery == kFilemarkEvery - 1) added.push_back(nullptr);
  }
  blocks.resize(at);
  blocks.insert(blocks.end(), added.begin(), added.end());
  std::vector<uint32_t> lengths;
  Bytes data;
  Join(added, lengths, data);
  const auto appended = image->Append(step.partition, at, lengths, data);
  if (appended.ok()) {
    CHECK(appended.value() == blocks.size(), appended.value());
    known_[step.image].now = std::move(after);
    return Ok();
  }
  TakeStock(step.image, known_[step.image].now, after);
  return appended.error();
}

// Afterwards `now` is what the image says; where it says nothing, its handle goes, and with it `now`.
void Run::TakeStock(const std::string& name, const Content& before, const Content& after) {
  auto content = ReadAll(*images_.at(name));
  if (!content.ok()) {
    images_.erase(name);
    return;
  }
  const auto& found = content.value().partitions;
  for (size_t p = 0; p < found.size(); ++p) {
    const auto& complete = after.partitions.at(p);
    const bool part = found[p].size() <= complete.size() &&
                      std::equal(found[p].begin(), found[p].end(), complete.begin(), SameBlock);
    CHECK(part || SameBlocks(found[p], before.partitions.at(p)), name,
          " has what nobody wrote after a call that failed: ", Say(content.value()), "; before: ",
          Say(before), "; to be: ", Say(after));
  }
  known_[name].now = content.take();
}

Status Run::Sync(const std::string& name) {
  TRY_ASSIGN(Image* const image, Writable(name));
  Content next = known_[name].now;
  next.generation = ++generation_;
  Expect(name, next);
  const Status synced = image->Sync(next.generation);
  // Who was not told when it wrote has it on the tape.
  CHECK(synced.ok() || synced.error().code != ErrorCode::kNoSpace || disk_.fault_count() > 0,
        "there is no space for what was accepted");
  TRY(synced);
  known_[name].now.generation = next.generation;
  Acknowledge(name, std::move(next));
  return Ok();
}

// As a copy comes in: what is lacking, the image under another name, a sync, and the rename.
Status Run::Import(const Step& step, uint64_t seed) {
  Content next{++generation_, {{}}};
  for (uint32_t i = 0; i < step.count; ++i) {
    // Between changes stands what did not change.
    Step part = step;
    if (part.fill == Step::Fill::kEdited && i % 2 == 0) part.fill = Step::Fill::kSame;
    next.partitions[0].push_back(MakeBlock(part, seed, i));
    // So each block is a chunk.
    next.partitions[0].push_back(nullptr);
  }
  SimulatedDisk other(1, CrashProfile::kOrdered);
  Must(other.Attach()->MakeDirectory("/vaults"));
  const auto source = Must(Store::Open(other.Attach(), OptionsFor(Store::Mode::kCreate)));
  const auto write = [&](const char* image_name, const Content& content) {
    Must(source->CreateImage(image_name, 1));
    const auto image = Must(source->OpenImage(image_name, true));
    std::vector<uint32_t> lengths;
    Bytes data;
    Join(content.partitions[0], lengths, data);
    Must(image->Append(0, 0, lengths, data));
    Must(image->Sync(content.generation));
  };
  // The source has it, too, and compresses against it.
  if (const auto of = known_.find(step.of); of != known_.end()) write("O", of->second.now);
  write("S", next);
  const Bytes manifest = Must(source->ExportManifest("S"));
  const std::string name = step.image;
  const std::string staged = name + kStagedSuffix;
  const Bytes lacking = LackingOf(*store_, ChunksOf(*source, "S"));
  TRY_ASSIGN(const Carried carried, Carry(*source, *store_, lacking));
  CHECK(carried.chunk_count * kDigestBytes == lacking.size(), "other chunks came than were lacking");
  deltas_imported_ += static_cast<size_t>(
      std::count(carried.codecs.begin(), carried.codecs.end(), Codec::kDelta));
  TRY(store_->StageImage(staged, manifest, next.generation));
  TRY(store_->Sync());
  TRY(Release(name));
  Expect(name, next);
  TRY(store_->PublishImage(staged, name));
  known_[name].now = next;
  Acknowledge(name, std::move(next));
  return Ok();
}

Status Run::ReadBack(const std::string& name) {
  TRY_ASSIGN(Image* const image, Writable(name));
  TRY_ASSIGN(const Content content, ReadAll(*image));
  CHECK(SameContent(content, known_[name].now), name, " reads as ", Say(content), ", not as ",
        Say(known_[name].now));
  return Ok();
}

Status Run::LookBeside(const std::string& name) {
  TRY_ASSIGN(const auto store, Store::Open(disk_.Attach(), OptionsFor(Store::Mode::kRead)));
  TRY_ASSIGN(const auto image, store->OpenImage(name, false));
  TRY_ASSIGN(const Content content, ReadAll(*image));
  const Known& known = known_[name];
  CHECK(IsPermitted(known, content), name,
        " reads beside the writer as ", Say(content), ", not as ", Say(known.acknowledged));
  return Ok();
}

Status Run::Do(const Step& step, uint64_t seed) {
  const std::string name = step.image;
  if (!store_) TRY(OpenStore());
  switch (step.kind) {
    case Step::Kind::kCreate: {
      Content empty{0, std::vector<std::vector<Block>>(step.count)};
      Expect(name, empty);
      TRY(store_->CreateImage(name, step.count));
      known_[name].now = empty;
      Acknowledge(name, std::move(empty));
      return Ok();
    }
    case Step::Kind::kAppend:
      return Append(step, seed);
    case Step::Kind::kTruncate: {
      TRY_ASSIGN(Image* const image, Writable(name));
      std::vector<Block>& blocks = known_[name].now.partitions.at(step.partition);
      const size_t at = blocks.size() * step.at_permille / 1000;
      TRY(image->Truncate(step.partition, at));
      blocks.resize(at);
      return Ok();
    }
    case Step::Kind::kSync:
      return Sync(name);
    case Step::Kind::kRead:
      return ReadBack(name);
    case Step::Kind::kBeside:
      return LookBeside(name);
    case Step::Kind::kRemove:
      TRY(Release(name));
      Expect(name, std::nullopt);
      TRY(store_->RemoveImage(name));
      Acknowledge(name, std::nullopt);
      return Ok();
    case Step::Kind::kCollect: {
      TRY_ASSIGN(const PackStore::Collected collected, store_->Collect(0.95, 100));
      collected_.packs_removed += collected.packs_removed;
      collected_.bytes_copied += collected.bytes_copied;
      return Ok();
    }
    case Step::Kind::kImport:
      return Import(step, seed);
    case Step::Kind::kReopen:
      for (const auto& [each, image] : images_) TRY(image->Close());
      images_.clear();
      TRY(store_->Close());
      store_.reset();
      TRY(OpenStore());
      return CheckImages(false);
    case Step::Kind::kQuota:
      disk_.SetQuota(step.bytes == 0 ? std::nullopt : std::optional<uint64_t>(step.bytes));
      return Ok();
  }
  return Ok();
}

// False where nothing helps.
bool Run::Overcome(const Step& step, uint64_t seed) {
  if (errors_.back() == ErrorCode::kNoSpace && disk_.fault_count() == 0 && store_) return true;
  const auto attempt = [&](const Status& status) {
    if (!status.ok()) errors_.push_back(status.error().code);
    return status.ok();
  };
  if (attempt(Do(step, seed))) return true;
  if (crashed()) return false;
  Abandon();
  disk_.Kill();
  if (!attempt(OpenStore()) && !attempt(OpenStore())) return false;
  if (!attempt(CheckImages(false))) return !crashed();
  attempt(Do(step, seed));
  return !crashed();
}

void Run::Work() {
  for (size_t i = 0; i < workload_.steps.size(); ++i) {
    const Step& step = workload_.steps[i];
    const Status status = Do(step, i);
    if (status.ok()) continue;
    errors_.push_back(status.error().code);
    if (crashed()) return;
    if (after_error_ == AfterError::kGoOn && Overcome(step, i)) continue;
    if (after_error_ == AfterError::kStop && store_) {
      // Whatever it says now, it says it at once; what it acknowledges now counts.
      const Status again = Do(step, i);
      if (!again.ok()) errors_.push_back(again.error().code);
    }
    return;
  }
}

}  // namespace capstan::test
