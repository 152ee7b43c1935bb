#include "daemon/evidence/bundle_writer.h"

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "audit/dsse.h"
#include "audit/event.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "message/envelope.h"
#include "store/anchors.h"
#include "store/approvals.h"
#include "store/bundle_rows.h"
#include "store/entry_scan.h"
#include "store/messages.h"
#include "store/signing_keys.h"

namespace signet {
namespace {

using Json = nlohmann::json;

constexpr int kStampsMax = 400;            // a day each
constexpr size_t kProofsOfOneRead = 4096;  // then the tiles are read anew, so that few stay in memory

struct Placed {  // an event that needs a proof
  Uuid id;
  uint64_t seq = 0;
};
struct Approved {  // an event that a signature stands behind
  Uuid event_id, message_id, signer_id;
  int version = 0;
  std::string key_id;
  WallTime at;
};

std::optional<Approved> approval_in(const Uuid& event_id, const std::string& canon) {
  if (canon.find("\"action\":\"reviewed\"") == std::string::npos &&
      canon.find("\"action\":\"signed\"") == std::string::npos)
    return std::nullopt;
  const Json event = Json::parse(canon, nullptr, false);
  if (!event.is_object() || !event.contains("detail") || event["detail"].value("decision", "") == "rejected")
    return std::nullopt;
  const Json& detail = event["detail"];
  const auto message = parse_uuid(event["object"].value("id", ""));
  const auto signer = parse_uuid(detail.value("signerId", event["actor"].value("id", "")));
  const auto at = parse_rfc3339(event.value("at", ""));
  if (!message || !signer || !at) return std::nullopt;
  return Approved{event_id, *message, *signer, detail.value("version", 0), detail.value("keyId", ""), *at};
}

class Writing {
 public:
  Writing(PgSession& session, const BundleSource& source, const BundleRequest& request, Sink& to,
          const BundleProgress& progress)
      : session_(session), source_(source), request_(request), progress_(progress), bundle_(to) {}

  Result<BundleEnd> run() {
    using Step = Result<void> (Writing::*)();
    for (const Step step : {&Writing::choose_checkpoint, &Writing::measure, &Writing::write_events,
                            &Writing::write_checkpoint, &Writing::write_consistency, &Writing::write_proofs,
                            &Writing::write_approvals, &Writing::write_anchors, &Writing::write_keys}) {
      if (auto done = (this->*step)(); !done) return done.error();
    }
    facts_.exported_at = source_.clock.wall();
    facts_.events = static_cast<uint64_t>(events_);
    facts_.is_whole_log = request_.is_whole_log;
    facts_.filter = request_.shown;
    if (auto done = bundle_.finish(facts_, source_.key.key); !done) return done.error();
    return BundleEnd{events_, digest_.finish(), facts_.checkpoint};
  }

 private:
  Result<void> choose_checkpoint() {
    auto note = stored_note();
    if (!note) return note.error();
    if (note->empty()) return Error{ErrorCode::conflict, "the log has no checkpoint yet: try again in 15 seconds"};
    auto parsed = parse_note(*note);
    if (!parsed) return parsed.error();
    auto checkpoint = parse_checkpoint(parsed->text);
    if (!checkpoint) return checkpoint.error();
    facts_.checkpoint = std::move(*checkpoint);
    note_ = std::move(*note);
    auto cosignatures = read_cosignatures(session_, size());
    if (!cosignatures) return cosignatures.error();
    for (const auto& lines : *cosignatures) note_ += lines + (lines.ends_with('\n') ? "" : "\n");
    if (request_.previous_checkpoint.empty()) return {};
    auto previous = read_previous_checkpoint(request_.previous_checkpoint, source_.key);
    if (!previous) return previous.error();
    if (previous->size > facts_.checkpoint.size && !is_newest_wanted_ &&
        request_.size == 0) {  // the witness may be some seconds behind
      is_newest_wanted_ = true;
      return choose_checkpoint();
    }
    if (previous->size > facts_.checkpoint.size)
      return Error{
          ErrorCode::conflict,
          "the log is shorter than previousCheckpoint: keep that note, it is evidence that entries were taken"};
    previous_ = std::move(*previous);
    return {};
  }

  Result<std::string> stored_note() {  // empty: none
    if (request_.size != 0) return checkpoint_note(session_, request_.size);
    auto row = is_newest_wanted_ ? newest_checkpoint(session_) : witnessed_checkpoint(session_);
    if (!row) return row.error();
    return *row ? std::move((*row)->note) : std::string();
  }

