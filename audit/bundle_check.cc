#include "audit/bundle_check.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "audit/bundle.h"
#include "audit/dsse.h"
#include "audit/event.h"
#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/sha256.h"
#include "message/statement.h"

namespace signet {
namespace {

using Json = nlohmann::json;

constexpr int64_t kSkewUs = 300'000'000;  // by which a back end's clock may be ahead of the daemon's

struct Bad {  // thrown by a check of one file
  std::string text;
};
template <class T>
T must(Result<T> result) {
  if (!result) throw Bad{result.error().text};
  return std::move(*result);
}
void must(Result<void> result) {
  if (!result) throw Bad{result.error().text};
}

Json parse_canonical(const std::string& octets) {
  if (must(canonicalize(octets)) != octets) throw Bad{"is not in canonical form (RFC 8785)"};
  return Json::parse(octets);
}

struct ApproverKey {
  VerifyKey key;
  std::string user_id, custody;
  WallTime valid_from;
  std::vector<WallTime> ends;
};

struct Link {  // an event in the chain of its message
  int64_t n = 0, line = 0;
  Digest leaf{};
  std::optional<Digest> prev;
};

struct Approval {
  int64_t line = 0;
  Json event;
};

class Checking {
 public:
  Checking(const BundleReader& bundle, const BundleCheck& check, BundleVerdict& verdict)
      : bundle_(bundle), check_(check), verdict_(verdict) {}

  Result<void> run() {
    for (const char* name : {"events.jsonl", "checkpoint", "keys.json", "VERIFY.md", "signet_verify.py",
                             "manifest.json", "manifest.dsse.json"})
      if (!bundle_.has(name)) fault(name, "is missing");
    attempt("keys.json", &Checking::check_keys);
    if (check_.log && log_ && log_->vkey() != check_.log->vkey())
      fault("keys.json", "names another log key than the one given");
    if (check_.log) log_ = check_.log;
    if (!log_ && attempt("manifest.json", &Checking::take_stored_manifest)) {
      check_files();
      attempt("manifest.dsse.json", &Checking::check_payload);
    }
    if (!log_) return Error{ErrorCode::invalid, "there is no log key to check with: give it with --log-key"};
    if (!check_.log)
      verdict_.trusted.push_back("the log's key is the bundle's own word, " + log_->vkey() +
                                 ": compare it with the one you hold, or give that with --log-key");
    attempt("manifest.json", &Checking::check_manifest);
    if (manifest_.is_object()) check_files();
    if (!attempt("checkpoint", &Checking::check_checkpoint)) return {};
    if (!check_.older.empty()) {
      const auto older = verify_checkpoint(check_.older, *log_);
      if (!older) return Error{ErrorCode::invalid, "the older checkpoint: " + older.error().text};
      older_ = older->checkpoint;
    }
    attempt("consistency", &Checking::check_consistency);
    for (const auto& name : bundle_.names())
      if (name.starts_with("anchors/") && name.ends_with(".checkpoint"))
        attempt(name, &Checking::check_anchor_checkpoint);
    if (manifest_.is_object()) {
      attempt("events.jsonl", &Checking::check_events);
      check_approvals();
    }
    check_anchors();
    if (older_) check_same_log("checkpoint", *older_, "against the older checkpoint: ");
    return {};
  }

 private:
  void fault(const std::string& file, const std::string& text, int64_t line = 0) {
    const BundleFault found{file, line, text};
    if (std::find(verdict_.faults.begin(), verdict_.faults.end(), found) == verdict_.faults.end())
      verdict_.faults.push_back(found);
  }

  bool attempt(const std::string& name, void (Checking::*check)(const std::string&)) {
    if (!bundle_.has(name)) return false;
    try {
      (this->*check)(name);
      return true;
    } catch (const Bad& bad) {
      fault(name, bad.text);
    } catch (const Json::exception&) {
      fault(name, "misses a member, or has one of another kind than belongs there");
    }
    return false;
  }

