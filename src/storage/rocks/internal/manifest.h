// Mends the end of RocksDB's MANIFEST after a power cut.
//
// RocksDB appends each change of its set of files to the MANIFEST and syncs it before it acts on the change. What a cut
// leaves of a record that was not synced yet may be anything. A record that is missing, torn or zeroed RocksDB takes
// for the end; most other bytes make it refuse to open. The files and logs of the state before that record are all
// still there, as nothing is removed before the sync, so the record can be cut off.
//
// Several records may be written before one sync, so whole ones may follow what is damaged. Records that had been
// synced and were damaged later look the same, and RocksDB may take them for the end too. Going on without them is only
// right while what they replaced still exists: RocksDB refuses if table files are missing; the logs are looked at here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::storage {

struct ManifestScan {
  std::uint64_t whole_bytes = 0;  // up to the end of the last whole record before the first damage
  std::uint64_t oldest_log = 0;   // the oldest log those records need, by number; 0: not said
  bool damaged = false;           // bytes follow that are no whole record; whole ones may stand after those
};

// The format: blocks of 32 KiB; in them parts of records, each with le32(masked CRC-32C of what follows the length),
// le16(length), type (1 whole, 2 first, 3 middle, 4 last part); zeros where no header of 7 bytes fits any more.
ManifestScan scan_manifest(std::string_view bytes);

struct ManifestCut {
  std::string path;
  std::uint64_t whole_bytes = 0;  // what stays
  std::string tail;               // what goes
};

// Whether the MANIFEST of the closed database in `directory` has a damaged end that may be cut off; nothing if there is
// no database. Changes nothing. Errors: kStorageFailed, damaged in a way that cannot be mended, or unreadable.
Result<std::optional<ManifestCut>> find_manifest_cut(const std::string& directory);

// Cuts it off, durably. Errors: kStorageFailed with the system's reason.
Result<void> cut_manifest(const ManifestCut& cut);
// Puts it back, for whoever has to look into it, if the database does not open without it either.
void uncut_manifest(const ManifestCut& cut);

}  // namespace millrace::storage
