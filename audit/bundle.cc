#include "audit/bundle.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>

#include "audit/dsse.h"
#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/check.h"
#include "base/sha256.h"

namespace signet {
namespace {

constexpr std::string_view kProves[] = {
    "Every event in events.jsonl stands in the log whose checkpoint this is, unchanged since that checkpoint was "
    "signed.",
    "Each approval was signed with the key that keys.json names, over the commitment that its event holds.",
    "No file of this bundle was changed since the log's key signed its manifest."};
constexpr std::string_view kProvesWholeLog =
    "No entry of the log up to the checkpoint is left out, and the history of every message in it is without gaps.";
constexpr std::string_view kProvesMessage =
    "The history of the message is without gaps from its first event to the one that `message` names.";
constexpr std::string_view kDoesNotProve[] = {
    "That what happened was written down truly: it shows that what was written was not changed.",
    "Rows of the database that no leaf names; VERIFY.md lists them.",
    "Whose an approver's key is: keys.json is the operator's word, of which the enrolment stands in the log.",
    "Anything after the checkpoint.",
    "That the log was not rewritten as a whole by who holds its key: only a checkpoint that you kept, a witness's "
    "cosignature or a time stamp shows that."};
constexpr std::string_view kDoesNotProveFiltered =
    "That no other event or message was left out: a selection proves what is in it.";

constexpr std::string_view kGranted("\x30\x03\x02\x01\x00", 5);  // PKIStatusInfo: status 0

void append_texts(std::string& out, std::vector<std::string_view> texts) {
  out += '[';
  for (const auto text : texts) {
    if (out.back() != '[') out += ',';
    append_json_string(out, text);
  }
  out += ']';
}

void append_text(std::string& out, std::string_view member, std::string_view value) {
  out += "\"" + std::string(member) + "\":";
  append_json_string(out, value);
}

const char* word(bool flag) { return flag ? "true" : "false"; }

struct File {
  std::string name;
  Digest sha256{};
  int64_t size = 0;
};

// RFC 8785: members in sorted order.
std::string manifest_json(const BundleFacts& facts, const std::vector<File>& files) {
  const bool is_whole = facts.is_whole_log, is_message = facts.message.has_value();
  std::string out;
  out.reserve(2048 + files.size() * 180);
  out += "{\"checkpoint\":{\"root\":\"" + to_hex(view(facts.checkpoint.root)) +
         "\",\"size\":" + std::to_string(facts.checkpoint.size) + "},\"claims\":{\"wholeLog\":" + word(is_whole) +
         ",\"wholeMessages\":" + word(is_whole || is_message) + "},\"doesNotProve\":";
  std::vector<std::string_view> texts(std::begin(kDoesNotProve), std::end(kDoesNotProve));
  if (!is_whole) texts.push_back(kDoesNotProveFiltered);
  append_texts(out, texts);
  out += ",\"exportedAt\":\"" + rfc3339(facts.exported_at) + "\",\"files\":[";
  for (const auto& file : files) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_text(out, "name", file.name);
    out += ",\"sha256\":\"" + to_hex(view(file.sha256)) + "\",\"size\":" + std::to_string(file.size) + '}';
  }
  out += "],\"filter\":{";
  auto filter = facts.filter;
  std::sort(filter.begin(), filter.end());
  for (const auto& [member, value] : filter) {
    if (out.back() != '{') out += ',';
    append_text(out, member, value);
  }
  out += "},";
  append_text(out, "log", facts.checkpoint.origin);
  out += ",\"message\":";
  out += is_message ? "{\"id\":\"" + facts.message->message_id + "\",\"leaf\":\"" + to_hex(view(facts.message->leaf)) +
                          "\",\"n\":" + std::to_string(facts.message->n) + '}'
                    : "null";
  out += ",\"proves\":";
  texts.assign(std::begin(kProves), std::end(kProves));
  if (is_whole) texts.push_back(kProvesWholeLog);
  if (is_message) texts.push_back(kProvesMessage);
  append_texts(out, texts);
  out += ",\"range\":{\"events\":" + std::to_string(facts.events) +
         ",\"from\":0,\"to\":" + std::to_string(facts.checkpoint.size) + "},\"v\":1,\"withheld\":[";
  for (const auto& row : facts.withheld) {
    if (out.back() != '[') out += ',';
    out += "{\"eventId\":\"" + row.event_id + "\",\"reason\":\"" + row.reason + "\"}";
  }
  return out + "]}";
}

}  // namespace