  std::string read(const std::string& name) const { return must(bundle_.read(name)); }

  void check_keys(const std::string& name) {
    const Json keys = parse_canonical(read(name));
    log_ = must(NoteKey::parse(keys.at("log").get<std::string>()));
    if (log_->type() != NoteKeyType::ed25519) throw Bad{"names a witness's key as the log's"};
    for (const auto& vkey : keys.at("witnesses")) witnesses_.push_back(must(NoteKey::parse(vkey.get<std::string>())));
    for (const auto& row : keys.at("approvers")) {
      ApproverKey key{must(VerifyKey::from_spki(must(from_base64(row.at("publicKey").get<std::string>())))),
                      row.at("userId"),
                      row.at("custody"),
                      must(parse_rfc3339(row.at("validFrom").get<std::string>())),
                      {}};
      for (const char* end : {"validTo", "revokedAt"})
        if (!row.at(end).is_null()) key.ends.push_back(must(parse_rfc3339(row.at(end).get<std::string>())));
      if (row.at("keyId") != key.key.key_id()) throw Bad{"names a key by an id that is not its own"};
      approvers_.emplace(key.key.key_id(), std::move(key));
    }
  }

  void check_manifest(const std::string& name) {
    const std::string octets = read(name), instead = check_manifest_signature(octets);
    take_manifest(instead.empty() ? octets : instead);
    if (!instead.empty()) throw Bad{"was changed: manifest.dsse.json holds what the log signed"};
    if (manifest_.at("log") != log_->name()) throw Bad{"is of another log than its key"};
  }

  // Without a key: its hashes still tell which files are not those of the manifest.
  void take_stored_manifest(const std::string& name) { take_manifest(read(name)); }

  void check_payload(const std::string& name) {
    const Json envelope = parse_canonical(read(name));
    if (must(from_base64(envelope.at("payload").get<std::string>())) != read("manifest.json"))
      throw Bad{"does not hold manifest.json"};
  }

  void take_manifest(const std::string& octets) {
    Json manifest = parse_canonical(octets);
    if (manifest.at("v") != 1) throw Bad{"is of a version that this program does not know"};
    is_whole_log_ = manifest.at("claims").at("wholeLog").get<bool>();
    is_whole_ = is_whole_log_ || manifest["claims"].at("wholeMessages").get<bool>();
    for (const auto& row : manifest.at("withheld"))
      withheld_[row.at("eventId").get<std::string>()] = row.at("reason").get<std::string>();
    for (const auto& row : manifest.at("files"))
      listed_.push_back({row.at("name"), {row.at("sha256"), row.at("size").get<int64_t>()}});
    manifest_ = std::move(manifest);
  }

  // What the log signed instead, if manifest.json was changed and the envelope was not; else empty.
  std::string check_manifest_signature(const std::string& manifest) {
    static constexpr char kName[] = "manifest.dsse.json";
    if (!bundle_.has(kName)) return {};
    const auto octets = bundle_.read(kName);
    if (!octets) {
      fault(kName, octets.error().text);
      return {};
    }
    const Json parsed = Json::parse(*octets, nullptr, false);
    std::string signature;
    try {
      signature = must(from_base64(parsed.at("signatures").at(0).at("sig").get<std::string>()));
    } catch (const std::exception&) {
      fault(kName, "has not the members of a manifest's envelope");
      return {};
    } catch (const Bad&) {
      fault(kName, "has a signature that is not base64");
      return {};
    }
    const bool is_of_manifest = log_->key().verify(pre_authentication_encoding(kManifestType, manifest), signature);
    // The one spelling of an envelope with this payload and signature: whatever differs was changed.
    DsseEnvelope expected{std::string(kManifestType), manifest};
    expected.add_signature({log_->key().key_id(), signature});
    if (is_of_manifest) {
      if (expected.json() != *octets) fault(kName, "is not the envelope of manifest.json that its signature covers");
      return {};
    }
    const auto payload = parsed.is_object() ? from_base64(parsed.value("payload", "")) : Error{};
    if (payload && *payload != manifest &&
        log_->key().verify(pre_authentication_encoding(kManifestType, *payload), signature))
      return *payload;
    fault(kName, "its signature does not verify");
    if (!payload || *payload != manifest) throw Bad{"is not what manifest.dsse.json holds"};
    return {};
  }

