// Bundles of everything that there may be in one, made by the real writer over a real PostgreSQL: approvals by keys of
// both kinds and custodies, two signatures on one message, a rejection, a witness, a time stamp, an older checkpoint.
// Json is nlohmann::json, which stays out of headers: bundle_world.cc has the one instance.
#pragma once

#include <string>

#include "audit/bundle_check.h"
#include "daemon/evidence/bundle_writer.h"
#include "tests/base/time_authority.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {

template <class Json>
struct BasicBundleWorld {
  using World = BasicApiWorld<Json>;

  BasicBundleWorld();  // some messages; a checkpoint, stamped: `older`; more messages; a checkpoint, cosigned
  std::string make(const BundleRequest& request);  // the zip
  std::string whole(const std::string& previous = "");
  std::string selection();  // reviews, with consistency from `older`
  std::string of_message(const std::string& id);
  std::string newest_note();
  void stamp(int64_t size);   // by the authority
  void cosign(int64_t size);  // by the witness
  void approve_some();

  World world;
  SigningKey witness_signer;
  NoteKey witness;
  TimeAuthority authority;
  Caller staff, reviewer, doctor, auditor;
  SigningKey p256, ed25519;  // of the doctor
  std::string older, older_bundle, two_signed;
};

// As the auditor has it in memory.
BundleOctets octets_of(const std::string& zip);
BundleVerdict verdict_of(const std::string& zip, const BundleCheck& check = {});
std::string texts(const BundleVerdict& verdict);

struct RunScript {
  int status = 0;
  std::string output;
};
// `python3 -I -S signet_verify.py ARGUMENTS` with nothing on PATH but python3 and openssl; the zip is written to a file
// first, whose name replaces "ZIP".
RunScript run_script(const std::string& zip, const std::string& arguments = "ZIP");

}  // namespace signet::api
