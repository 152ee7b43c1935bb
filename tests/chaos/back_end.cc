#include "tests/chaos/back_end.h"

#include <stdexcept>

#include "tests/daemon/intake/sealed.h"

namespace signet {
namespace {

std::string after(const std::string& text, const std::string& begin) {  // to the line's end
  const size_t at = text.find(begin);
  if (at == std::string::npos) throw std::runtime_error("no " + begin + " in: " + text);
  return text.substr(at + begin.size(), text.find('\n', at) - at - begin.size());
}

}  // namespace

BackEnd::BackEnd(World& world)
    : world_(world),
      key_(SigningKey::generate(SignatureAlgorithm::ed25519).value()),
      seal_to_(after(world.run({"keygen"}), "What back ends seal to (signet:intake): ")) {
  world.run({"user", "add", "--name", "intake", "--email", "intake@clinic.example", "--role", "service"});
  world.run({"user", "add", "--name", "Signer", "--email", "signer@clinic.example", "--role", "reviewer"});
  reviewer_ = *parse_uuid(world.value("select id::text from users where email = 'signer@clinic.example'"));
  const std::string file = world.folder + "/signer.der";
  write_file(file, key_.public_key().spki());
  world.run({"key", "enrol", "--user", "signer@clinic.example", "--public-key", file});
}

std::string BackEnd::message() { return api::handed_over(ids_, clock_, {{reviewer_, Role::reviewer, key_}}); }

void BackEnd::hand_over() { world_.redis.command({"XADD", "signet:intake", "*", "jwe", sealed(seal_to_, message())}); }

}  // namespace signet
