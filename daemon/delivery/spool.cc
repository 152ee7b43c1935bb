#include "daemon/delivery/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/sha256.h"

namespace signet {
namespace {

using Json = nlohmann::json;

constexpr size_t kHeadOctets = 4 + 32;
constexpr size_t kFileOctetsMax = size_t{1} << 40;

class DiskFile : public SpoolFile {
 public:
  DiskFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~DiskFile() override { ::close(fd_); }

  Result<std::string> read() override { return read_octets(path_, kFileOctetsMax); }
  Result<void> append(std::string_view octets) override {
    while (!octets.empty()) {
      const ssize_t written = ::write(fd_, octets.data(), octets.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("cannot be written");
      octets.remove_prefix(static_cast<size_t>(written));
    }
    SIGNET_CRASH_POINT(spool_unsynced);
    if (::fdatasync(fd_) != 0) return failed("cannot be synced");
    SIGNET_CRASH_POINT(spool_synced);
    return {};
  }
  Result<void> cut(size_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0 || ::fdatasync(fd_) != 0) return failed("cannot be cut");
    return {};
  }

 private:
  Error failed(const char* what) const {
    const int error = errno;
    const bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return {is_full ? ErrorCode::limit : ErrorCode::io, path_ + " " + what + ": " + std::strerror(error)};
  }

