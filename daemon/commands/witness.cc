#include "daemon/evidence/witness.h"

#include <cstdio>

#include "base/notify.h"
#include "base/signals.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/operator.h"
#include "daemon/http/server.h"

namespace signet {
namespace {

constexpr int64_t kStopMs = 5000;

}  // namespace

int run_witness(const WitnessOptions& options) {
  auto at = parse_endpoint(options.listen);
  if (!at) return failed("--listen " + options.listen + ": " + at.error().text);
  std::vector<NoteKey> logs;
  for (const auto& vkey : options.logs) {
    auto log = NoteKey::parse(vkey);
    if (log && log->type() != NoteKeyType::ed25519)
      return failed("--log " + vkey + ": it is a witness's key, not a log's");
    if (!log) return failed("--log " + vkey + ": " + log.error().text + ": copy the line that `signetd keygen` prints");
    logs.push_back(std::move(*log));
  }
  auto key = load_or_make_witness_key(options.key.empty() ? options.state + "/key.pem" : options.key, options.name,
                                      options.state);
  if (!key) return failed(key.error().text);
  const std::string vkey = key->name.vkey();

  Loop loop;
  Notify notify;
  std::unique_ptr<http::Server> server;
  const Signals signals([&](int) {
    loop.post([&] {
      if (server) server->stop(kStopMs, [&loop] { loop.stop(); });
    });
  });
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  const auto log = make_log(LogLevel::info, LogFormat::automatic);
  auto witness = Witness::open(options.state, std::move(logs), std::move(*key), clock, *log);
  if (!witness) return failed(witness.error().text);
  server = std::make_unique<http::Server>(loop, nullptr, clock, ids, *log);
  http::ListenerOptions listener;
  listener.name = "witness";
  listener.inline_handler = true;  // one after the other: nothing comes between looking and keeping
  listener.handler = [&witness](const http::Request& request, const http::Reply& reply) {
    reply((*witness)->handle(request));
  };
  const auto port = server->listen(*at, std::move(listener));
  if (!port) return failed(port.error().text);
  std::printf("witness: port %d\naudit.anchors.witness_key: %s\n", *port, vkey.c_str());
  std::fflush(stdout);
  notify.ready("witnessing");
  loop.run();
  server.reset();
  return 0;
}

}  // namespace signet
