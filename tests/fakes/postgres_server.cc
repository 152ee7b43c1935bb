#include "tests/fakes/postgres_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "daemon/evidence/schema_migrated.h"

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
       "\nunix_socket_directories = '" + folder_ + "'\nshared_buffers = 128MB\nmax_connections = 200\nE");
  start();
  session("postgres");  // proves that it answers
  {
    PgOptions maintenance;
    maintenance.url = url("postgres", "postgres");
    auto opened = PgSession::open(maintenance);
    if (!opened || !(*opened)->script("create database signet")) throw std::runtime_error("create database failed");
  }
  auto applied = apply_migrations();
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

Result<SchemaChange> PostgresServer::apply_migrations(const std::string& login, const std::string& database) {
  PgOptions chosen;
  chosen.url = url(login, database);
  auto opened = PgSession::open(chosen);
  if (!opened) return opened.error();
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  return migrate(**opened, {}, [&](const SchemaChange& change) { return schema_migrated(change, "test", ids, clock); });
}

// Only what holds rows: most of the partitions never do.
void PostgresServer::clear() {
  auto done = session("postgres")->script(R"sql(
do $$
declare
  filled text := (select string_agg(c.oid::regclass::text, ', ') from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'audit') and c.relkind = 'r' and pg_relation_size(c.oid) > 0
      and c.relname not in ('schema_migration', 'guarded'));
  refusal text := pg_get_functiondef('audit.refuse_change'::regproc);
begin
  if filled is null then return; end if;
  alter event trigger signet_ddl disable;
  alter event trigger signet_drop disable;
  create or replace function audit.refuse_change() returns trigger language plpgsql as 'begin return null; end';
  execute 'truncate ' || filled || ' cascade';
  execute refusal;
  alter event trigger signet_ddl enable always;
  alter event trigger signet_drop enable always;
end $$)sql");
  if (!done) throw std::runtime_error(done.error().text);
}

PostgresServer& shared_postgres() {
  static PostgresServer server;
  // No case of theirs takes the machine's power away, and a suite of thousands of COMMITs waits for the disk else.
  static const bool is_set = [] {
    const auto session = server.session("postgres");
    return session->run("alter system set fsync = off").ok() && session->run("select pg_reload_conf()").ok();
  }();
  if (!is_set) throw std::runtime_error("fsync cannot be set");
  return server;
}

}  // namespace signet
