#include "daemon/delivery/batches.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace signet {
namespace {

template <class Rows>
void move_front(Rows& from, size_t rows_max, std::vector<typename Rows::value_type>& to) {
  const auto end = from.begin() + static_cast<ptrdiff_t>(std::min(rows_max, from.size()));
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(end));
  from.erase(from.begin(), end);
}

template <class Row>
void move_back(std::vector<Row>& from, std::deque<Row>& to) {
  to.insert(to.begin(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

// The next rows of one kind, into the half that they fall in.
template <class Row>
void share_out(const std::vector<Row>& rows, size_t& left, std::vector<Row>& first, std::vector<Row>& second) {
  for (const auto& row : rows) {
    (left > 0 ? first : second).push_back(row);
    if (left > 0) left--;
  }
}

}  // namespace

void Batches::add(PermitRequest request) {
  permits_[static_cast<size_t>(request.priority) - 1].push_back(std::move(request));
}

size_t Batches::size() const {
  size_t out = results_.size() + ends_.size() + moves_.size();
  for (const auto& waiting : permits_) out += waiting.size();
  for (const auto& half : halves_) out += half.size();
  return out;
}

bool Batches::is_worth_writing(size_t hold, bool is_sending) const {
  const size_t waiting = size();
  if (waiting == 0) return false;
  return !halves_.empty() || waiting >= hold || !is_sending;
}

Batch Batches::take_urgent(size_t rows_max) {
  Batch out;
  for (size_t priority : {0, 1}) move_front(permits_[priority], rows_max - out.permits.size(), out.permits);
  return out;
}

Batch Batches::take(size_t rows_max) {
  Batch out;
  if (!halves_.empty()) {
    out = std::move(halves_.front());
    halves_.pop_front();
    return out;
  }
  move_front(results_, rows_max, out.results);
  move_front(ends_, rows_max, out.ends);
  move_front(moves_, rows_max, out.moves);
  for (auto& waiting : permits_) move_front(waiting, rows_max - out.permits.size(), out.permits);
  return out;
}

void Batches::put_back(Batch batch) {
  move_back(batch.results, results_);
  move_back(batch.ends, ends_);
  move_back(batch.moves, moves_);
  for (auto at = batch.permits.rbegin(); at != batch.permits.rend(); ++at)
    permits_[static_cast<size_t>(at->priority) - 1].push_front(std::move(*at));
}

void Batches::split(const Batch& batch) {
  size_t left = batch.size() / 2;
  Batch first, second;
  share_out(batch.results, left, first.results, second.results);
  share_out(batch.ends, left, first.ends, second.ends);
  share_out(batch.moves, left, first.moves, second.moves);
  share_out(batch.permits, left, first.permits, second.permits);
  halves_.push_back(std::move(first));
  halves_.push_back(std::move(second));
}

std::vector<PermitRequest> Batches::take_permits() {
  std::vector<PermitRequest> out;
  for (auto& waiting : permits_) move_front(waiting, waiting.size(), out);
  for (auto& half : halves_) {
    out.insert(out.end(), std::make_move_iterator(half.permits.begin()), std::make_move_iterator(half.permits.end()));
    half.permits.clear();
  }
  std::erase_if(halves_, [](const Batch& half) { return half.size() == 0; });
  return out;
}

}  // namespace signet
