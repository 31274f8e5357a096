// A disk on which something else happens in the middle of an operation.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "../engine/disk.h"

namespace capstan::test {

// Called with the path before a pack is opened, and before a file is read or synced.
struct Hooks {
  std::function<void(const std::string&)> open = [](const std::string&) {};
  std::function<void(const std::string&)> read = [](const std::string&) {};
  std::function<void(const std::string&)> sync = [](const std::string&) {};
  // The file that cannot be opened, just once.
  std::string refused;
};

class HookedFile : public File {
 public:
  HookedFile(std::unique_ptr<File> file, std::string path, std::shared_ptr<Hooks> hooks)
      : file_(std::move(file)), path_(std::move(path)), hooks_(std::move(hooks)) {}
  Result<uint64_t> Size() override { return file_->Size(); }
  Status ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    hooks_->read(path_);
    return file_->ReadAt(offset, out);
  }
  Status WriteAt(uint64_t offset, View bytes) override { return file_->WriteAt(offset, bytes); }
  Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  Status Reserve(uint64_t size) override { return file_->Reserve(size); }
  Status Sync() override {
    hooks_->sync(path_);
    return file_->Sync();
  }
  Status Refresh() override { return file_->Refresh(); }

 private:
  const std::unique_ptr<File> file_;
  const std::string path_;
  const std::shared_ptr<Hooks> hooks_;
};

class HookedDisk : public Disk {
 public:
  HookedDisk(std::unique_ptr<Disk> disk, std::shared_ptr<Hooks> hooks)
      : disk_(std::move(disk)), hooks_(std::move(hooks)) {}
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (!hooks_->refused.empty() && path.ends_with(hooks_->refused)) {
      hooks_->refused.clear();
      return Error{ErrorCode::kIo, path, "too many open files"};
    }
    return Hooked(disk_->Open(path, mode), path);
  }
  Result<std::unique_ptr<File>> OpenDirect(const std::string& path, OpenMode mode) override {
    hooks_->open(path);
    return Hooked(disk_->OpenDirect(path, mode), path);
  }
  Result<bool> Exists(const std::string& path) override { return disk_->Exists(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return disk_->Rename(from, to);
  }
  Status Remove(const std::string& path) override { return disk_->Remove(path); }
  Result<std::vector<std::string>> List(const std::string& directory) override {
    return disk_->List(directory);
  }
  Status MakeDirectory(const std::string& path) override { return disk_->MakeDirectory(path); }
  Status SyncDirectory(const std::string& path) override { return disk_->SyncDirectory(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return disk_->Lock(path);
  }

 private:
  Result<std::unique_ptr<File>> Hooked(Result<std::unique_ptr<File>> file, const std::string& path) {
    if (!file.ok()) return file.error();
    return std::unique_ptr<File>(new HookedFile(file.take(), path, hooks_));
  }
  const std::unique_ptr<Disk> disk_;
  const std::shared_ptr<Hooks> hooks_;
};

}  // namespace capstan::test
