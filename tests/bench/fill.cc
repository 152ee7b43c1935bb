// Fills the benchmark's database with approved SMS: message, content sealed under its own data key, approval with its
// MAC, two audit entries, due row.
//   fill DATABASE_URL KEK_FILE MAC_FILE INDEX_FILE N
#include <cstdio>
#include <cstdlib>

#include "tests/fakes/approved_messages.h"

using namespace signet;

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: fill DATABASE_URL KEK_FILE MAC_FILE INDEX_FILE N\n");
    return 2;
  }
  SystemClock clock;
  SystemRandom random;
  auto kek = read_key_file(argv[2]), mac = read_key_file(argv[3]), index = read_key_file(argv[4]);
  if (!kek || !mac || !index) {
    std::fprintf(stderr, "fill: a key file cannot be read\n");
    return 1;
  }
  const Keyring keys(*kek, *mac, *index, random);
  PgOptions options;
  options.url = argv[1];
  auto session = PgSession::open(options);
  if (!session) {
    std::fprintf(stderr, "fill: %s\n", session.error().text.c_str());
    return 1;
  }
  // Filling is not what is measured.
  (void)(*session)->script("set synchronous_commit = off");
  ApprovedMessages messages(**session, keys, clock, random);
  std::string body;
  for (int i = 0; i < 10; i++) body += "Your appointment letter is ready. ";
  const long n = std::atol(argv[5]);
  for (long i = 0; i < n;) {
    std::vector<ApprovedOptions> some;
    for (int k = 0; k < 1000 && i < n; k++, i++) {
      char number[20];
      std::snprintf(number, sizeof number, "+1415555%04ld", i % 10000);
      some.push_back({sms(number, body)});
    }
    messages.insert(some);
  }
}
