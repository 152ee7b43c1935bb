#include "daemon/evidence/verifier.h"

#include <algorithm>
#include <map>
#include <set>

#include "audit/checkpoint.h"
#include "audit/event.h"
#include "daemon/evidence/log_check.h"
#include "daemon/evidence/verification.h"

namespace signet {
namespace {

constexpr int64_t kLeavesAtOnce = 32768;
constexpr int kFaultsShown = 100;
constexpr int64_t kFaultySlower = 30;
constexpr int64_t kNightlyAgainMs = 3'600'000;
constexpr size_t kFaultsAtOnce = 1000;  // of one batch: where all is wrong, more names say no more

}  // namespace

Result<Integrity> read_integrity(PgSession& session) {
  Integrity out;
  auto backlog = read_backlog(session);
  if (!backlog) return backlog.error();
  out.log_size = backlog->size;
  auto levels = read_verifications(session);
  if (!levels) return levels.error();
  out.levels = std::move(*levels);
  auto count = count_faults(session);
  if (!count) return count.error();
  out.faults = *count;
  auto newest = read_faults(session, kFaultsShown);
  if (!newest) return newest.error();
  out.newest = std::move(*newest);
  return out;
}

bool Verifier::pass() {
  if (!take_lead()) return false;
  const Tick now = clock_.tick();
  auto is_due = [now](std::optional<Tick>& last, int64_t every_ms) {
    if (last && now.us - last->us < every_ms * 1000) return false;
    last = now;
    return true;
  };
  Result<void> done;
  bool has_more = false;
  // After a fault all leaves are read again, which takes a while when the log is long.
  if (is_due(checkpoint_at_, settings_.checkpoint_every_ms * (tree_ ? 1 : kFaultySlower)))
    done = verify_checkpoint_chain();
  if (done && is_due(entries_at_, settings_.entries_every_ms)) {
    auto more = verify_entries();
    if (!more) {
      done = more.error();
    } else if (*more) {
      has_more = true;
      entries_at_.reset();
    } else {
      done = look_at_partitions();
    }
  }
  if (done) {
    auto alive = place_.session().run("select 1");  // the server takes the place of one who says nothing for 10 s
    if (!alive) done = alive.error();
  }
  if (done && keys_ && is_due(slice_at_, settings_.slice_every_ms * (is_slice_faulty_ ? kFaultySlower : 1)))
    done = verify_slice();
  if (done && nightly_ && is_due(nightly_at_, kNightlyAgainMs)) done = ask_for_nightly();
  if (!done)
    lose(done.error());
  else
    told_.clear();
  return done.ok() && has_more;
}

Result<void> Verifier::verify() {
  place_.ask_at_once();
  if (!take_lead()) return Error{ErrorCode::unavailable, "another daemon verifies the log"};
  auto done = verify_checkpoint_chain();
  while (done) {
    auto more = verify_entries();
    if (!more)
      done = more.error();
    else if (!*more)
      break;
  }
  if (done) done = look_at_partitions();
  if (!done) lose(done.error());
  return done;
}

// Due once a day, at that hour or as soon as somebody leads afterwards. Whoever is told begins it; it is told again
// after an hour if none has ended by then.
Result<void> Verifier::ask_for_nightly() {
  constexpr int64_t kDayUs = 86'400'000'000, kHourUs = 3'600'000'000;
  const int64_t now_us = clock_.wall().us;
  const int64_t due_us =
      (now_us - settings_.nightly_hour * kHourUs) / kDayUs * kDayUs + settings_.nightly_hour * kHourUs;
  auto known = read_verifications(place_.session());
  if (!known) return known.error();
  for (const auto& one : *known)
    if (one.level == 3 && one.at.us >= due_us) return {};
  nightly_();
  return {};
}

// So much that a day of slices is the whole log.
Result<void> Verifier::verify_slice() {
  auto known = read_verifications(place_.session());
  if (!known) return known.error();
  auto backlog = read_backlog(place_.session());
  if (!backlog) return backlog.error();
  int64_t from = 0;
  for (const auto& one : *known)
    if (one.level == 2) from = one.size;
  if (from >= backlog->size) from = 0;
  const int64_t slices = 86'400'000 / std::max<int64_t>(1, settings_.slice_every_ms);
  VerificationRange range;
  range.from = from / kTileWidth * kTileWidth;
  range.to = range.from + std::max(settings_.slice_min, backlog->size / std::max<int64_t>(1, slices) + kTileWidth);
  range.is_whole = false;
  const VerificationParts parts{place_.options(), key_.name, *keys_, clock_, share_};
  auto alive = [this](const VerificationReport&) -> Result<void> {
    auto answer = place_.session().run("select 1");
    if (!answer) return answer.error();
    return {};
  };
  auto report = verify_log(parts, range, {}, alive);
  if (!report) return report.error();
  // A root that does not fit may be the fault of what lies before the slice: from the beginning it shows of what.
  const bool is_vague = std::any_of(report->findings.begin(), report->findings.end(),
                                    [](const Discrepancy& f) { return f.what == "root"; });
  if (is_vague && range.from > 0) {
    range.from = 0;
    auto all = verify_log(parts, range, {}, alive);
    if (!all) return all.error();
    report->findings = std::move(all->findings);
  }
  is_slice_faulty_ = !report->findings.empty();
  faults_ = std::move(report->findings);
  if (auto done = record(2); !done) return done;
  metrics_.set("signet_log_scrubbed_size", "", report->to);
  return write_verification(place_.session(), {2, report->to, report->root, clock_.wall()});
}

bool Verifier::take_lead() {
  auto taken = place_.take();
  if (!taken) {
    lose(taken.error());
    return false;
  }
  return *taken;
}

void Verifier::lose(const Error& error) {
  if (told_ != error.text) log_.warn("the log is not verified from here for now", {{"reason", error.text}});
  told_ = error.text;
  place_.leave();
  tree_.reset();
  entries_size_ = -1;
  faults_.clear();
  checkpoint_at_.reset();
  entries_at_.reset();
  slice_at_.reset();
}

// From the root that was verified last: the tiles are believed only if they give it.
Result<void> Verifier::resume() {
  auto known = read_verifications(place_.session());
  if (!known) return known.error();
  Verification pin;
  entries_size_ = 0;
  for (const auto& one : *known) {
    if (one.level == 0) pin = one;
    if (one.level == 1) entries_size_ = one.size;
  }
  pinned_ = pin.root;
  tree_.emplace();
  if (pin.size == 0) return {};
  auto tree = TileBuilder::resume(static_cast<uint64_t>(pin.size), stored_tiles(place_.session()));
  if (!tree && tree.error().code == ErrorCode::unavailable) return tree.error();
  if (tree && tree->root() == *pin.root) {
    tree_ = std::move(*tree);
    return {};
  }
  // Somewhere a tile is wrong, or a leaf: from the leaves it shows where.
  return {};
}

// Takes in the log's leaves up to `size`; the tiles that they complete must be those stored.
Result<bool> Verifier::grow(int64_t size) {
  while (static_cast<int64_t>(tree_->size()) < size) {
    const auto from = static_cast<int64_t>(tree_->size());
    const int64_t wanted = std::min(kLeavesAtOnce, size - from);
    auto leaves = read_leaves(place_.session(), from, wanted);
    if (!leaves) return leaves.error();
    std::vector<Tile> full;
    tree_->append(*leaves, full);
    for (const auto& tile : full) {
      auto stored = read_tile(place_.session(), tile.level, static_cast<int64_t>(tile.index));
      if (!stored) return stored.error();
      if (!stored->has_value() || **stored != tile_octets(tile.hashes))
        found("tile", static_cast<int64_t>(tile.index << (8 * (tile.level + 1))), std::nullopt, "audit.tile",
              std::to_string(tile.level) + '/' + std::to_string(tile.index));
    }
    if (static_cast<int64_t>(leaves->size()) < wanted) {
      found("log_gap", static_cast<int64_t>(tree_->size()), std::nullopt, "audit.log", std::to_string(tree_->size()));
      return false;
    }
  }
  return true;
}

Result<void> Verifier::verify_checkpoint_chain() {
  if (!tree_)
    if (auto done = resume(); !done) return done;
  auto newest = newest_checkpoint(place_.session());
  if (!newest) return newest.error();
  const bool is_pinned = pinned_.has_value();
  if (!newest->has_value()) {
    if (is_pinned) found("consistency", 0, std::nullopt, "audit.checkpoint", "0");
    return record(0);
  }
  const CheckpointRow& row = **newest;
  auto read = verify_checkpoint(row.note, key_.name);
  if (!read || static_cast<int64_t>(read->checkpoint.size) != row.size || read->checkpoint.root != row.root)
    found("note", row.size, std::nullopt, "audit.checkpoint", std::to_string(row.size));
  if (row.size < static_cast<int64_t>(tree_->size())) {
    found("consistency", row.size, std::nullopt, "audit.checkpoint",
          std::to_string(row.size));  // the log has forgotten what it signed
    return record(0);
  }
  // What was pinned is part of what the leaves say now.
  auto known = read_verifications(place_.session());
  if (!known) return known.error();
  const auto pin = std::find_if(known->begin(), known->end(), [](const auto& v) { return v.level == 0; });
  if (pin != known->end() && static_cast<int64_t>(tree_->size()) <= pin->size) {
    auto reached = grow(pin->size);
    if (!reached) return reached.error();
    if (*reached && tree_->root() != *pin->root)
      found("consistency", pin->size, std::nullopt, "audit.checkpoint", std::to_string(pin->size));
  }
  auto reached = grow(row.size);
  if (!reached) return reached.error();
  const bool is_sound = faults_.empty();
  if (*reached && tree_->root() != row.root)
    found("root", row.size, std::nullopt, "audit.checkpoint", std::to_string(row.size));
  if (*reached && is_sound && faults_.empty()) {
    // The proof too, from the tiles, as whoever asks for one gets it.
    if (pin != known->end() && pin->size > 0) {
      auto proof =
          ProofBuilder(stored_tiles(place_.session()), tree_->size()).consistency(static_cast<uint64_t>(pin->size));
      if (!proof && proof.error().code == ErrorCode::unavailable) return proof.error();
      if (!proof || !verify_consistency(static_cast<uint64_t>(pin->size), tree_->size(), *proof, *pin->root, row.root))
        found("consistency", row.size, std::nullopt, "audit.checkpoint", std::to_string(row.size));
    }
    if (faults_.empty()) {
      pinned_ = row.root;
      auto written = write_verification(place_.session(), {0, row.size, row.root, clock_.wall()});
      if (!written) return written;
    }
  }
  if (!faults_.empty()) tree_.reset();  // read anew next time
  return record(0);
}

Result<bool> Verifier::verify_entries() {
  if (entries_size_ < 0)
    if (auto done = resume(); !done) return done.error();
  const Tick began = clock_.tick();
  auto rows = read_log(place_.session(), entries_size_, settings_.batch);
  if (!rows) return rows.error();
  if (!rows->empty()) {
    if (auto done = check_rows(*rows); !done) return done.error();
    if (auto done = record(1); !done) return done.error();
    entries_size_ = rows->back().seq + 1;
  }
  auto written = write_verification(place_.session(), {1, entries_size_, std::nullopt, clock_.wall()});
  if (!written) return written.error();
  metrics_.set("signet_log_verified_size", "", entries_size_);
  if (share_) share_->rest(began);
  return static_cast<int>(rows->size()) == settings_.batch;
}

Result<void> Verifier::check_rows(const std::vector<LogRow>& rows) {
  int64_t expected = entries_size_;
  for (const auto& row : rows) {
    if (row.seq != expected) found("log_gap", expected, std::nullopt, "audit.log", std::to_string(expected));
    expected = row.seq + 1;
    (void)check_row(row, faults_);
  }
  return check_chains(rows);
}

// The events before each of these, of the same message; and the head that the message has now.
Result<void> Verifier::check_chains(const std::vector<LogRow>& rows) {
  struct Link {
    int64_t seq = 0;
    Uuid event_id, message;
    int64_t n = 0;
    std::optional<Digest> prev;
    Digest leaf{};
  };
  std::vector<Link> links;
  std::set<Uuid> messages;
  for (const auto& row : rows) {
    if (!row.has_entry) continue;
    const auto event = parse_event(row.entry.canon);
    if (!event || !event->n) continue;
    links.push_back({row.seq, row.entry.event_id, row.entry.object_id, *event->n, event->prev, row.entry.leaf});
    messages.insert(row.entry.object_id);
  }
  if (links.empty()) return {};
  const std::vector<Uuid> asked(messages.begin(), messages.end());
  auto heads = read_heads(place_.session(), asked);  // before the entries: a head may not be ahead of what is read then
  if (!heads) return heads.error();
  auto entries = read_object_entries(place_.session(), asked);
  if (!entries) return entries.error();
  std::map<Uuid, std::multimap<int64_t, Digest>> chains;
  for (const auto& entry : *entries)
    if (const auto event = parse_event(entry.canon); event && event->n)
      chains[entry.object_id].emplace(*event->n, entry.leaf);
  std::map<Uuid, Head> at;
  for (const auto& [id, head] : *heads) at[id] = head;
  for (const auto& link : links) {
    const auto& chain = chains[link.message];
    bool is_whole = chain.count(link.n) == 1;
    if (link.n == 1) {
      is_whole = is_whole && !link.prev;
    } else {
      const auto before = chain.find(link.n - 1);
      is_whole = is_whole && link.prev && before != chain.end() && chain.count(link.n - 1) == 1 &&
                 before->second == *link.prev;
    }
    if (!is_whole) found("chain", link.seq, link.event_id, "audit.entry", link.event_id.text());
    const auto head = at.find(link.message);
    // Read before its events: it cannot be ahead of them, and what the head names is the one with its number.
    if (head == at.end() || !chain.contains(head->second.n) || chain.find(head->second.n)->second != head->second.leaf)
      found("head", link.seq, link.event_id, "message", link.message.text());
  }
  return {};
}

Result<void> Verifier::look_at_partitions() {
  auto filled = filled_default_partitions(place_.session());
  if (!filled) return filled.error();
  if (!filled->empty() && !is_partition_told_) {
    metrics_.add("signet_alarm", "reason=\"default_partition\"");
    log_.error("ALARM: rows fell into a default partition: run `signetd migrate`, which makes the months that come",
               {{"table", filled->front()}});
  }
  is_partition_told_ = !filled->empty();
  return {};
}

void Verifier::found(std::string what, std::optional<int64_t> seq, std::optional<Uuid> event_id, std::string relation,
                     std::string row_key) {
  faults_.push_back({std::move(what), seq, event_id, std::move(relation), std::move(row_key)});
}

Result<void> Verifier::record(int level) {
  if (faults_.size() > kFaultsAtOnce) faults_.resize(kFaultsAtOnce);
  return record_.record(place_.session(), level, std::exchange(faults_, {}));
}

}  // namespace signet