  void check_files() {
    std::set<std::string> known{"manifest.json", "manifest.dsse.json"};
    std::vector<std::string> order;
    for (const auto& [name, said] : listed_) {
      order.push_back(name);
      if (!known.insert(name).second) fault("manifest.json", "lists a file twice");
      if (!bundle_.has(name)) {
        fault(name, "is missing: the manifest lists it");
        continue;
      }
      Sha256 digest;
      auto done = bundle_.read(name, [&digest](std::string_view piece) -> Result<void> {
        digest.add(piece);
        return {};
      });
      if (!done) fault(name, done.error().text);
      if (bundle_.size(name) != said.second) fault(name, "has another size than in the manifest");
      if (to_hex(view(digest.finish())) != said.first)
        fault(name, "was changed: its SHA-256 is not that of the manifest");
    }
    for (const auto& name : bundle_.names())
      if (!known.contains(name)) fault(name, "is not in the manifest: it was added or renamed");
    order.insert(order.end(), {"manifest.json", "manifest.dsse.json"});
    if (verdict_.faults.empty() && order != bundle_.names())
      fault("(zip)", "its files stand in another order than the manifest's");
  }

  void check_checkpoint(const std::string& name) {
    note_ = read(name);
    checkpoint_ = must(verify_checkpoint(note_, *log_)).checkpoint;
    verdict_.checkpoint = checkpoint_;
    if (manifest_.is_object() && (manifest_.at("checkpoint").at("size") != checkpoint_.size ||
                                  manifest_["checkpoint"].at("root") != to_hex(view(checkpoint_.root))))
      fault(name, "is not the checkpoint that the manifest names");
    std::vector<NoteKey> all = check_.witnesses;
    all.insert(all.end(), witnesses_.begin(), witnesses_.end());
    for (size_t i = 0; i < all.size(); i++) {
      const auto verified = verify_checkpoint(note_, *log_, std::span(&all[i], 1));
      if (!verified)
        fault(name, "has a cosignature of " + all[i].name() + " that does not verify");
      else if (!verified->witnesses.empty())
        verdict_.notes.push_back("the witness " + all[i].name() + " cosigned the checkpoint");
      else if (i < check_.witnesses.size())
        fault(name, "is not cosigned by " + all[i].name() + ", whose key was given");
    }
  }

  void check_consistency(const std::string& name) {
    for (const auto& block : must(parse_consistency(read(name)))) {
      const bool holds =
          verify_consistency(block.old_size, checkpoint_.size, block.hashes, block.old_root, checkpoint_.root).ok();
      consistency_[block.old_size] = {block.old_root, holds};
      if (!holds)
        fault(name, "the log at " + std::to_string(checkpoint_.size) + " does not extend the one at " +
                        std::to_string(block.old_size) + ": what stood before was rewritten");
    }
  }

  void check_anchor_checkpoint(const std::string& name) {
    auto anchored = must(verify_checkpoint(read(name), *log_)).checkpoint;
    if (name != "anchors/" + std::to_string(anchored.size) + ".checkpoint")
      throw Bad{"is of another size than its name says"};
    anchors_[anchored.size] = std::move(anchored);
  }

  void check_events(const std::string& name) {
    std::string rest;
    must(bundle_.read(name, [&](std::string_view piece) -> Result<void> {
      rest += piece;
      size_t from = 0;
      for (size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', from)) {
        check_event(name, rest.substr(from, end - from));
        from = end + 1;
      }
      rest.erase(0, from);
      return {};
    }));
    if (!rest.empty()) fault(name, "does not end with a line's end");
    if (manifest_.at("range").at("events") != line_) fault(name, "has another number of events than in the manifest");
    if (is_whole_log_ && (frontier_.size() != checkpoint_.size || frontier_.root() != checkpoint_.root))
      fault(name, "its events do not make the checkpoint's root: one was changed, added, left out or moved");
    for (const auto& proof : bundle_.names())
      if (proof.starts_with("proofs/") && (is_whole_log_ || !seen_.contains(proof.substr(7, 36))))
        fault(proof, "is a proof of no event here");
    check_chains(name);
    verdict_.events = line_;
  }

