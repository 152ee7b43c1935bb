// The rows that wait to be written, and the batches that they form. What is urgent goes alone and waits for no others;
// a batch that the database refused for one of its rows is written again in halves, until that row stands alone.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "store/journal.h"

namespace signet {

class Batches {
 public:
  void add(ResultRow row) { results_.push_back(std::move(row)); }
  void add(EndRow row) { ends_.push_back(std::move(row)); }
  void add(MoveRow row) { moves_.push_back(std::move(row)); }
  void add(PermitRequest request);
  size_t size() const;  // rows
  bool has_urgent() const { return !permits_[0].empty() || !permits_[1].empty(); }
  // A batch waits for `hold` rows while sends are under way: their results come soon.
  bool is_worth_writing(size_t hold, bool is_sending) const;
  Batch take_urgent(size_t rows_max);         // permits of critical and high priority, nothing else
  Batch take(size_t rows_max);                // of each kind
  void put_back(Batch batch);                 // to the front
  void split(const Batch& batch);             // of more than one row
  std::vector<PermitRequest> take_permits();  // all that wait

 private:
  std::deque<ResultRow> results_;
  std::deque<EndRow> ends_;
  std::deque<MoveRow> moves_;
  std::array<std::deque<PermitRequest>, 4> permits_;  // by priority
  std::deque<Batch> halves_;
};

}  // namespace signet
