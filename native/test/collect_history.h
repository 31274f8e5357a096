// One random history of a store that is collected: store, naive model and collector beside each other on the simulated
// disk. Images that share and change content are written, overwritten, removed, renamed, read and sent while packs are
// given up, now and then with a power cut in the middle. Each time every image reads as the model says.
#pragma once

#include <iterator>
#include <map>
#include <set>

#include "../engine/simulated_disk.h"
#include "collect_model.h"

namespace capstan::test {

// What the histories came to: a sweep that never met a delta proves nothing about deltas.
struct CollectTally {
  uint64_t packs_removed = 0;
  uint64_t bytes_copied = 0;
  uint64_t deltas = 0;
  uint64_t crashes = 0;
  uint64_t transfers = 0;
  // Staged with a collection since the store said what it had.
  uint64_t transfers_across = 0;
  uint64_t transfers_repeated = 0;
  uint64_t deltas_carried = 0;
};

class CollectHistory {
 public:
  CollectHistory(uint64_t seed, CollectTally& tally);
  void Run(size_t step_count);

 private:
  struct Writer {
    std::shared_ptr<Image> image;
    Content now;
  };
  struct Reader {
    std::shared_ptr<Image> image;
    Content seen;
  };
  // A copy on its way here from another store.
  struct Transfer {
    std::string name;
    Content content;
    std::shared_ptr<Store> source;
    Bytes manifest;
    // Told to be lacking.
    Bytes lacking;
    size_t collections = 0;
    bool added = false;
    bool staged = false;
    std::string staged_name() const { return name + ".NEW"; }
  };

  void Open();

  // -- Content

  Block Fresh();
  Block Edited(const Block& block);
  // What some image has, or had when its writer last said.
  const Blocks* AnyBlocks();
  // New, the same as somewhere, or a revision of it: what it repeats is found, what it changed is a delta.
  Blocks MakeBlocks();

  // -- Steps

  template <class Map>
  auto Any(Map& map) {
    auto found = map.begin();
    std::advance(found, static_cast<ptrdiff_t>(random_.Below(map.size())));
    return found;
  }
  void Step();
  void Create();
  Writer& Writable(const std::string& name);
  void Append();
  void Truncate();
  void Sync();
  // What was not synced is given up.
  void CloseWriter();
  void OpenReader();
  void CloseReader();
  void Remove();
  // One image takes another's place.
  void Publish();
  void CloseAll();
  // The handles go, as at the end of the process.
  void Abandon();
  void Reopen();
  void Collect();
  void CrashCollecting();

  // -- Copies from another store

  void GoOnWithTransfer();
  void WriteTo(Store& source, const std::string& name, const Blocks& blocks);
  void BeginTransfer();
  void AskWhatLacks();
  void Stage();
  void FinishTransfer();

  // -- Checks

  void CheckImages();
  void CheckClean();
  std::vector<std::string> Packs();
  std::string LastPack() { return Packs().back(); }
  // The numbers of the regions that images refer to, and of what these were compressed against; `lies` gets
  // what lies in the packs but the last, and but `other`.
  std::set<uint32_t> Live(std::multiset<uint32_t>& lies, const std::string& other = "");
  void CheckSpace();
  // What the store says that it takes is what lies there.
  void CheckStored();

  Random random_;
  CollectTally& tally_;
  SimulatedDisk disk_;
  Store::Options options_;
  std::shared_ptr<Store> store_;
  uint64_t generation_ = 0;
  std::map<std::string, Content> synced_;
  std::map<std::string, Writer> writers_;
  std::vector<Reader> readers_;
  std::optional<Transfer> transfer_;
};

}  // namespace capstan::test
