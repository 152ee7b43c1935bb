#include "tests/providers/postfix_server.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <vector>

namespace signet::testing {

PostfixServer::PostfixServer(const std::string& transports, const std::string& pipe) {
  char name[] = "/tmp/signet_postfix_XXXXXX";
  folder_ = ::mkdtemp(name);
  port_ = free_tcp_port();
  for (const char* part : {"", "/etc", "/queue", "/data", "/log"}) {
    std::filesystem::create_directories(folder_ + part);
    std::filesystem::permissions(folder_ + part, std::filesystem::perms(0755));
  }
  if (std::system(("chown postfix " + folder_ + "/data").c_str()) != 0) throw std::runtime_error("no user postfix");
  write_file(folder_ + "/etc/transports", transports, 0644);
  // It writes itself what a distribution's would take from the network or from /etc.
  write_file(
      folder_ + "/etc/main.cf",
      "compatibility_level = 3.6\nqueue_directory = " + folder_ + "/queue\ndata_directory = " + folder_ +
          "/data\nmaillog_file_prefixes = " + folder_ + "\nmaillog_file = " + folder_ +
          "/log/mail\nmyhostname = relay.example\nmydestination =\nalias_maps =\nalias_database =\n"
          "local_recipient_maps =\nlocal_transport = error:5.1.1 nobody here\ninet_interfaces = 127.0.0.1\n"
          "inet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n"
          "smtpd_peername_lookup = no\nsmtp_dns_support_level = disabled\nsmtp_tls_security_level = none\n"
          "default_transport = error:5.4.4 nowhere\ntransport_maps = texthash:" +
          folder_ + "/etc/transports\nrecipient_delimiter = +\nnotify_classes =\n",
      0644);
  std::string master = "127.0.0.1:" + std::to_string(port_) + " inet n - n - - smtpd\n";
  master +=
      "cleanup unix n - n - 0 cleanup\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n"
      "trace unix - - n - 0 bounce\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n"
      "proxymap unix - - n - - proxymap\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n"
      "flush unix n - n 1000? 0 flush\npickup unix n - n 60 1 pickup\npostlog unix-dgram n - n - 1 postlogd\n"
      "smtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n"
      "discard unix - - n - - discard\n";
  if (!pipe.empty()) master += "report unix - n n - 1 pipe flags=DORhu null_sender= user=nobody argv=" + pipe + "\n";
  write_file(folder_ + "/etc/master.cf", master, 0644);
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"/usr/sbin/postfix", "-c", folder_ + "/etc", "start-fg"}, folder_ + "/log/start");
  wait_until("Postfix starts: " + folder_ + "/log/start",
             [&] { return !process_->is_running() || log().find("daemon started") != std::string::npos; });
  if (!process_->is_running()) throw std::runtime_error("Postfix does not start: " + read_file(folder_ + "/log/start"));
}

PostfixServer::~PostfixServer() {
  // Its master is a grandchild, and takes its own down with it.
  if (std::system(("/usr/sbin/postfix -c " + folder_ + "/etc stop >/dev/null 2>&1").c_str()) == 0) process_->wait();
  std::filesystem::remove_all(folder_);
}

std::string PostfixServer::log() const { return read_file(folder_ + "/log/mail"); }

}  // namespace signet::testing