  // Each event that belongs into the bundle, in the log's order.
  template <class Take>
  Result<void> scan(Take take) {
    EntryScan scan(session_, request_.filter, size(), EntryDetail::plain);
    while (!scan.is_done()) {
      auto rows = scan.next();
      if (!rows) return rows.error();
      for (const auto& row : *rows) {
        if (request_.head) {
          const auto event = parse_event(row.canon);
          if (event && !event->n) continue;
          if (event && event->n == request_.head->n) is_head_there_ = true;
        }
        if (auto taken = take(row); !taken) return taken;
      }
      if (progress_)
        if (auto told = progress_(scan.position(), size()); !told) return told;
    }
    return {};
  }

  Result<void> measure() {
    auto done = scan([this](const EntryRow& row) -> Result<void> {
      octets_ += static_cast<int64_t>(row.canon.size()) + 1;
      if (++events_ > kBundleProofsMax && !request_.is_whole_log)
        return Error{ErrorCode::limit, "a selection of more than " + std::to_string(kBundleProofsMax) +
                                           " events: choose a shorter time, or leave the filter out for the whole log"};
      return {};
    });
    if (!done) return done;
    if (!request_.head || is_head_there_) return {};
    if (is_newest_wanted_ || request_.size != 0)
      return Error{ErrorCode::conflict,
                   "the message's newest events are in no checkpoint yet: try again in 15 seconds"};
    is_newest_wanted_ = true;
    events_ = octets_ = 0;
    if (auto chosen = choose_checkpoint(); !chosen) return chosen;
    return measure();
  }

  Result<void> write_events() {
    if (auto begun = bundle_.begin("events.jsonl", octets_); !begun) return begun;
    std::string lines;
    auto done = scan([&](const EntryRow& row) -> Result<void> {
      lines += row.canon + '\n';
      digest_.add(row.canon);
      digest_.add("\n");
      if (!request_.is_whole_log) placed_.push_back({row.event_id, static_cast<uint64_t>(row.seq.value_or(0))});
      if (auto approval = approval_in(row.event_id, row.canon)) approved_.push_back(std::move(*approval));
      if (request_.head) {
        const auto event = parse_event(row.canon);
        if (event && event->n) facts_.message = BundleHead{event->object_id, *event->n, leaf_hash(row.canon)};
      }
      if (lines.size() < kPieceOctets) return {};
      auto written = bundle_.write(lines);
      lines.clear();
      return written;
    });
    if (!done) return done;
    if (auto written = bundle_.write(lines); !written) return written;
    return bundle_.end();
  }

  Result<void> write_checkpoint() { return bundle_.add("checkpoint", note_); }

  Result<void> write_consistency() {
    auto stamps = read_stamps(session_, size(), kStampsMax);
    if (!stamps) return stamps.error();
    stamps_ = std::move(*stamps);
    std::map<uint64_t, Digest> wanted;
    for (const auto& stamp : stamps_)
      if (const auto note = parse_note(stamp.note))
        if (const auto checkpoint = parse_checkpoint(note->text)) wanted[checkpoint->size] = checkpoint->root;
    if (previous_) wanted[previous_->size] = previous_->root;  // the auditor's own comes before ours
    wanted.erase(0);
    std::vector<BundleConsistency> blocks;
    ProofBuilder proofs(stored_tiles(session_), facts_.checkpoint.size);
    for (const auto& [old_size, root] : wanted) {
      auto hashes = proofs.consistency(old_size);
      if (!hashes) return hashes.error();
      blocks.push_back({old_size, root, std::move(*hashes)});
    }
    return blocks.empty() ? Result<void>() : bundle_.add("consistency", print(blocks));
  }

  Result<void> write_proofs() {
    for (size_t from = 0; from < placed_.size(); from += kProofsOfOneRead) {
      ProofBuilder proofs(stored_tiles(session_), facts_.checkpoint.size);
      for (size_t i = from; i < std::min(placed_.size(), from + kProofsOfOneRead); i++) {
        auto hashes = proofs.inclusion(placed_[i].seq);
        if (!hashes) return hashes.error();
        const LogProof proof{std::nullopt, placed_[i].seq, std::move(*hashes), note_};
        if (auto added = bundle_.add("proofs/" + placed_[i].id.text() + ".tlog-proof", print(proof)); !added)
          return added;
      }
      if (progress_)
        if (auto told = progress_(size(), size()); !told) return told;
    }
    return {};
  }

  Result<void> write_approvals() {
    for (const auto& approval : approved_) {
      const std::string id = approval.event_id.text();
      std::string reason = "unreadable";
      auto envelope = read_envelope(approval, reason);
      if (!envelope) return envelope.error();
      if (envelope->empty())
        facts_.withheld.push_back({id, reason});
      else if (auto added = bundle_.add("approvals/" + id + ".dsse.json", *envelope); !added)
        return added;
      if (progress_)
        if (auto told = progress_(size(), size()); !told) return told;
    }
    return {};
  }

