// A certificate for "localhost" and its key, in files that last as long as this object. For tests, which do not verify
// it: it was signed by itself and protects nothing.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <string>

namespace signet::test {

class TestCertificate {
 public:
  TestCertificate() {
    std::string folder = "/tmp/signet-test-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
    folder_ = folder;
    std::ofstream(certificate_file()) << kCertificate;
    std::ofstream(key_file()) << kKey;
    chmod(key_file().c_str(), 0600);
  }
  ~TestCertificate() {
    unlink(certificate_file().c_str());
    unlink(key_file().c_str());
    rmdir(folder_.c_str());
  }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;
  std::string certificate_file() const { return folder_ + "/certificate.pem"; }
  std::string key_file() const { return folder_ + "/key.pem"; }

 private:
  static constexpr const char* kKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVah+delfqSwyLoXe
WN3+kEzUMQJZxsSaGIvigNUM7/KhRANCAASuhhIBsJsKl0BCBbv3SYmLVmD3wbXv
OF7SjVgl4ZmkwBPDFMF94O+eLyE72PxXQ54/NknRrj8RxNEtg4GiWum1
-----END PRIVATE KEY-----
)";
  static constexpr const char* kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUK+h35m1rfp06HvPOJe9uFeDR81wwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjAxMDkxMFoYDzIxMjYxMDI5
MDEwOTEwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASuhhIBsJsKl0BCBbv3SYmLVmD3wbXvOF7SjVgl4ZmkwBPDFMF94O+e
LyE72PxXQ54/NknRrj8RxNEtg4GiWum1o28wbTAdBgNVHQ4EFgQU5Nix15SWNrQl
I7gbiviby0he7M0wHwYDVR0jBBgwFoAU5Nix15SWNrQlI7gbiviby0he7M0wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAPGbNEmJLQ0aJ9vpxdl8+x2CWgN/Wyqb54Y2KSnsXrUsAiAX
vezl5n1qdWwKUY/njOcfFgcuui53V/AcCLF1nrtFgA==
-----END CERTIFICATE-----
)";
  std::string folder_;
};

}  // namespace signet::test
