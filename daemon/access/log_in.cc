#include "daemon/access/log_in.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"

namespace signet {
namespace {

constexpr int64_t kForgetUs = 24 * 3600 * 1'000'000LL;  // a miss of yesterday is no row of misses
constexpr size_t kCharactersMin = 12;
constexpr size_t kOctetsMax = 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

// Everybody takes the same way: one hash, one update, whether or not there is such a user.
Result<LogInResult> attempt(PgTransaction& tx, PasswordHasher& hasher, std::optional<PasswordRow> row,
                            const Secret& password, WallTime now) {
  LogInResult out;
  PasswordRow noted = row.value_or(PasswordRow{});
  out.user_id = noted.user_id;
  const bool is_locked = noted.locked_until && now < *noted.locked_until;
  if (!row || noted.hash.empty() || is_locked) {
    out.reason = !row ? "UNKNOWN_USER" : is_locked ? "LOCKED" : "NO_PASSWORD";
    if (auto spent = hasher.verify_nobody(password); !spent) return spent.error();
  } else {
    auto verified = hasher.verify(noted.hash, password);
    if (!verified) return verified.error();
    out.is_right = *verified;
    if (!out.is_right) out.reason = "WRONG_PASSWORD";
  }
  if (out.is_right) {
    if (PasswordHasher::needs_rehash(noted.hash)) {
      auto hash = hasher.hash(password);
      if (!hash) return hash.error();
      if (auto set = set_password(tx, noted.user_id, *hash); !set) return set.error();
    }
    noted.failed_logins = 0;
    noted.last_failed_at = noted.locked_until = std::nullopt;
  } else if (out.reason == "WRONG_PASSWORD") {
    const bool is_old = noted.last_failed_at && now.us - noted.last_failed_at->us > kForgetUs;
    noted.failed_logins = (is_old ? 0 : noted.failed_logins) + 1;
    noted.last_failed_at = now;
    const int64_t delay_us = log_in_delay_us(noted.failed_logins);
    noted.locked_until = delay_us > 0 ? std::optional(WallTime{now.us + delay_us}) : std::nullopt;
    out.has_locked = noted.failed_logins >= kLockAfter;
  }
  out.failures = noted.failed_logins;
  if (auto done = note_attempts(tx, noted); !done) return done.error();
  return out;
}

}  // namespace

int64_t log_in_delay_us(int failures) {
  if (failures >= kLockAfter) return kLockUs;
  return failures < 2 ? 0 : 1'000'000LL << (failures - 2);
}

std::string account_key(std::string_view index_key, std::string_view email) {
  return to_hex(view(hmac_sha256(index_key, "signet account\n" + lower(email))).substr(0, 16));
}

Result<LogInResult> check_log_in(PgTransaction& tx, PasswordHasher& hasher, std::string_view index_key,
                                 const std::string& email, const Secret& password, WallTime now) {
  if (auto locked = lock_account(tx, account_key(index_key, email)); !locked) return locked.error();
  auto row = find_password(tx, email);
  if (!row) return row.error();
  return attempt(tx, hasher, std::move(*row), password, now);
}

Result<LogInResult> check_again(PgTransaction& tx, PasswordHasher& hasher, std::string_view index_key,
                                const std::string& email, const Uuid& user_id, const Secret& password, WallTime now) {
  if (auto locked = lock_account(tx, account_key(index_key, email)); !locked) return locked.error();
  auto row = read_password(tx, user_id);
  if (!row) return row.error();
  return attempt(tx, hasher, std::move(*row), password, now);
}

std::string_view fault_of_password(std::string_view password, std::string_view email) {
  const auto characters = static_cast<size_t>(std::count_if(
      password.begin(), password.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  if (characters < kCharactersMin) return "is too short";
  if (password.size() > kOctetsMax) return "is too long";
  if (lower(password) == lower(email)) return "is the e-mail address";
  return {};
}

}  // namespace signet