  // In its one spelling, whatever the signer's was; empty if there is none to be had, for `reason`.
  Result<std::string> read_envelope(const Approved& approval, std::string& reason) {
    PgTransaction tx(session_);
    auto rows = list_approvals(tx, approval.message_id, approval.version);
    if (!rows) return rows.error();
    // Who signed a version twice did so after his first signature had lapsed.
    const ApprovalRow* row = nullptr;
    const auto distance = [&](const ApprovalRow& a) { return std::abs(a.at.us - approval.at.us); };
    for (const auto& candidate : *rows)
      if (candidate.is_approved && candidate.signer_id == approval.signer_id && candidate.key_id == approval.key_id &&
          (row == nullptr || distance(candidate) < distance(*row)))
        row = &candidate;
    auto content = read_content(tx, approval.message_id);
    if (!content) return content.error();
    if (!*content) reason = "erased";
    if (row == nullptr || !*content) return std::string();
    const auto key = source_.keyring.unwrap(approval.message_id.text(), (*content)->kek_id, (*content)->wrapped_key);
    if (!key) return std::string();
    const auto plain = unseal(key->octets(), seal_binding("approval", row->id, row->version, "dsse"), row->dsse);
    const auto envelope = plain ? DsseEnvelope::parse(*plain) : plain.error();
    if (!envelope) return std::string();
    auto signing_key = keys_.contains(row->key_id) ? std::optional<SigningKeyRow>() : find(tx, row->key_id);
    if (signing_key) keys_.emplace(row->key_id, std::move(*signing_key));
    return envelope->json();
  }

  std::optional<SigningKeyRow> find(PgTransaction& tx, const std::string& key_id) {
    auto row = find_signing_key(tx, key_id);
    return row ? std::move(*row) : std::nullopt;
  }

  Result<void> write_anchors() {
    std::set<int64_t> known;
    for (const auto& stamp : stamps_) {
      if (!known.insert(stamp.size).second) continue;
      const std::string name = "anchors/" + std::to_string(stamp.size);
      if (!stamp.note.empty())  // the checkpoint is gone: the time stamp stands alone, and shows it
        if (auto added = bundle_.add(name + ".checkpoint", stamp.note); !added) return added;
      if (auto added = bundle_.add(name + ".tsr", time_stamp_reply(stamp.token)); !added) return added;
    }
    return {};
  }

  Result<void> write_keys() {
    auto time_json = [](const std::optional<WallTime>& at) { return at ? Json(rfc3339(*at)) : Json(nullptr); };
    Json out{{"v", 1}, {"log", source_.key.name.vkey()}, {"witnesses", Json::array()}, {"approvers", Json::array()}};
    for (const auto& witness : source_.witnesses) out["witnesses"].push_back(witness.vkey());
    for (const auto& [key_id, row] : keys_)
      out["approvers"].push_back({{"algorithm", name(row.algorithm)},
                                  {"custody", name(row.custody)},
                                  {"keyId", key_id},
                                  {"publicKey", to_base64(row.public_key)},
                                  {"userId", row.user_id.text()},
                                  {"validFrom", rfc3339(row.valid_from)},
                                  {"validTo", time_json(row.valid_to)},
                                  {"revokedAt", time_json(row.revoked_at)}});
    return bundle_.add("keys.json", out.dump());  // sorted, without blanks, no numbers but 1: RFC 8785's form
  }

  int64_t size() const { return static_cast<int64_t>(facts_.checkpoint.size); }

  static constexpr size_t kPieceOctets = 256 * 1024;
  PgSession& session_;
  const BundleSource& source_;
  const BundleRequest& request_;
  const BundleProgress& progress_;
  BundleWriter bundle_;
  BundleFacts facts_;
  std::string note_;
  Sha256 digest_;  // of events.jsonl
  std::optional<Checkpoint> previous_;
  int64_t events_ = 0, octets_ = 0;
  bool is_head_there_ = false, is_newest_wanted_ = false;
  std::vector<Placed> placed_;
  std::vector<Approved> approved_;
  std::vector<StampRow> stamps_;
  std::map<std::string, SigningKeyRow> keys_;
};

}  // namespace

Result<Checkpoint> read_previous_checkpoint(const std::string& note, const LogKey& key) {
  auto verified = verify_checkpoint(note, key.name);
  if (!verified)
    return Error{ErrorCode::invalid,
                 "previousCheckpoint is no checkpoint that this log signed: give the "
                 "note as it stands in an older bundle's file `checkpoint`"};
  return std::move(verified->checkpoint);
}

Result<BundleEnd> write_bundle(PgSession& session, const BundleSource& source, const BundleRequest& request, Sink& to,
                               const BundleProgress& progress) {
  return Writing(session, source, request, to, progress).run();
}

}  // namespace signet