  void check_event(const std::string& name, const std::string& canon) {
    line_++;
    const Digest leaf = leaf_hash(canon);
    if (is_whole_log_) {
      frontier_.append(leaf);
      roots_wanted(frontier_.size());
    }
    try {
      Json event = parse_canonical(canon);
      const EventProjection read = must(parse_event(canon));
      if (!seen_.insert(read.id.text()).second) throw Bad{"is there twice"};
      if (!is_whole_log_) check_inclusion(read.id.text(), leaf);
      if (read.n) chains_[read.object_id].push_back({*read.n, line_, leaf, read.prev});
      if (read.action == "purged")
        verdict_.notes.push_back("the content of message " + read.object_id +
                                 " was erased under the retention policy; its history stands");
      if ((read.action == "signed" || read.action == "reviewed") &&
          event.at("detail").value("decision", "") != "rejected")
        approvals_.push_back({line_, std::move(event)});
    } catch (const Bad& bad) {
      fault(name, bad.text, line_);
    } catch (const Json::exception&) {
      fault(name, "is no event", line_);
    }
  }

  void roots_wanted(uint64_t size) {
    if (anchors_.contains(size) || (older_ && older_->size == size)) roots_[size] = frontier_.root();
  }

  void check_inclusion(const std::string& event_id, const Digest& leaf) {
    const std::string name = "proofs/" + event_id + ".tlog-proof";
    if (!bundle_.has(name)) {
      fault(name, "is missing");
      throw Bad{"has no proof that it is in the log"};
    }
    try {
      const LogProof proof = must(parse_log_proof(read(name)));
      if (proof.checkpoint != note_) throw Bad{"holds another checkpoint than the bundle's"};
      must(verify_inclusion(proof.index, checkpoint_.size, leaf, proof.hashes, checkpoint_.root));
      if (next_index_ > proof.index) throw Bad{"its event does not stand in the log's order"};
      next_index_ = proof.index + 1;
    } catch (const Bad& bad) {
      fault(name, bad.text);
      throw Bad{"is not proven to be in the log"};
    }
  }

  void check_chains(const std::string& name) {
    for (auto& [message, links] : chains_) {
      std::sort(links.begin(), links.end(), [](const Link& a, const Link& b) { return a.n < b.n; });
      const Link* before = nullptr;
      for (const auto& link : links) {
        const auto found = [&, &about = message](const std::string& text) {
          fault(name, "message " + about + ": " + text, link.line);
        };
        const std::string number = std::to_string(link.n);
        if (before != nullptr && link.n == before->n)
          found("two events say that they are its number " + number);
        else if ((link.n == 1) != !link.prev)
          found("its event " + number + " does not begin or go on as it should");
        else if (before != nullptr && link.n == before->n + 1 && link.prev != before->leaf)
          found("its event " + number + " does not hold the leaf of the one before");
        else if (is_whole_ && link.n != (before != nullptr ? before->n + 1 : 1))
          found("an event before its event " + number + " is missing, which this bundle claims to have");
        before = &link;
      }
    }
    const Json& head = manifest_.at("message");
    if (head.is_null()) return;
    const auto own = chains_.find(head.at("id").get<std::string>());
    if (chains_.size() != 1 || own == chains_.end() || own->second.back().n != head.at("n") ||
        to_hex(view(own->second.back().leaf)) != head.at("leaf"))
      fault(name, "it is not the history of the message that the manifest says");
  }