  const std::string path_;
  const int fd_;
};

Json time_of(const std::optional<WallTime>& time) { return time ? Json(time->us) : Json(); }

std::string payload_of(const SpoolRow& row) {
  const Permit& p = row.permit;
  const Outcome& o = row.outcome;
  const Json json{{"id", p.id.text()},
                  {"attempt", p.attempt_no},
                  {"kind", static_cast<int>(p.kind)},
                  {"priority", static_cast<int>(p.priority)},
                  {"lane", p.lane},
                  {"provider", p.provider},
                  {"routeReason", p.route_reason},
                  {"instance", p.instance},
                  {"permittedAt", p.permitted_at.us},
                  {"expiresAt", time_of(p.expires_at)},
                  {"maxAttempts", p.max_attempts},
                  {"avoid", p.avoid},
                  {"outcome", static_cast<int>(o.kind)},
                  {"reason", o.reason},
                  {"reference", o.provider_reference},
                  {"code", o.provider_code},
                  {"status", o.status_code},
                  {"isThrottled", o.is_throttled},
                  {"isOptedOut", o.is_opted_out},
                  {"isBounced", o.is_bounced},
                  {"retryAfterMs", o.retry_after_ms ? Json(*o.retry_after_ms) : Json()},
                  {"scope", static_cast<int>(o.scope)},
                  {"hasBegun", o.has_begun},
                  {"parts", o.parts},
                  {"startedAt", row.started_at.us},
                  {"finishedAt", row.finished_at.us}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<SpoolRow> row_of(std::string_view payload) {
  const Error unreadable{ErrorCode::corrupt, "a spooled result does not read"};
  const Json json = Json::parse(payload, nullptr, false);
  try {
    const auto id = parse_uuid(json.at("id").get<std::string>());
    if (!id) return unreadable;
    SpoolRow row;
    Permit& p = row.permit;
    Outcome& o = row.outcome;
    p.id = *id;
    p.verdict = PermitVerdict::granted;
    p.attempt_no = json.at("attempt");
    p.kind = static_cast<Kind>(json.at("kind").get<int>());
    p.priority = static_cast<Priority>(json.at("priority").get<int>());
    p.lane = json.at("lane");
    p.provider = json.at("provider");
    p.route_reason = json.at("routeReason");
    p.instance = json.at("instance");
    p.permitted_at.us = json.at("permittedAt");
    if (!json.at("expiresAt").is_null()) p.expires_at = WallTime{json.at("expiresAt").get<int64_t>()};
    p.max_attempts = json.at("maxAttempts");
    p.avoid = json.at("avoid");
    o.kind = static_cast<OutcomeKind>(json.at("outcome").get<int>());
    o.reason = json.at("reason");
    o.provider_reference = json.at("reference");
    o.provider_code = json.at("code");
    o.status_code = json.at("status");
    o.is_throttled = json.at("isThrottled");
    o.is_opted_out = json.at("isOptedOut");
    o.is_bounced = json.value("isBounced", false);  // of an older signetd's spool: not told
    if (!json.at("retryAfterMs").is_null()) o.retry_after_ms = json.at("retryAfterMs").get<int64_t>();
    o.scope = static_cast<FaultScope>(json.at("scope").get<int>());
    o.has_begun = json.value("hasBegun", false);  // likewise
    o.parts = json.at("parts");
    row.started_at.us = json.at("startedAt");
    row.finished_at.us = json.at("finishedAt");
    return row;
  } catch (const Json::exception&) {
    return unreadable;
  }
}

}  // namespace

Result<std::unique_ptr<SpoolFile>> open_spool_file(const std::string& path) {
  std::signal(SIGXFSZ, SIG_IGN);
  if (auto made = make_folders(std::filesystem::path(path).parent_path().string()); !made) return made.error();
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Error{ErrorCode::io, path + " cannot be opened: " + std::strerror(errno)};
  auto file = std::make_unique<DiskFile>(path, fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0)
    return Error{ErrorCode::conflict, path + " is another process's: daemons on one machine need names of their own"};
  return {std::move(file)};
}

Result<std::unique_ptr<Spool>> Spool::open(std::unique_ptr<SpoolFile> file, size_t bytes_max) {
  auto octets = file->read();
  if (!octets) return octets.error();
  std::unique_ptr<Spool> out(new Spool(std::move(file), bytes_max));
  std::string_view rest = *octets;
  while (rest.size() >= kHeadOctets) {
    const uint64_t length = read_big_endian(rest.substr(0, 4));
    if (rest.size() - kHeadOctets < length) break;
    const auto payload = rest.substr(kHeadOctets, length);
    const Digest sum = sha256(payload);
    if (view(sum) != rest.substr(4, 32)) break;
    auto row = row_of(payload);
    if (!row) break;
    out->left_.push_back(std::move(*row));
    rest.remove_prefix(kHeadOctets + length);
  }
  out->torn_octets_ = rest.size();
  out->size_ = octets->size() - rest.size();
  out->waiting_ = static_cast<int64_t>(out->left_.size());
  if (!rest.empty())
    if (auto cut = out->file_->cut(out->size_); !cut) return cut.error();
  return out;
}

std::vector<SpoolRow> Spool::take_left() {
  if (!left_.empty()) SIGNET_CRASH_POINT(spool_read);
  return std::move(left_);
}

Result<void> Spool::append(const std::vector<SpoolRow>& rows) {
  std::string octets;
  for (const auto& row : rows) {
    const std::string payload = payload_of(row);
    append_u32(octets, static_cast<uint32_t>(payload.size()));
    octets += view(sha256(payload));
    octets += payload;
  }
  std::lock_guard guard(lock_);
  if (waiting_ == 0) is_full_ = false;
  if (is_full_ || size_ + octets.size() > bytes_max_) {
    is_full_ = true;
    return Error{ErrorCode::limit, "the spool of results is full: delivery.spool_mb_max bounds it"};
  }
  if (auto appended = file_->append(octets); !appended) {
    is_full_ = true;
    (void)file_->cut(size_).ok();  // else its end is torn, which the next run sees
    return appended;
  }
  size_ += octets.size();
  waiting_ += static_cast<int64_t>(rows.size());
  return {};
}

void Spool::recorded(int64_t rows) {
  std::lock_guard guard(lock_);
  waiting_ -= rows;
  if (waiting_ > 0 || size_ == 0) return;
  SIGNET_CRASH_POINT(spool_recorded);
  if (file_->cut(0).ok()) size_ = 0;  // else what stays is read again, and is in PostgreSQL already
}

bool Spool::is_full() const {
  std::lock_guard guard(lock_);
  return is_full_ && waiting_ > 0;
}

int64_t Spool::waiting() const {
  std::lock_guard guard(lock_);
  return waiting_;
}

}  // namespace signet
