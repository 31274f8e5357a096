// Ends the program where a test hangs, and says which.
#pragma once

namespace capstan::test {

// Until EndWatch, nothing may take so much processor time, nor wait so long and use hardly any: a machine that has much
// else to do lets a test take its time.
void WatchForHang(unsigned limit_seconds);
void EndWatch();

}  // namespace capstan::test