  void check_approvals() {
    std::set<std::string> wanted;
    std::map<std::string, std::set<std::string>> people;  // by what they signed
    for (const auto& [line, event] : approvals_) {
      const std::string event_id = event.at("id"), name = "approvals/" + event_id + ".dsse.json";
      wanted.insert(name);
      if (bundle_.has(name)) {
        try {
          people[subject(event)].insert(check_approval(name, event));
        } catch (const Bad& bad) {
          fault(name, bad.text);
        } catch (const Json::exception&) {
          fault(name, "or its event misses a member, or has one of another kind than belongs there");
        }
      } else if (const auto why = withheld_.find(event_id); why != withheld_.end() && why->second == "erased") {
        verdict_.notes.push_back("the signature of event " + event_id +
                                 " was erased with its message's content under the retention policy");
      } else {
        fault(name, "is missing: no signature stands behind this approval");
      }
    }
    for (const auto& name : bundle_.names())
      if (name.starts_with("approvals/") && !wanted.contains(name)) fault(name, "is the signature of no event here");
    for (const auto& [line, event] : approvals_) {
      if (event.at("action") != "reviewed" || withheld_.contains(event.at("id").get<std::string>()) || !is_whole_)
        continue;
      const auto required = std::max<int64_t>(1, event.at("detail").value("required", int64_t{1}));
      if (static_cast<int64_t>(people[subject(event)].size()) < required)
        fault("events.jsonl", "it was approved with fewer verified signatures of different people than are required",
              line);
    }
    if (!people.empty())
      verdict_.trusted.push_back("whose the approvers' keys are is the operator's word in keys.json");
  }

  static std::string subject(const Json& event) {
    return event.at("object").value("id", "") + ' ' + std::to_string(event.at("detail").value("version", 0)) + ' ' +
           event.value("envelopeCommit", "");
  }

  std::string check_approval(const std::string& name, const Json& event) {  // the signer
    const std::string octets = read(name);
    const auto envelope = must(DsseEnvelope::parse(octets));
    if (envelope.json() != octets) throw Bad{"is not in canonical form"};
    const Json& detail = event.at("detail");
    const auto key = approvers_.find(detail.value("keyId", ""));
    if (key == approvers_.end()) throw Bad{"is signed with a key that keys.json does not have"};
    const auto verified = must(envelope.verify(kApprovalPayloadType, std::span(&key->second.key, 1)));
    const Statement s = must(parse_statement(verified.payload));
    const std::string signer = detail.value("signerId", event.at("actor").value("id", ""));
    const auto hex = [](const std::optional<Digest>& digest) { return digest ? to_hex(view(*digest)) : ""; };
    if (s.message_id.text() != event.at("object").value("id", "") || s.version != detail.value("version", 0) ||
        s.decision != ReviewDecision::approved || hex(s.envelope_commit) != event.value("envelopeCommit", "") ||
        s.signer.text() != signer || s.policy_id != detail.value("policyId", "") ||
        signet::name(s.meaning) != detail.value("meaning", "") ||
        (detail.contains("diffCommit") && hex(s.diff_commit) != detail["diffCommit"]) ||
        (detail.contains("validationSha256") && hex(s.validation_sha256) != detail["validationSha256"]) ||
        (!detail.contains("signerId") && signet::name(s.role) != event["actor"].value("role", "")))
      throw Bad{"what was signed is not what the event says"};
    if (key->second.user_id != signer || key->second.custody != detail.value("custody", ""))
      throw Bad{"is signed with a key of another person or custody than the event says"};
    if (s.at.us - must(parse_rfc3339(event.at("at").get<std::string>())).us > kSkewUs)
      throw Bad{"was signed after the event that it stands behind"};
    const auto is_over = [&](WallTime end) { return s.at >= end; };
    if (s.at < key->second.valid_from || std::any_of(key->second.ends.begin(), key->second.ends.end(), is_over))
      throw Bad{"is signed with a key that was not valid then"};
    return signer;
  }

