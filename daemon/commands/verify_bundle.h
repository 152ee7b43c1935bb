// `signetd verify BUNDLE.zip`: an evidence bundle, offline, without configuration or database.
#pragma once

#include <string>
#include <vector>

namespace signet {

struct VerifyBundleOptions {
  std::string bundle;                     // the zip
  std::string older;                      // another bundle, or a checkpoint's note; empty: none
  std::string log_key;                    // as the auditor knows it; empty: the bundle's own word is taken
  std::vector<std::string> witness_keys;  // who must have cosigned
  std::string tsa_ca;                     // PEM; empty: time stamps are not looked into
  bool is_json = false;
};
// 0: everything verifies. 1: not, each line names the file. 2: it could not be checked.
int verify_bundle(const VerifyBundleOptions& options);

}  // namespace signet
