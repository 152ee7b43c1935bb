#include "tests/simulation/pool.h"

#include "base/bytes.h"
#include "message/envelope.h"
#include "message/policy.h"
#include "tests/simulation/sim_time.h"

namespace signet::test {
namespace {

constexpr int kMessages = 128;

}  // namespace

MessagePool::MessagePool()
    : keys_(Secret(std::string(32, 'k')), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), random_) {
  SimTime time;
  const SimClock clock(time);
  for (int i = 0; i < kMessages; i++) {
    time.run_until(time.now_us() + 100'000);  // ids, and so shards, of as many moments
    IdSource ids(clock, random_);
    MemoryStore::Message m;
    const Uuid id = ids.next();
    const Envelope envelope{Kind::sms, "+614915700" + std::to_string(10 + i % 80), "", "hello", {}};
    const std::string salt(32, 's');
    const auto key = keys_.make_data_key(id.text());
    m.row.id = id;
    m.row.status = Status::queued;
    m.row.priority = kPriorities[static_cast<size_t>(i % 4)];
    m.row.author_id = ids.next();
    m.row.destination = "AU";
    m.row.recipient_key = view(recipient_key(keys_.index_key(), envelope.recipient));
    m.row.head = {2, sha256(id.text())};
    m.content.version = 1;
    m.content.kek_id = keys_.kek_id();
    m.content.wrapped_key = key.wrapped;
    m.content.sealed = keys_.seal_with(key.key, seal_binding("content", id, 1, "sealed"), pack(salt, envelope));
    const Digest commit = envelope_commit(salt, envelope);
    const Digest mac = approval_mac(keys_.mac_key(), id, 1, commit, kPolicyId);
    m.approvals.push_back({1, std::string(view(commit)), std::string(view(mac)), std::string(kPolicyId), {}});
    messages_.push_back(std::move(m));
  }
}

}  // namespace signet::test
