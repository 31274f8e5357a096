{
  "targets": [
    {
      "target_name": "capstan_engine",
      "sources": [
        "native/engine/blake3.cc",
        "native/engine/chunk_index.cc",
        "native/engine/chunk_list.cc",
        "native/engine/chunker.cc",
        "native/engine/cipher.cc",
        "native/engine/codec.cc",
        "native/engine/crc32c.cc",
        "native/engine/framing.cc",
        "native/engine/framing_formats.cc",
        "native/engine/framing_learner.cc",
        "native/engine/image.cc",
        "native/engine/image_format.cc",
        "native/engine/image_read.cc",
        "native/engine/manifest_outline.cc",
        "native/engine/object_map.cc",
        "native/engine/pack_append.cc",
        "native/engine/pack_check.cc",
        "native/engine/pack_draft.cc",
        "native/engine/pack_format.cc",
        "native/engine/pack_load.cc",
        "native/engine/pack_read.cc",
        "native/engine/pack_scanner.cc",
        "native/engine/pack_store.cc",
        "native/engine/pack_transfer.cc",
        "native/engine/pack_writer.cc",
        "native/engine/parcel.cc",
        "native/engine/posix_disk.cc",
        "native/engine/region.cc",
        "native/engine/simulated_disk.cc",
        "native/engine/simulated_handles.cc",
        "native/engine/simulated_state.cc",
        "native/engine/space_reserve.cc",
        "native/engine/store.cc",
        "native/engine/store_check.cc",
        "native/engine/store_transfer.cc",
        "native/engine/stream_writer.cc",
        "native/engine/transfer.cc",
        "native/binding/disk_handle.cc",
        "native/binding/image_handle.cc",
        "native/binding/module.cc",
        "native/binding/store_handle.cc",
        "native/binding/transfer_handle.cc",
        "native/binding/values.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
      # psabi: vectors go through no call; stringop-overflow and restrict: false alarms of GCC 12 over
      # std::vector and std::string (its bugs 105329, 105651).
      "cflags_cc": [
        "-std=c++20",
        "-O3",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-Wno-psabi",
        "-Wno-stringop-overflow",
        "-Wno-restrict",
        "-fvisibility=hidden"
      ]
    }
  ]
}
