#include "daemon/evidence/witness.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/keys.h"
#include "base/secret.h"

namespace signet {
namespace {

constexpr char kEnding[] = ".checkpoint";
constexpr size_t kStateMax = 4096;

}  // namespace

Witness::Witness(std::string state_folder, int lock, std::vector<NoteKey> logs, WitnessKey key, const Clock& clock,
                 Log& log)
    : folder_(std::move(state_folder)),
      lock_(lock),
      logs_(std::move(logs)),
      key_(std::move(key)),
      clock_(clock),
      log_(log) {}

Witness::~Witness() { ::close(lock_); }

Result<std::unique_ptr<Witness>> Witness::open(const std::string& state_folder, std::vector<NoteKey> logs,
                                               WitnessKey key, const Clock& clock, Log& log) {
  if (auto done = make_folders(state_folder); !done) return done.error();
  const int lock = ::open((state_folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return Error{ErrorCode::io, state_folder + "/lock cannot be made: " + std::strerror(errno)};
  std::unique_ptr<Witness> witness(new Witness(state_folder, lock, std::move(logs), std::move(key), clock, log));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0)
    return Error{ErrorCode::conflict, state_folder + " belongs to a witness that runs: give this one another folder"};
  if (auto done = witness->load(); !done) return done.error();
  return witness;
}

std::string Witness::file(const std::string& origin) const { return folder_ + "/" + file_name_of(origin) + kEnding; }

Result<void> Witness::load() {
  for (const auto& log : logs_) {
    auto octets = read_octets(file(log.name()), kStateMax);
    if (!octets && octets.error().code == ErrorCode::not_found) continue;
    if (!octets) return octets.error();
    const auto checkpoint = parse_checkpoint(*octets);
    if (!checkpoint || checkpoint->origin != log.name())
      return Error{ErrorCode::corrupt, file(log.name()) + " is damaged: put it back from a copy that is not older"};
    last_[log.name()] = {checkpoint->size, checkpoint->root};
  }
  return {};
}

// On the disk first: a witness that forgot could sign two histories.
Result<void> Witness::keep(const Checkpoint& checkpoint) {
  if (auto done = replace_file(file(checkpoint.origin), text(checkpoint), 0600); !done) return done;
  last_[checkpoint.origin] = {checkpoint.size, checkpoint.root};
  return {};
}

http::Response Witness::handle(const http::Request& request) {
  if (request.path != "/add-checkpoint")
    return http::problem(404, "NOT_FOUND", "There is nothing here", "A witness answers POST /add-checkpoint.",
                         request.request_id);
  if (request.method != "POST")
    return http::problem(405, "METHOD_NOT_ALLOWED", "Only POST is answered here", "Use POST.", request.request_id);
  const auto last = [this](const std::string& origin) { return last_[origin]; };
  auto answer = answer_add_checkpoint(request.body, logs_, last, key_.name, key_.key,
                                      static_cast<uint64_t>(clock_.wall().us / 1'000'000));
  if (answer.cosigned) {
    if (auto kept = keep(*answer.cosigned); !kept) {
      log_.error("a checkpoint is not cosigned: it cannot be kept", {{"reason", kept.error().text}});
      return http::problem(503, "STORAGE_UNAVAILABLE", "The witness cannot keep what it signs",
                           "Look at its state folder, then ask again.", request.request_id);
    }
  } else if (answer.status != 404) {
    log_.warn("a checkpoint is not cosigned",
              {{"status", std::to_string(answer.status)}, {"answer", answer.body.substr(0, answer.body.find('\n'))}});
  }
  http::Response response;
  response.status = answer.status;
  response.body = std::move(answer.body);
  response.content_type = std::move(answer.content_type);
  return response;
}

Result<WitnessKey> load_or_make_witness_key(const std::string& file, const std::string& name,
                                            const std::string& state_folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    for (const auto& entry : std::filesystem::directory_iterator(state_folder, ignored))
      if (entry.path().extension() == kEnding)
        return Error{ErrorCode::not_found, file + " is gone, and " + state_folder +
                                               " holds what it signed: put the key back, or begin as another witness "
                                               "with another name and folder"};
    auto made = make_ed25519_pem();
    if (!made) return made.error();
    if (auto done = make_folders(std::filesystem::path(file).parent_path().string()); !done) return done.error();
    if (auto done = write_new_file(file, made->octets(), 0600); !done) return done.error();
  }
  auto pem = read_secret_file(file);
  if (!pem) return pem.error();
  auto key = SigningKey::from_pem(*pem);
  if (!key) return Error{key.error().code, file + ": " + key.error().text};
  auto named = NoteKey::make(name, NoteKeyType::cosignature, key->public_key());
  if (!named) return named.error();
  return WitnessKey{std::move(*named), std::move(*key)};
}

}  // namespace signet
