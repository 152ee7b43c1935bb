// How fast the whole log is verified: fills a PostgreSQL of its own with N entries of delivered messages (four each:
// the rows behind them too, sealed content, approval, attempt, callback), sequences them, verifies, prints one JSON
// line.
//   verify_log N
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "audit/attempt.h"
#include "audit/callback.h"
#include "base/bytes.h"
#include "daemon/evidence/entry_of.h"
#include "daemon/evidence/sequencer.h"
#include "daemon/evidence/verification.h"
#include "message/policy.h"
#include "tests/fakes/approved_messages.h"
#include "tests/fakes/columns.h"
#include "tests/fakes/postgres_server.h"

using namespace signet;

namespace {

constexpr int kMessagesAtOnce = 2000, kEntriesOfOne = 4;

class NoLog : public Log {
 public:
  void write(LogLevel level, std::string_view text, std::initializer_list<LogField>) override {
    if (level == LogLevel::error) std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
  }
};

std::string hex(std::string_view octets) { return to_hex(octets); }

class Filling {
 public:
  Filling(PgSession& session, const Keyring& keys, const Clock& clock, Random& random)
      : session_(session), keys_(keys), clock_(clock), ids_(clock, random), random_(random) {}

  void insert_some() {
    messages_ = Columns(7);
    entries_ = Columns(8);
    rows_ = Columns(11);
    for (int i = 0; i < kMessagesAtOnce; i++) add_one();
    const std::string messages = " from " + messages_.unnest("id, author, recipient, leaf, sealed, wrapped, kek");
    run("insert into message (id, kind, delivery_method, status, priority, author_id, last_editor_id, recipient_key, "
        "event_n, event_leaf) select id::uuid, 1, 1, 6, 3, author::uuid, author::uuid, decode(recipient, 'hex'), 4, "
        "decode(leaf, 'hex')" +
            messages,
        messages_);
    run("insert into content (message_id, version, sealed) select id::uuid, 1, decode(sealed, 'hex')" + messages,
        messages_);
    run("insert into data_key (message_id, kek_id, wrapped) select id::uuid, kek, decode(wrapped, 'hex')" + messages,
        messages_);
    const std::string rows = " from " + rows_.unnest(
                                            "id, approval, signer, commit, mac, at, callback, event, "
                                            "confirmation, sealed, epoch");
    run("insert into approval (id, message_id, version, decision, signer_id, signer_role, policy_id, envelope_commit, "
        "approval_mac, at) select approval::uuid, id::uuid, 1, 1, signer::uuid, 2, '" +
            std::string(kPolicyId) + "', decode(commit, 'hex'), decode(mac, 'hex'), at::timestamptz" + rows,
        rows_);
    run("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, provider, lane, route_reason, "
        "permitted_at) select id::uuid, 1, 1, epoch::uuid, 'signetd-1', 'relay', 'sms', 'weight', at::timestamptz" +
            rows,
        rows_);
    run("insert into attempt_result (message_id, attempt_no, outcome, reason, provider_reference, provider_code, "
        "status_code, parts, started_at, finished_at) select id::uuid, 1, 1, 'accepted', event, '200', 200, 1, "
        "at::timestamptz, at::timestamptz" +
            rows,
        rows_);
    run("insert into callback (id, provider, event_id, message_id, attempt_no, provider_reference, kind, "
        "provider_code, is_partial, sealed_by, sealed, received_at) select callback::uuid, 'relay', event, id::uuid, "
        "1, event, 3, '', false, 'message', decode(sealed, 'hex'), at::timestamptz" +
            rows,
        rows_);
    run("insert into confirmation (id, message_id, attempt_no, kind, callback_id, provider, provider_code, "
        "took_effect, at) select confirmation::uuid, id::uuid, 1, 3, callback::uuid, 'relay', '', true, "
        "at::timestamptz" +
            rows,
        rows_);
    run("insert into audit.entry (event_id, object_id, canon, leaf, action, status, provider, at) select event::uuid, "
        "id::uuid, decode(canon, 'hex'), decode(leaf, 'hex'), action, status::smallint, nullif(provider, ''), "
        "at::timestamptz from " +
            entries_.unnest("event, id, canon, leaf, action, status, provider, at"),
        entries_);
  }