std::string print(const std::vector<BundleConsistency>& blocks) {
  std::string out;
  for (const auto& block : blocks) {
    if (!out.empty()) out += '\n';
    out += "old " + std::to_string(block.old_size) + ' ' + hash_text(block.old_root) + '\n';
    for (const auto& hash : block.hashes) out += hash_text(hash) + '\n';
  }
  return out;
}

Result<std::vector<BundleConsistency>> parse_consistency(std::string_view octets) {
  const Error bad{ErrorCode::invalid, "is not made of blocks that begin with `old SIZE ROOT`, each line with its end"};
  std::vector<BundleConsistency> blocks;
  bool is_head = true;
  while (!octets.empty()) {
    const size_t end = octets.find('\n');
    if (end == std::string_view::npos) return bad;
    const std::string line(octets.substr(0, end));
    octets.remove_prefix(end + 1);
    if (line.empty()) {
      if (is_head || octets.empty()) return bad;
      is_head = true;
    } else if (is_head) {
      const size_t space = line.rfind(' ');
      if (!line.starts_with("old ") || space < 5 || space > 23) return bad;
      const std::string digits = line.substr(4, space - 4);
      if (digits.find_first_not_of("0123456789") != std::string::npos || digits[0] == '0') return bad;
      auto root = parse_hash(line.substr(space + 1));
      if (!root) return bad;
      blocks.push_back({std::stoull(digits), *root, {}});
      is_head = false;
    } else {
      auto hash = parse_hash(line);
      if (!hash) return bad;
      blocks.back().hashes.push_back(*hash);
    }
  }
  if (blocks.empty()) return bad;
  return blocks;
}

std::string time_stamp_reply(std::string_view token) {
  const std::string body = std::string(kGranted) + std::string(token);
  std::string length;
  if (body.size() < 128) {
    length += static_cast<char>(body.size());
  } else {
    std::string octets;
    append_u32(octets, static_cast<uint32_t>(body.size()));
    octets.erase(0, octets.find_first_not_of('\0'));
    length += static_cast<char>(0x80 | octets.size());
    length += octets;
  }
  return '\x30' + length + body;
}

Result<std::string> token_of_reply(std::string_view reply) {
  const size_t head = reply.find(kGranted);
  if (head != std::string_view::npos)
    if (std::string token(reply.substr(head + kGranted.size())); time_stamp_reply(token) == reply) return token;
  return Error{ErrorCode::corrupt, "is no granted time stamp (RFC 3161)"};
}

struct BundleWriter::Impl {
  explicit Impl(Sink& sink) : to(sink) {}
  ~Impl() {
    archive_entry_free(entry);
    archive_write_free(zip);
  }
  static la_ssize_t pass_on(struct archive*, void* self, const void* octets, size_t count) {
    auto& impl = *static_cast<Impl*>(self);
    if (impl.failed.ok())
      if (auto done = impl.to.write({static_cast<const char*>(octets), count}); !done) impl.failed = done;
    if (impl.failed.ok()) return static_cast<la_ssize_t>(count);
    return -1;
  }
  Result<void> done(bool is_good) {
    if (is_good) return {};
    if (!failed.ok()) return failed;  // the sink's own word
    const char* why = archive_error_string(zip);
    return Error{ErrorCode::io, std::string("the bundle's zip is not written: ") + (why != nullptr ? why : "unknown")};
  }
  Result<void> open() {
    if (zip != nullptr) return {};
    zip = archive_write_new();
    return done(archive_write_set_format_zip(zip) == ARCHIVE_OK &&
                archive_write_set_options(zip, "zip:compression=store") == ARCHIVE_OK &&
                archive_write_set_bytes_per_block(zip, 0) == ARCHIVE_OK &&
                archive_write_open(zip, this, nullptr, pass_on, nullptr) == ARCHIVE_OK);
  }

