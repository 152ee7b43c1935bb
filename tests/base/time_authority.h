// A time-stamping authority of the test's own, by the openssl command: a CA, the authority's certificate, its replies.
#pragma once

#include <cstdlib>
#include <mutex>
#include <string>

#include "base/check.h"
#include "tests/base/files.h"

namespace signet {

class TimeAuthority {
 public:
  // `usage`: of its certificate; right is "critical,timeStamping". `validity`: of that certificate, as arguments of
  // `openssl ca`.
  explicit TimeAuthority(const std::string& usage = "critical,timeStamping", const std::string& validity = "-days 2") {
    dir_.put("index", "");
    dir_.put("serial", "01\n");
    dir_.put("tsa_serial", "01\n");
    dir_.put(
        "openssl.cnf",
        "[ca]\ndefault_ca=here\n[here]\ndatabase=" + dir_ / "index" + "\nserial=" + dir_ / "serial" +
            "\nnew_certs_dir=" + dir_ / "." + "\ncertificate=" + dir_ / "ca.pem" + "\nprivate_key=" + dir_ / "ca.key" +
            "\ndefault_md=sha256\npolicy=any\nx509_extensions=tsa_cert\nunique_subject=no\n[any]\ncommonName="
            "supplied\n[tsa_cert]\nbasicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=" +
            usage + "\n[req]\ndistinguished_name=name\n[name]\n[tsa]\ndefault_tsa=authority\n[authority]\nserial=" +
            dir_ / "tsa_serial" + "\nsigner_cert=" + dir_ / "tsa.pem" + "\ncerts=" + dir_ / "ca.pem" +
            "\nsigner_key=" + dir_ / "tsa.key" +
            "\nsigner_digest=sha256\ndefault_policy=1.3.6.1.4.1.13762.3\ndigests=sha256\nordering=no\n"
            "tsa_name=no\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n");
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=test-ca -keyout " +
        dir_ / "ca.key" + " -out " + ca_file());
    run("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test-tsa -keyout " + dir_ / "tsa.key" +
        " -out " + dir_ / "tsa.csr");
    run("ca -batch -notext " + validity + " -in " + dir_ / "tsa.csr" + " -out " + dir_ / "tsa.pem" + " -config " +
        dir_ / "openssl.cnf");
  }

  std::string ca_file() const { return dir_ / "ca.pem"; }
  std::string reply(std::string_view request) {  // any thread
    std::lock_guard guard(lock_);
    dir_.put("query", request);
    run("ts -reply -queryfile " + dir_ / "query" + " -out " + dir_ / "reply" + " -config " + dir_ / "openssl.cnf");
    return read_file(dir_ / "reply");
  }

 private:
  void run(const std::string& command) const {
    const std::string file = dir_ / "said";
    if (std::system(("openssl " + command + " >" + file + " 2>&1").c_str()) == 0) return;
    std::fputs(read_file(file).c_str(), stderr);
    SIGNET_CHECK(!"openssl failed");
  }

  TestDir dir_;
  std::mutex lock_;
};

}  // namespace signet
