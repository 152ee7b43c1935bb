// `signetd witness`: a witness (c2sp.org/tlog-witness) of the logs that it was told of, for a host and hands other than
// the database's. It keeps one small file a log: what it signed last, on the disk before an answer leaves.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "audit/witness.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"

namespace signet {

struct WitnessKey {  // the name and type under which it cosigns, and the key
  NoteKey name;
  SigningKey key;
};

class Witness {  // one thread
 public:
  // The folder is its own: conflict while another witness has it. Corrupt if what is kept there cannot be read; it then
  // must not sign, since it may have signed more than it knows.
  static Result<std::unique_ptr<Witness>> open(const std::string& state_folder, std::vector<NoteKey> logs,
                                               WitnessKey key, const Clock& clock, Log& log);
  ~Witness();
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  http::Response handle(const http::Request& request);  // POST /add-checkpoint

 private:
  Witness(std::string state_folder, int lock, std::vector<NoteKey> logs, WitnessKey key, const Clock& clock, Log& log);
  std::string file(const std::string& origin) const;
  Result<void> load();
  Result<void> keep(const Checkpoint& checkpoint);

  const std::string folder_;
  const int lock_;
  const std::vector<NoteKey> logs_;
  const WitnessKey key_;
  const Clock& clock_;
  Log& log_;
  std::map<std::string, Witnessed> last_;  // by origin
};

// The key in `file`, PEM. One that is not there is made at the first start: while `state_folder` holds nothing that the
// lost key may have signed.
Result<WitnessKey> load_or_make_witness_key(const std::string& file, const std::string& name,
                                            const std::string& state_folder);

}  // namespace signet
