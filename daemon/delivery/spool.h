// Results that wait for PostgreSQL, kept over a crash: appended to a file and synced, read back by the next run. What
// is in it may be recorded twice: a result that is there already is left alone (store/journal.h).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "message/outcome.h"
#include "store/journal.h"

namespace signet {

class SpoolFile {
 public:
  virtual ~SpoolFile() = default;
  virtual Result<std::string> read() = 0;
  // On the disk when it returns. After an error a part of it may be there. limit: the disk or a quota is full.
  virtual Result<void> append(std::string_view octets) = 0;
  virtual Result<void> cut(size_t size) = 0;  // to so many octets
};
// Makes the file (0600) and its folders, and keeps others away from it (flock): conflict if somebody has it. SIGXFSZ is
// ignored from then on: a full quota is an error and not the end.
Result<std::unique_ptr<SpoolFile>> open_spool_file(const std::string& path);

struct SpoolRow {
  Permit permit;  // without the sealed parts: what the result's event and gate need
  Outcome outcome;
  WallTime started_at, finished_at;
};

// A record: u32 length of the payload, its SHA-256, the payload (JSON). One a daemon; any thread.
class Spool {
 public:
  // Reads what an earlier run left.
  static Result<std::unique_ptr<Spool>> open(std::unique_ptr<SpoolFile> file, size_t bytes_max);
  // What was left, in order, up to the first record that does not verify; once. It waits, as if appended now.
  std::vector<SpoolRow> take_left();
  size_t torn_octets() const { return torn_octets_; }  // behind it: cut off, since a crash tore them

  // All of them, or none and an error. limit: it is full until all that waits in it is recorded.
  Result<void> append(const std::vector<SpoolRow>& rows);
  void recorded(int64_t rows);  // so many are in PostgreSQL now; after the last one the file is emptied
  bool is_full() const;
  int64_t waiting() const;  // rows

 private:
  Spool(std::unique_ptr<SpoolFile> file, size_t bytes_max) : file_(std::move(file)), bytes_max_(bytes_max) {}

  const std::unique_ptr<SpoolFile> file_;
  const size_t bytes_max_;
  std::vector<SpoolRow> left_;
  size_t torn_octets_ = 0;
  mutable std::mutex lock_;
  size_t size_ = 0;
  int64_t waiting_ = 0;
  bool is_full_ = false;
};

}  // namespace signet
