#include "daemon/api/replay.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crypto.h"
#include "store/day_key.h"

namespace signet::api {
namespace {

constexpr size_t kKeyOctetsMax = 255;

std::string binding(const KeptReply& row) {
  return "{\"day\":\"" + row.sealed_by + "\",\"key\":\"" + row.key + "\",\"route\":\"" + row.route +
         "\",\"table\":\"idempotency\",\"user\":\"" + row.user_id.text() + "\"}";
}

void append_text(std::string& to, std::string_view text) {
  append_u32(to, static_cast<uint32_t>(text.size()));
  to += text;
}

std::string pack(const http::Response& reply) {
  std::string out;
  append_u16(out, static_cast<uint16_t>(reply.status));
  append_text(out, reply.content_type);
  append_text(out, reply.body);
  for (const auto& [name, value] : reply.headers) {
    append_text(out, name);
    append_text(out, value);
  }
  return out;
}

// What pack() wrote and unseal() vouches for.
http::Response unpack(std::string_view packed) {
  const auto text = [&packed] {
    const auto size = std::min<size_t>(read_big_endian(packed.substr(0, 4)), packed.size() - 4);
    std::string out(packed.substr(4, size));
    packed.remove_prefix(4 + size);
    return out;
  };
  http::Response reply;
  reply.status = static_cast<int>(read_big_endian(packed.substr(0, 2)));
  packed.remove_prefix(2);
  reply.content_type = text();
  reply.body = text();
  while (packed.size() >= 4) {
    std::string name = text();
    reply.headers.emplace_back(std::move(name), text());
  }
  return reply;
}

// The key as the client means it: a structured-field string, in quotes, or the same without.
std::string_view key_of(const Context& context, std::string_view header) {
  if (header.size() >= 2 && header.front() == '"' && header.back() == '"') header = header.substr(1, header.size() - 2);
  const bool is_printable = std::all_of(header.begin(), header.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (header.empty() || header.size() > kKeyOctetsMax || !is_printable)
    context.refuse({.code = Code::validation_error,
                    .errors = {"Idempotency-Key is not a key: write 1 to 255 printable ASCII characters without "
                               "spaces, as in a UUID"}});
  return header;
}

}  // namespace

std::optional<http::Response> first_reply(Context& context, std::string_view route) {
  const auto header = context.request.header("idempotency-key");
  if (!header) return std::nullopt;
  const auto& services = context.services;
  const WallTime now = services.clock.wall();
  const std::string_view key = key_of(context, *header);
  KeptReply row;
  row.user_id = context.user_id();
  row.route = route;
  row.key = to_hex(
      view(hmac_sha256(services.keyring.index_key(), "signet idempotency key\n" + std::string(key))).substr(0, 16));
  row.body_sha256 = view(sha256(context.request.raw_target + '\n' + context.request.body));
  row.created_at = now;
  auto first = context.must(
      claim_idempotency_key(context.tx(), row.user_id, row.route, row.key, WallTime{now.us - kRepliesKeptUs}));
  if (!first) {
    context.keep_reply_as(std::move(row));
    return std::nullopt;
  }
  if (first->body_sha256 != row.body_sha256) context.refuse({.code = Code::key_reused});
  const DayKey day = context.must(day_key(context.tx(), services.keyring, first->sealed_by));
  const auto packed = unseal(day.key.octets(), binding(*first), first->reply);
  if (!packed) {
    services.log.error("a kept reply does not open", {{"alarm", "key"}, {"reason", packed.error().text}});
    context.refuse({.code = Code::internal});
  }
  http::Response reply = unpack(*packed);
  reply.headers.emplace_back("Idempotent-Replayed", "true");
  context.commit();
  return reply;
}

void seal_reply(Context& context, KeptReply row, const http::Response& reply) {
  const Keyring& keyring = context.services.keyring;
  const DayKey day = context.must(day_key(context.tx(), keyring, row.created_at));
  row.sealed_by = day.day;
  row.reply = keyring.seal_with(day.key, binding(row), pack(reply));
  context.must(keep_reply(context.tx(), row));
}

}  // namespace signet::api
