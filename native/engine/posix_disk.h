// The real disk.
#pragma once

#include "disk.h"

namespace capstan {

std::unique_ptr<Disk> MakePosixDisk();

}  // namespace capstan