 private:
  void run(const std::string& sql, const Columns& columns) {
    auto done = session_.run(sql, columns.values());
    if (done) return;
    std::fprintf(stderr, "verify_log: %s\n", done.error().text.c_str());
    std::exit(1);
  }
  void add_one() {
    const Uuid id = ids_.next(), author = ids_.next(), callback = ids_.next();
    const WallTime now = clock_.wall();
    const std::string at = rfc3339(now), reference = "SM" + to_hex(callback.view());
    std::string salt(32, '\0');
    random_.fill(salt.data(), salt.size());
    const Envelope envelope = sms("+61491570006", "Your appointment letter is ready. Please call us.");
    const auto key = keys_.make_data_key(id.text());
    const Digest commit = envelope_commit(salt, envelope);
    const std::string sealed = keys_.seal_with(key.key, seal_binding("callback", callback, 1, "sealed"), "status=ok");
    Head head;
    auto next = [&](const char* action, Status status, auto change) {
      Event event;
      event.id = ids_.next();
      event.at = now;
      event.actor = {"signetd-1", "daemon", "", "", ""};
      event.action = action;
      event.object = {"message", id.text(), head.n + 1, std::nullopt};
      if (head.n > 0) event.object.prev = head.leaf;
      event.status = name(status);
      change(event);
      const Entry entry = entry_of(event, id);
      entries_.add({event.id.text(), id.text(), hex(entry.canon), hex(view(entry.leaf)), entry.action,
                    std::to_string(entry.status), entry.provider, at});
      head = {head.n + 1, entry.leaf};
    };
    next("submitted_for_review", Status::pending_review, [](Event&) {});
    next("queued", Status::queued, [&](Event& e) {
      e.envelope_commit = commit;
      e.detail = {{"attemptNo", int64_t{1}}, {"lane", std::string("sms")}, {"policyId", std::string(kPolicyId)}};
    });
    next("sent", Status::sent, [&](Event& e) {
      e.attempt = EventAttempt{1, "relay", now};
      e.attempt_sha256 = attempt_sha256({id, 1, "signetd-1", "relay", "sms", "weight", now, "accepted", "accepted",
                                         reference, "200", 200, 1, now, now});
      e.detail = {{"final", false}, {"outcome", std::string("accepted")}};
    });
    next("delivery_confirmed", Status::delivered, [&](Event& e) {
      e.callback_sha256 = callback_sha256(
          {callback, id, "relay", reference, reference, "delivered", "", 1, false, "message", sealed, now});
      e.detail = {{"attempt", int64_t{1}}, {"provider", std::string("relay")}};
    });
    messages_.add({id.text(), author.text(), hex(view(recipient_key(keys_.index_key(), envelope.recipient))),
                   hex(view(head.leaf)),
                   hex(keys_.seal_with(key.key, seal_binding("content", id, 1, "sealed"), pack(salt, envelope))),
                   hex(key.wrapped), keys_.kek_id()});
    rows_.add({id.text(), ids_.next().text(), author.text(), hex(view(commit)),
               hex(view(approval_mac(keys_.mac_key(), id, 1, commit, kPolicyId))), at, callback.text(), reference,
               ids_.next().text(), hex(sealed), ids_.next().text()});
  }

  PgSession& session_;
  const Keyring& keys_;
  const Clock& clock_;
  IdSource ids_;
  Random& random_;
  Columns messages_{7}, entries_{8}, rows_{11};
};

long peak_kb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t wanted = argc == 2 ? std::atoll(argv[1]) : 0;
  if (wanted <= 0) {
    std::fprintf(stderr, "usage: verify_log N\n");
    return 2;
  }
  SystemClock clock;
  SystemRandom random;
  NoLog log;
  Metrics metrics;
  const Keyring keys = test_keys(random);
  PostgresServer postgres;
  auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  auto name =
      key ? NoteKey::make("signet/bench", NoteKeyType::ed25519, key->public_key()) : Result<NoteKey>(key.error());
  if (!name) return 1;
  const LogKey log_key{std::move(*name), std::move(*key)};
  auto since = [&](Tick begin) { return static_cast<double>(clock.tick().us - begin.us) / 1e6; };

  Tick begin = clock.tick();
  {
    auto session = postgres.session("postgres");
    if (!session->script("set synchronous_commit = off").ok()) return 1;
    Filling filling(*session, keys, clock, random);
    for (int64_t n = 0; n < wanted; n += kMessagesAtOnce * kEntriesOfOne) filling.insert_some();
    std::fprintf(stderr, "filled in %.1f s\n", since(begin));
  }
  begin = clock.tick();
  {
    Sequencer sequencer(postgres.options("signet_sequencer"), {10000, 4096}, log_key, clock, log, metrics);
    while (sequencer.pass()) {
    }
  }
  std::fprintf(stderr, "sequenced in %.1f s\n", since(begin));
  // As autovacuum leaves it after a while.
  if (!postgres.session("postgres")->script("vacuum analyze").ok()) return 1;
  const long before_kb = peak_kb();
  begin = clock.tick();
  auto report = verify_log({postgres.options("signet_verify"), log_key.name, keys, clock}, {}, {}, {});
  if (!report) {
    std::fprintf(stderr, "verify_log: %s\n", report.error().text.c_str());
    return 1;
  }
  const double took = since(begin);
  std::printf(
      "{\"entries\": %lld, \"messages\": %lld, \"checkpoints\": %lld, \"faults\": %zu, \"seconds\": %.2f, "
      "\"entries_per_s\": %.0f, \"peak_rss_mb\": %.1f, \"peak_rss_before_mb\": %.1f}\n",
      static_cast<long long>(report->entries), static_cast<long long>(report->messages),
      static_cast<long long>(report->checkpoints), report->findings.size(), took,
      static_cast<double>(report->entries) / took, static_cast<double>(peak_kb()) / 1024,
      static_cast<double>(before_kb) / 1024);
  return report->findings.empty() ? 0 : 1;
}
