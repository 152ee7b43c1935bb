#include "tests/fakes/postgres_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "store/migrate.h"

namespace signet {
namespace {

// LD_PRELOAD and sanitizer settings of the test are not the server's.
std::string as_server_user(const std::string& command) {
  if (::geteuid() != 0) return command;
  return "setpriv --reuid=postgres --regid=postgres --clear-groups " + command;
}

void must(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("this failed: " + command);
}

std::string bin() {
  FILE* pipe = ::popen("ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1", "r");
  char line[256] = {};
  const bool got = pipe && std::fgets(line, sizeof line, pipe);
  if (pipe) ::pclose(pipe);
  if (!got) throw std::runtime_error("no PostgreSQL server is installed: ./dev test installs it");
  std::string out = line;
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no free port");
  ::close(fd);
  return ntohs(address.sin_port);
}

}  // namespace

PostgresServer::PostgresServer() {
  char name[] = "/tmp/signet-pg.XXXXXX";
  if (!::mkdtemp(name)) throw std::runtime_error("no scratch folder");
  folder_ = name;
  port_ = free_port();
  if (::geteuid() == 0) must("chown postgres " + folder_);
  must("cd / && " + as_server_user(bin() + "/initdb -D " + folder_ + "/data -U postgres -A trust -E UTF8 --no-locale") +
       " > " + folder_ + ".log 2>&1");
  must("cat >> " + folder_ +
       "/data/postgresql.conf <<E\nlisten_addresses = '127.0.0.1'\nport = " + std::to_string(port_) +
       "\nunix_socket_directories = '" + folder_ + "'\nshared_buffers = 128MB\nmax_connections = 100\nE");
  start();
  session("postgres");  // proves that it answers
  {
    PgOptions maintenance;
    maintenance.url = url("postgres", "postgres");
    auto opened = PgSession::open(maintenance);
    if (!opened || !(*opened)->script("create database signet")) throw std::runtime_error("create database failed");
  }
  auto superuser = session("postgres");
  auto applied = migrate(*superuser, {});
  if (!applied) throw std::runtime_error(applied.error().text);
}

PostgresServer::~PostgresServer() {
  if (is_running_) stop_immediate();
  (void)std::system(("rm -rf " + folder_ + " " + folder_ + ".log").c_str());
}

std::string PostgresServer::url(const std::string& login, const std::string& database) const {
  return "postgresql://" + login + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

PgOptions PostgresServer::options(const std::string& login) const {
  PgOptions out;
  out.url = url(login);
  return out;
}

std::unique_ptr<PgSession> PostgresServer::session(const std::string& login) const {
  PgOptions chosen = options(login);
  auto opened = PgSession::open(chosen);
  if (!opened) {  // before the database exists
    chosen.url = url(login, "postgres");
    opened = PgSession::open(chosen);
  }
  if (!opened) throw std::runtime_error(opened.error().text);
  return std::move(*opened);
}

void PostgresServer::start() {
  must("cd / && " + as_server_user(bin() + "/pg_ctl -D " + folder_ + "/data -l " + folder_ + "/log -w start") + " >> " +
       folder_ + ".log 2>&1");
  is_running_ = true;
}

void PostgresServer::stop_immediate() {
  must("cd / && " + as_server_user(bin() + "/pg_ctl -D " + folder_ + "/data -m immediate -w stop") + " >> " + folder_ +
       ".log 2>&1");
  is_running_ = false;
}

void PostgresServer::clear() {
  auto done = session("postgres")->script(R"sql(
do $$
declare t record;
begin
  for t in select schemaname, tablename from pg_tables where schemaname in ('public', 'audit')
      and tablename <> 'schema_migration' loop
    execute format('alter table %I.%I disable trigger user', t.schemaname, t.tablename);
    execute format('truncate %I.%I cascade', t.schemaname, t.tablename);
    execute format('alter table %I.%I enable trigger user', t.schemaname, t.tablename);
    if exists (select from pg_trigger where tgrelid = format('%I.%I', t.schemaname, t.tablename)::regclass
               and tgname = 'insert_only') then
      execute format('alter table %I.%I enable always trigger insert_only', t.schemaname, t.tablename);
      execute format('alter table %I.%I enable always trigger insert_only_truncate', t.schemaname, t.tablename);
    end if;
  end loop;
end $$)sql");
  if (!done) throw std::runtime_error(done.error().text);
}

PostgresServer& shared_postgres() {
  static PostgresServer server;
  return server;
}

}  // namespace signet
