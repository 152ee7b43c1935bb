// A log with all three anchors: a folder, a witness and a time-stamping authority, both behind HTTP on loopback.
#pragma once

#include <atomic>
#include <set>

#include "audit/checkpoint.h"
#include "daemon/evidence/anchors.h"
#include "daemon/evidence/witness.h"
#include "daemon/http/server.h"
#include "tests/base/time_authority.h"
#include "tests/daemon/evidence/log_world.h"
#include "tests/daemon/http/running_loop.h"

namespace signet {

inline TimeAuthority& time_authority() {
  static TimeAuthority made;
  return made;
}

struct AnchorWorld : LogWorld {
  TestDir dir;
  test::RunningLoop running;
  std::unique_ptr<Witness> witness;
  std::unique_ptr<http::Server> server;
  std::atomic<int> broken_status = 0;  // what both answer instead; 0: they work
  AnchorSettings settings;
  Alarmed alarmed = [](const IntegrityFault&) {};
  std::unique_ptr<Sequencer> writer = start_sequencer();

  explicit AnchorWorld(const std::vector<NoteKey>& known = {}) {
    auto witness_key = load_or_make_witness_key(dir / "witness/key.pem", "witness.example/w1", dir / "witness").value();
    settings.sources.folder.emplace(dir / "worm", key.name.name());
    settings.sources.witness = witness_key.name;
    settings.sources.tsa_ca_file = time_authority().ca_file();
    auto opened = Witness::open(dir / "witness", known.empty() ? std::vector{key.name} : known, std::move(witness_key),
                                clock, log);
    REQUIRE(opened.ok());
    witness = std::move(*opened);
    auto listener = [this](auto answer) {
      http::ListenerOptions options;
      options.inline_handler = true;
      options.handler = [this, answer](const http::Request& request, const http::Reply& reply) {
        reply(broken_status ? http::text(broken_status, "broken\n") : answer(request));
      };
      return options;
    };
    running.on_loop([&] {
      server = std::make_unique<http::Server>(running.loop(), nullptr, clock, ids, log);
      const auto to_witness = server->listen(
          {"127.0.0.1", 0}, listener([this](const http::Request& request) { return witness->handle(request); }));
      const auto to_authority = server->listen({"127.0.0.1", 0}, listener([](const http::Request& request) {
                                                 http::Response response;
                                                 response.body = time_authority().reply(request.body);
                                                 response.content_type = "application/timestamp-reply";
                                                 return response;
                                               }));
      settings.witness_url = "http://127.0.0.1:" + std::to_string(to_witness.value());
      settings.tsa_url = "http://127.0.0.1:" + std::to_string(to_authority.value());
    });
  }
  ~AnchorWorld() {
    running.on_loop([this] { server.reset(); });
  }

  std::unique_ptr<Sequencer> start_sequencer() {
    return std::make_unique<Sequencer>(shared_postgres().options("signet_sequencer"), SequencerSettings{0}, key, clock,
                                       log, metrics);
  }
  // The server notices a moment later that who had the place is gone.
  void wait_for(Elected place) {
    while (count("pg_locks where locktype = 'advisory' and objid = " + std::to_string(static_cast<int64_t>(place)))) {
    }
  }
  Anchors anchors(const Clock& by) {
    return Anchors(shared_postgres().options("signet_sequencer"), shared_postgres().options("signet_verify"), settings,
                   key, by, random, ids, log, metrics, alarmed);
  }
  Anchors anchors() { return anchors(clock); }
  void anchor() {
    wait_for(Elected::anchors);
    auto worker = anchors();
    auto done = worker.anchor();
    REQUIRE((done.ok() ? "" : done.error().text) == "");
  }
  void write(int entries) {  // and a checkpoint of them
    insert(entries);
    while (writer->pass()) {
    }
  }
  int64_t anchored(const std::string& kind) { return count("audit.anchor where kind = '" + kind + "'"); }
  std::set<std::string> faults() {
    auto found = read_faults(*app, 1000);
    REQUIRE(found.ok());
    std::set<std::string> out;
    for (const auto& fault : *found) out.insert(describe(fault));
    return out;
  }
};

}  // namespace signet
