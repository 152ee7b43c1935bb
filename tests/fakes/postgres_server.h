// A real PostgreSQL of the test's own: in a scratch folder, on loopback, as an unprivileged user, durable (fsync on).
#pragma once

#include <memory>
#include <string>

#include "store/migrate.h"
#include "store/pg_session.h"

namespace signet {

class PostgresServer {
 public:
  // Makes the cluster, starts it, and applies the migrations.
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  int port() const { return port_; }
  // login: "postgres" (superuser), "signet_app", ...
  std::string url(const std::string& login = "signet_app", const std::string& database = "signet") const;
  PgOptions options(const std::string& login = "signet_app") const;
  std::unique_ptr<PgSession> session(const std::string& login = "signet_app") const;

  void stop_immediate();  // as a crash
  void start();
  void restart() {
    stop_immediate();
    start();
  }
  // As `signetd migrate` does.
  Result<SchemaChange> apply_migrations(const std::string& login = "postgres", const std::string& database = "signet");
  // Empties every table, insert-only ones too (as superuser), so that cases share one cluster.
  void clear();

 private:
  std::string folder_;
  int port_ = 0;
  bool is_running_ = false;
};

// One for the whole test program, without fsync: a cluster takes two seconds to make. Cases call clear().
PostgresServer& shared_postgres();

}  // namespace signet
