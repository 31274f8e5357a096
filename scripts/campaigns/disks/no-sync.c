// Preloaded, it makes every sync a lie: what the power cuts must find out (power-cuts.ts).
int fsync(int descriptor) { return (void)descriptor, 0; }
int fdatasync(int descriptor) { return (void)descriptor, 0; }
int sync_file_range(int descriptor, long offset, long bytes, unsigned flags) {
  return (void)descriptor, (void)offset, (void)bytes, (void)flags, 0;
}