  void check_anchors() {
    bool has_stamps = false;
    for (const auto& name : bundle_.names()) {
      if (!name.starts_with("anchors/")) continue;
      const std::string base = name.substr(0, name.rfind('.'));
      const std::string other = base + (name.ends_with(".tsr") ? ".checkpoint" : ".tsr");
      if (!bundle_.has(other)) fault(other, "is missing: its other half stands alone");
      if (!name.ends_with(".tsr") || !bundle_.has(other)) continue;
      has_stamps = true;
      if (!check_.stamp) continue;
      const auto reply = bundle_.read(name), stamped = bundle_.read(other);
      const auto done = !reply     ? Result<void>(reply.error())
                        : !stamped ? Result<void>(stamped.error())
                                   : check_stamp(*reply, *stamped);
      if (!done) fault(name, done.error().text);
    }
    if (has_stamps && !check_.stamp)
      verdict_.trusted.push_back("time stamps were not looked into: give the authority's certificates with --tsa-ca");
    for (const auto& [size, anchored] : anchors_)
      check_same_log("anchors/" + std::to_string(size) + ".checkpoint", anchored, "");
  }

  Result<void> check_stamp(const std::string& reply, const std::string& octets) const {
    const auto token = token_of_reply(reply);
    return token ? check_.stamp(*token, octets) : token.error();
  }

  // The bundle's log extends this checkpoint.
  void check_same_log(const std::string& name, const Checkpoint& before, const std::string& words) {
    const std::string at = std::to_string(before.size);
    if (before.size > checkpoint_.size)
      return fault(name,
                   words + "this bundle's log is shorter than this checkpoint of " + at + ": entries were taken away");
    std::optional<Digest> known;
    if (before.size == checkpoint_.size) known = checkpoint_.root;
    if (!known && roots_.contains(before.size)) known = roots_[before.size];
    if (const auto block = consistency_.find(before.size); !known && block != consistency_.end()) {
      known = block->second.first;
      if (!block->second.second && known == before.root)
        return fault(name,
                     words + "the log does not extend this checkpoint of " + at + ": what stood before was rewritten");
    }
    if (before.size == 0) return;
    if (!known)
      return fault(name, words + "nothing in the bundle shows that its log extends this checkpoint of " + at +
                             ": ask for an export with it as previousCheckpoint");
    if (*known != before.root)
      return fault(name, words + "the log of this bundle has another root at " + at +
                             ", which the log signed too: what stood before was rewritten");
    if (!words.empty()) verdict_.notes.push_back("the log extends the older checkpoint of " + at + " entries");
  }

  const BundleReader& bundle_;
  const BundleCheck& check_;
  BundleVerdict& verdict_;
  std::optional<NoteKey> log_;
  std::vector<NoteKey> witnesses_;
  std::map<std::string, ApproverKey> approvers_;
  Json manifest_;
  bool is_whole_log_ = false, is_whole_ = false;
  std::map<std::string, std::string> withheld_;
  std::vector<std::pair<std::string, std::pair<std::string, int64_t>>> listed_;
  std::string note_;
  Checkpoint checkpoint_;
  std::optional<Checkpoint> older_;
  std::map<uint64_t, std::pair<Digest, bool>> consistency_;
  std::map<uint64_t, Checkpoint> anchors_;
  std::map<uint64_t, Digest> roots_;
  Frontier frontier_;
  int64_t line_ = 0;
  uint64_t next_index_ = 0;
  std::set<std::string> seen_;
  std::map<std::string, std::vector<Link>> chains_;
  std::vector<Approval> approvals_;
};

}  // namespace

Result<BundleVerdict> check_bundle(BundleOctets octets, const BundleCheck& check) {
  BundleVerdict verdict;
  auto bundle = BundleReader::open(std::move(octets), verdict.faults);
  if (!bundle) return bundle.error();
  if (bundle->names().empty()) return verdict;
  auto done = Checking(*bundle, check, verdict).run();
  if (!done && verdict.faults.empty()) return done.error();
  return verdict;
}

}  // namespace signet
