#include "daemon/commands/verify.h"

#include <unistd.h>

#include <cstdio>

#include "daemon/assembly.h"
#include "daemon/commands/commands.h"
#include "daemon/evidence/fault_record.h"
#include "daemon/evidence/verification.h"

namespace signet {
namespace {

constexpr int kFaulty = 1, kFailed = 2;

int failed(const Error& error) {
  std::fprintf(stderr, "signetd: the log could not be verified: %s\n", error.text.c_str());
  return kFailed;
}

class ProgressLine {  // on a terminal only
 public:
  void show(const VerificationReport& report) {
    if (!is_terminal_) return;
    std::fprintf(stderr, "\r%lld of %lld entries, %lld messages, %zu faults", static_cast<long long>(report.size),
                 static_cast<long long>(report.to), static_cast<long long>(report.messages), report.findings.size());
    std::fflush(stderr);
    is_shown_ = true;
  }
  ~ProgressLine() {
    if (is_shown_) std::fputc('\n', stderr);
  }

 private:
  const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool is_shown_ = false;
};

}  // namespace

int verify_stored_log(const Config& config, const VerifyOptions& options) {
  SystemClock clock;
  SystemRandom random;
  auto keys = make_keyring(config, random);
  if (!keys) return failed(keys.error());
  auto log_key = make_log_key(config);
  if (!log_key) return failed(log_key.error());
  auto postgres = postgres_options(config, config.postgres.roles.verify);
  if (!postgres) return failed(postgres.error());
  VerificationRange range;
  range.from = options.from;
  range.is_whole = options.from == 0;
  Result<VerificationReport> report = [&] {
    ProgressLine line;
    return verify_log({std::move(*postgres), log_key->name, *keys, clock}, range, {},
                      [&line](const VerificationReport& so_far) {
                        line.show(so_far);
                        return Result<void>();
                      });
  }();
  if (!report) return failed(report.error());
  if (options.is_json) {
    std::printf("%s\n", result_json(*report).c_str());
  } else {
    for (const auto& finding : report->findings) std::printf("%s\n", describe(finding).c_str());
    std::printf("%s: entries %lld to %lld, %lld checkpoints, %lld messages (%lld erased under policy), %.1f s\n",
                report->findings.empty() ? "verified" : "NOT VERIFIED", static_cast<long long>(report->from),
                static_cast<long long>(report->to), static_cast<long long>(report->checkpoints),
                static_cast<long long>(report->messages), static_cast<long long>(report->erased),
                static_cast<double>(report->duration_ms) / 1000);
  }
  return report->findings.empty() ? 0 : kFaulty;
}

}  // namespace signet
