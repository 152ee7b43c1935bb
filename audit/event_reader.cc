// Reads events back. Verification does it for each entry of the log, millions of them: it goes once over the bytes.
#include <algorithm>
#include <charconv>

#include "audit/event.h"
#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

constexpr int kDepthMax = 8;  // of members that are not known

// The RFC 8785 form, and nothing else: no blanks, members ascending, integers only. After the first fault everything
// fails.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool is_good() const { return is_good_; }
  bool is_at_end() const { return is_good_ && at_ == text_.size(); }
  void fail() { is_good_ = false; }

  // `member(name)` reads the value.
  template <class Member>
  void object(Member member) {
    if (!take('{') || take_if('}')) return;
    std::string_view before;
    for (bool is_first = true; is_good_; is_first = false) {
      const std::string_view name = plain();
      // Ascending as UTF-16 units; ours are ASCII, and others of that kind sort alike.
      if (!is_good_ || (!is_first && name <= before) || !take(':')) return fail();
      member(name);
      before = name;
      if (take_if('}')) return;
      take(',');
    }
  }
  // Of names, hashes, ids and times: a text that needs no escapes.
  std::string_view plain() {
    if (!take('"')) return {};
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' || static_cast<unsigned char>(text_[at_]) < 0x20) fail();
      at_++;
    }
    take('"');
    return is_good_ ? text_.substr(begin, at_ - 1 - begin) : std::string_view();
  }
  std::string string() {
    std::string out;
    if (!take('"')) return out;
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') at_++;
    out = text_.substr(begin, at_ - begin);
    bool is_escaped = false;
    while (at_ < text_.size() && text_[at_] != '"') {
      is_escaped = true;
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      unescape(out);
      if (!is_good_) return out;
    }
    take('"');
    if (is_good_ && (is_escaped || has_control(out))) check_form(out, begin - 1);
    return out;
  }
  std::optional<Digest> digest() {
    const auto octets = from_hex(plain());
    if (!octets || octets->size() != 32) {
      fail();
      return std::nullopt;
    }
    return digest_from(*octets);
  }
  int64_t integer() {
    int64_t value = 0;
    const auto* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    const auto length = static_cast<size_t>(end - begin);
    if (!is_good_ || error != std::errc() || (*begin == '0' && length > 1) || *begin == '-') fail();
    at_ += length;
    if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E')) fail();
    return value;
  }
  WallTime time() {
    const auto read = parse_rfc3339(plain());
    if (!read) fail();
    return read ? *read : WallTime{};
  }
  bool is_null() {  // and takes it
    if (text_.substr(at_, 4) != "null") return false;
    at_ += 4;
    return true;
  }
  DetailValue value() {
    if (peek() == '"') return string();
    if (text_.substr(at_, 4) == "true") {
      at_ += 4;
      return true;
    }
    if (text_.substr(at_, 5) == "false") {
      at_ += 5;
      return false;
    }
    return integer();
  }
  void skip(int depth = 0) {
    if (depth > kDepthMax) return fail();
    if (is_null()) return;
    if (peek() == '{') return object([&](std::string_view) { skip(depth + 1); });
    if (peek() != '[') return void(value());
    take('[');
    if (take_if(']')) return;
    while (is_good_) {
      skip(depth + 1);
      if (take_if(']')) return;
      take(',');
    }
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

 private:
  bool take(char c) {
    if (!is_good_ || peek() != c) {
      fail();
      return false;
    }
    at_++;
    return true;
  }
  bool take_if(char c) {
    if (!is_good_ || peek() != c) return false;
    at_++;
    return true;
  }
  static bool has_control(const std::string& text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  }
  // What was read, written again, must be these very bytes.
  void check_form(const std::string& read, size_t begin) {
    std::string again;
    append_json_string(again, read);
    if (again != text_.substr(begin, at_ - begin)) fail();
  }
  void unescape(std::string& out) {
    static constexpr std::string_view kShort = "\"\\bfnrt", kMeant = "\"\\\b\f\n\r\t";
    at_++;
    const char c = peek();
    if (const size_t i = kShort.find(c); i != std::string_view::npos && c != '\0') {
      out += kMeant[i];
      at_++;
      return;
    }
    const auto octets = c == 'u' ? from_hex(text_.substr(at_ + 1, std::min<size_t>(4, text_.size() - at_ - 1)))
                                 : Result<std::string>(Error{ErrorCode::invalid, ""});
    // Only control characters are written so.
    if (!octets || octets->size() != 2 || (*octets)[0] != 0) return fail();
    out += (*octets)[1];
    at_ += 5;
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool is_good_ = true;
};

void read_actor(Reader& in, EventProjection& out) {
  in.object([&](std::string_view name) {
    if (name == "id")
      out.actor_id = in.string();
    else if (name == "role")
      out.actor_role = in.string();
    else
      in.skip();
  });
}

void read_object(Reader& in, EventProjection& out) {
  bool has_n = false, has_prev = false;
  in.object([&](std::string_view name) {
    if (name == "id") {
      out.object_id = in.string();
    } else if (name == "type") {
      out.object_type = in.string();
    } else if (name == "n") {
      has_n = true;
      if (!in.is_null()) out.n = in.integer();
    } else if (name == "prev") {
      has_prev = true;
      if (!in.is_null()) out.prev = in.digest();
    } else {
      in.skip();
    }
  });
  if (!has_n || !has_prev) in.fail();
}

void read_attempt(Reader& in, EventProjection& out) {
  in.object([&](std::string_view name) {
    if (name == "no")
      out.attempt_no = static_cast<int>(in.integer());
    else if (name == "permitAt")
      out.permit_at = in.time();
    else if (name == "provider")
      out.provider = in.string();
    else
      in.skip();
  });
  if (out.attempt_no == 0) in.fail();
}

void read_member(Reader& in, std::string_view name, EventProjection& out, bool& has_id, bool& has_at, bool& has_actor,
                 bool& has_object, bool& has_version) {
  const std::pair<std::string_view, std::optional<Digest>*> digests[] = {{"attemptSha256", &out.attempt_sha256},
                                                                         {"callbackSha256", &out.callback_sha256},
                                                                         {"envelopeCommit", &out.envelope_commit},
                                                                         {"provenanceSha256", &out.provenance_sha256}};
  const std::pair<std::string_view, std::string*> words[] = {{"action", &out.action},
                                                             {"reasonCode", &out.reason_code},
                                                             {"requestId", &out.request_id},
                                                             {"status", &out.status}};
  for (const auto& [known, to] : digests)
    if (name == known) {
      *to = in.digest();
      return;
    }
  for (const auto& [known, to] : words)
    if (name == known) {
      *to = in.string();
      return;
    }
  if (name == "id") {
    const auto id = parse_uuid(in.plain());
    if (id) out.id = *id;
    has_id = id.ok();
  } else if (name == "at") {
    out.at = in.time();
    has_at = true;
  } else if (name == "actor") {
    read_actor(in, out);
    has_actor = true;
  } else if (name == "object") {
    read_object(in, out);
    has_object = true;
  } else if (name == "attempt") {
    read_attempt(in, out);
  } else if (name == "detail") {
    in.object([&](std::string_view member) { out.detail.emplace_back(std::string(member), in.value()); });
  } else if (name == "v") {
    has_version = in.integer() == 1;
  } else {
    in.skip();
  }
}

template <class T>
const T* member(const EventProjection& event, std::string_view name) {
  for (const auto& [key, value] : event.detail)
    if (key == name) return std::get_if<T>(&value);
  return nullptr;
}

}  // namespace

Result<EventProjection> parse_event(std::string_view canon) {
  Reader in(canon);
  EventProjection out;
  bool has_id = false, has_at = false, has_actor = false, has_object = false, has_version = false;
  in.object(
      [&](std::string_view name) { read_member(in, name, out, has_id, has_at, has_actor, has_object, has_version); });
  if (!in.is_at_end() || !has_id || !has_at || !has_actor || !has_object || !has_version)
    return Error{ErrorCode::corrupt, "an entry of the log is no event"};
  if (out.attempt_no == 0) out.provider = out.word("provider");
  return out;
}

const std::string& EventProjection::word(std::string_view name) const {
  static const std::string kNone;
  const auto* found = member<std::string>(*this, name);
  return found ? *found : kNone;
}

std::optional<int64_t> EventProjection::number(std::string_view name) const {
  const auto* found = member<int64_t>(*this, name);
  return found ? std::optional(*found) : std::nullopt;
}

bool EventProjection::is_set(std::string_view name) const {
  const auto* found = member<bool>(*this, name);
  return found && *found;
}

}  // namespace signet