  Sink& to;
  Result<void> failed;
  struct archive* zip = nullptr;
  struct archive_entry* entry = nullptr;
  std::unique_ptr<Sha256> digest;
  int64_t written = 0;
  std::vector<File> files;  // in the order of the zip
};

BundleWriter::BundleWriter(Sink& to) : impl_(std::make_unique<Impl>(to)) {}
BundleWriter::~BundleWriter() = default;

Result<void> BundleWriter::begin(const std::string& name, int64_t size) {
  SIGNET_CHECK(impl_->digest == nullptr);
  if (impl_->files.size() == kBundleFilesMax)
    return Error{ErrorCode::limit, "a bundle holds at most " + std::to_string(kBundleFilesMax) +
                                       " files: choose a shorter time, or fewer messages"};
  if (auto opened = impl_->open(); !opened) return opened;
  archive_entry_free(impl_->entry);
  impl_->entry = archive_entry_new();
  // Without a time: the zip would hold it in the time zone of who wrote it.
  archive_entry_set_pathname(impl_->entry, name.c_str());
  archive_entry_set_filetype(impl_->entry, AE_IFREG);
  archive_entry_set_perm(impl_->entry, 0644);
  archive_entry_set_size(impl_->entry, size);
  impl_->files.push_back({name, {}, size});
  impl_->digest = std::make_unique<Sha256>();
  impl_->written = 0;
  return impl_->done(archive_write_header(impl_->zip, impl_->entry) == ARCHIVE_OK);
}

Result<void> BundleWriter::write(std::string_view octets) {
  impl_->digest->add(octets);
  impl_->written += static_cast<int64_t>(octets.size());
  SIGNET_CHECK(impl_->written <= impl_->files.back().size);
  return impl_->done(octets.empty() || archive_write_data(impl_->zip, octets.data(), octets.size()) ==
                                           static_cast<la_ssize_t>(octets.size()));
}

Result<void> BundleWriter::end() {
  File& file = impl_->files.back();
  if (impl_->written != file.size)
    return Error{ErrorCode::corrupt, "the entries of the log changed while " + file.name + " was written: start again"};
  file.sha256 = impl_->digest->finish();
  impl_->digest.reset();
  return impl_->done(archive_write_finish_entry(impl_->zip) == ARCHIVE_OK);
}

Result<void> BundleWriter::add(const std::string& name, std::string_view octets) {
  if (auto begun = begin(name, static_cast<int64_t>(octets.size())); !begun) return begun;
  if (auto written = write(octets); !written) return written;
  return end();
}

Result<void> BundleWriter::finish(const BundleFacts& facts, const SigningKey& log) {
  if (auto done = add("VERIFY.md", verify_md()); !done) return done;
  if (auto done = add("signet_verify.py", signet_verify_py()); !done) return done;
  std::string manifest = manifest_json(facts, impl_->files);
  if (auto done = add("manifest.json", manifest); !done) return done;
  DsseEnvelope envelope{std::string(kManifestType), std::move(manifest)};
  if (auto done = envelope.sign(log); !done) return done;
  if (auto done = add("manifest.dsse.json", envelope.json()); !done) return done;
  return close();
}

Result<void> BundleWriter::close() { return impl_->done(archive_write_close(impl_->zip) == ARCHIVE_OK); }

}  // namespace signet
