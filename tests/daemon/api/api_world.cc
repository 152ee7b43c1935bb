#include "tests/daemon/api/api_world.h"

#include <errno.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "audit/event.h"
#include "base/bytes.h"
#include "daemon/access/tokens.h"
#include "daemon/delivery/bulk_requeue.h"
#include "daemon/http/parser.h"
#include "store/directory.h"
#include "store/passwords.h"

namespace signet::api {
namespace {

std::string scratch_folder() {
  std::string folder = "/tmp/signet-spool.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
  return folder;
}

}  // namespace

Verdict TestProvider::verify(const CallbackRequest& request) const {
  for (const auto& [name, value] : request.headers)
    if (name == "x-signature" && value == "good") return {true, ""};
  return {false, "bad signature"};
}

Result<std::vector<Receipt>> TestProvider::receipts(const CallbackRequest& request) const {
  std::vector<Receipt> out;
  std::istringstream lines(request.body);
  std::string id, kind;
  Receipt receipt;
  while (lines >> id >> receipt.attempt_no >> receipt.provider_reference >> kind >> receipt.event_id) {
    receipt.message_id.reset();
    if (id == "broken") return Error{ErrorCode::invalid, "no such field"};
    if (id != "-") receipt.message_id = *parse_uuid(id);
    receipt.kind = kind == "delivered" ? ReceiptKind::delivered
                   : kind == "sent"    ? ReceiptKind::sent
                   : kind == "bounced" ? ReceiptKind::bounced
                                       : ReceiptKind::failed;
    out.push_back(receipt);
  }
  return out;
}

Verdict TestProvider::verify_status(const CallbackRequest& request) const {
  for (const auto& [name, value] : request.headers)
    if (name == "webhook-signature" && value.starts_with("v1,")) return {true, ""};
  return {false, "bad signature"};
}

void KeptLog::write(LogLevel, std::string_view text, std::initializer_list<LogField> fields) {
  std::lock_guard guard(lock_);
  text_ += text;
  for (const auto& field : fields) text_ += " " + std::string(field.name) + "=" + field.value;
  text_ += "\n";
}

std::string KeptLog::all() const {
  std::lock_guard guard(lock_);
  return text_;
}

namespace {

bool is_at(std::string_view pattern, std::string_view path) {
  size_t i = 0, j = 0;
  while (i < pattern.size() && j < path.size()) {
    if (pattern[i] == '{') {
      i = pattern.find('}', i) + 1;
      j = std::min(path.find('/', j), path.size());
    } else if (pattern[i++] != path[j++]) {
      return false;
    }
  }
  return i == pattern.size() && j == path.size();
}

bool has_header(const http::Response& reply, std::string_view name) {
  for (const auto& header : reply.headers)
    if (header.first == name) return true;
  return false;
}

// What is wrong with what one call left in the log; empty: nothing.
std::string fault_of(const RouteRow* row, const http::Response& reply, const std::vector<nlohmann::json>& entries) {
  std::vector<std::string> actions;
  for (const auto& entry : entries) actions.push_back(entry["action"]);
  if (reply.status >= 500) return "";  // then the database may have been away
  if (row == nullptr) return actions.empty() ? "" : "an entry at no address";
  if (reply.status < 400) {
    for (const auto& action : actions) {
      // Whoever signs by custody for the first time gets a key.
      const bool is_named = std::find(row->records.begin(), row->records.end(), action) != row->records.end();
      if (!is_named && action != "key_enrolled") return "its row does not name " + action;
    }
    // A repeat does nothing; what is cancelled, paused or resumed already is not so once more.
    const bool is_idempotent =
        row->name == "cancel" || row->name.starts_with("pause_") || row->name.starts_with("resume_");
    const bool may_be_silent = row->records.empty() || has_header(reply, "Idempotent-Replayed") || is_idempotent;
    return actions.empty() && !may_be_silent ? "nothing was recorded" : "";
  }
  for (const auto& entry : entries)
    if (entry["action"] == "refused" && entry["detail"].value("attempted", "") != row->name)
      return "the refusal names another action";
  const std::vector<std::string> one{"refused"};
  // Refusals over a limit are counted together; a malformed token is nobody's.
  if (reply.status == 429 || reply.status == 401) {
    if (actions.empty() || actions == one) return "";
  }
  const bool is_proof = row->name == "log_in" || row->name == "step_up" || row->name == "change_password";
  if (is_proof && !actions.empty() && actions.back() == "lockout") actions.pop_back();
  if (row->name == "log_in") {
    if (actions.empty() && reply.status != 401) return "";  // nobody is known yet
    return actions == std::vector<std::string>{"login_refused"} ? "" : "a refused log-in is not recorded";
  }
  if (row->name == "step_up" && actions == std::vector<std::string>{"step_up_refused"}) return "";
  if (row->name == "cancel" && actions == std::vector<std::string>{"cancel_requested"}) return "";
  return actions == one ? "" : "a refusal left " + std::to_string(actions.size()) + " entries";
}

// One line a request and what was answered, which tests/openapi holds against docs/openapi.json. A run of a program
// replaces what its last one left.
void note_exchange(std::string_view pattern, const http::Request& request, const http::Response& response) {
  using Json = nlohmann::json;
  static std::mutex lock;
  static std::ofstream out(SIGNET_EXCHANGES_DIR + std::string(program_invocation_short_name) + ".exchanges");
  Json headers = Json::object(), sent = Json::object(), query = Json::object();
  for (const auto& [name, value] : response.headers) headers[name] = value;
  for (const auto& [name, value] : request.headers)
    if (name == "if-match" || name == "idempotency-key") sent[name] = value;
  for (const auto& [name, value] : request.query_pairs) query[name] = value;
  Json line{{"method", request.method},      {"pattern", pattern},
            {"status", response.status},     {"contentType", response.content_type},
            {"headers", std::move(headers)}, {"body", response.body},
            {"query", std::move(query)},     {"sent", std::move(sent)}};
  if (response.status < 300) line["request"] = request.body;
  std::lock_guard guard(lock);
  out << line.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}

}  // namespace

namespace {

LogKey make_log_key() {
  auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  if (!key) throw std::runtime_error(key.error().text);
  auto name = NoteKey::make("signet/test", NoteKeyType::ed25519, key->public_key());
  return {std::move(*name), std::move(*key)};
}

}  // namespace

template <class Json>
BasicApiWorld<Json>::BasicApiWorld()
    : postgres(shared_postgres()),
      pool(postgres.options(), 4),
      tasks(postgres.options(), {"signetd-1", scratch_folder()}, clock, log, metrics, [] {}),
      log_key(make_log_key()),
      services{pool,
               keyring,
               routes,
               clock,
               ids,
               random,
               log,
               "signetd-1",
               [this](std::vector<Hint> hints) {
                 std::lock_guard guard(lock_);
                 for (auto& hint : hints) offered.push_back(std::move(hint));
               },
               [this] { came++; },
               {{"test", std::make_shared<TestProvider>()}},
               "https://hooks.example.org"},
      admin(services, admin_routes()),
      webhooks(services, webhook_routes()) {
  services.due_plan = &due_plan;
  services.passwords = &passwords;
  services.tasks = &tasks;
  services.bundles = &bundles;
  services.inbounds = &inbounds;
  if (auto spool = tasks.open_spool(); !spool) throw std::runtime_error(spool.error().text);
  tasks.add(kBulkRequeueTask, bulk_requeue_work(due_plan, clock, ids, log, services.offer));
  tasks.add("sample", [](TaskRun& run) -> Result<TaskEnd> {
    if (auto written = run.file().write("hello\n"); !written) return written.error();
    return TaskEnd{"{}", "sample.csv", "text/csv; charset=utf-8"};
  });
  postgres.clear();
  superuser_ = postgres.session("postgres");
  sql("insert into retention_policy (years) values (7)");  // as a daemon does at its start
}

template <class Json>
BasicApiWorld<Json>::~BasicApiWorld() {
  for (const auto& fault : faults_) FAIL_CHECK(fault);
  std::error_code ignored;
  std::filesystem::remove_all(std::filesystem::path(tasks.path_of({})).parent_path(), ignored);
}

template <class Json>
std::string BasicApiWorld<Json>::task(const Caller& asked_by) {
  Task task;
  task.id = ids.next();
  task.kind = "sample";
  task.asked_by = asked_by.id;
  task.instance = tasks.instance();
  task.asked_at = clock.wall();
  auto session = postgres.session();
  PgTransaction tx(*session);
  if (!insert_task(tx, task) || !tx.commit()) throw std::runtime_error("no task");
  while (tasks.pass()) {
  }
  return task.id.text();
}

template <class Json>
Caller BasicApiWorld<Json>::user(Role role, const std::string& name) {
  auto session = postgres.session();
  PgTransaction tx(*session);
  UserRow user;
  user.id = ids.next();
  user.name = name.empty() ? std::string(signet::name(role)) : name;
  user.email = user.id.text() + "@clinic.example";
  user.role = role;
  const Secret token = make_token(random);
  TokenRow row;
  row.id = ids.next();
  row.user_id = user.id;
  row.scopes = {"approve"};
  if (!insert_user(tx, user) || !insert_token(tx, row, view(token_digest(token.octets()))) || !tx.commit())
    throw std::runtime_error("no user");
  return {user.id, std::string(token.octets()), user.email};
}

template <class Json>
Caller BasicApiWorld<Json>::with_token(const Caller& user, const std::vector<std::string>& scopes) {
  auto session = postgres.session();
  PgTransaction tx(*session);
  const Secret token = make_token(random);
  TokenRow row;
  row.id = ids.next();
  row.user_id = user.id;
  row.scopes = scopes;
  if (!insert_token(tx, row, view(token_digest(token.octets()))) || !tx.commit()) throw std::runtime_error("no token");
  return {user.id, std::string(token.octets()), user.email};
}

template <class Json>
void BasicApiWorld<Json>::set_password(const Caller& user, const std::string& password) {
  auto session = postgres.session();
  PgTransaction tx(*session);
  const auto hash = passwords.hash(Secret(password));
  if (!hash || !signet::set_password(tx, user.id, *hash) || !tx.commit()) throw std::runtime_error("no password");
}

template <class Json>
Caller BasicApiWorld<Json>::log_in(const Caller& user, const std::string& password) {
  const auto answer = call("POST", "/api/session", {}, Json{{"email", user.email}, {"password", password}}.dump());
  INFO(answer.raw.body << log.all());
  REQUIRE(answer.status == 200);
  const std::string cookie = answer.header("Set-Cookie");
  const size_t from = cookie.find('=') + 1;
  return {user.id, "", user.email, cookie.substr(from, cookie.find(';') - from), answer.body["csrfToken"]};
}

template <class Json>
BasicAnswer<Json> BasicApiWorld<Json>::call(const std::string& method, const std::string& path, const Caller& caller,
                                            const std::string& body, const Headers& headers) {
  http::Request request;
  request.method = method;
  if (!http::read_target(path, request)) throw std::runtime_error("bad target");
  request.headers = {{"user-agent", "test/1"}};
  if (!caller.session.empty()) request.headers.emplace_back("cookie", "__Host-signet=" + caller.session);
  if (!caller.csrf.empty()) request.headers.emplace_back("x-signet-csrf", caller.csrf);
  if (!caller.token.empty()) request.headers.emplace_back("authorization", "Bearer " + caller.token);
  if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
  for (const auto& header : headers) {
    std::erase_if(request.headers, [&](const auto& before) { return before.first == header.first; });
    request.headers.push_back(header);
  }
  request.body = body;
  request.peer_address = "192.0.2.7";
  request.request_id = "r-" + std::to_string(++calls_);
  Answer out;
  out.raw = admin.handle(request);
  const RouteRow* row = row_of(request.method, request.path);
  if (row != nullptr && row->method == request.method) note_exchange(row->pattern, request, out.raw);
  out.status = out.raw.status;
  out.body = Json::parse(out.raw.body, nullptr, false);
  if (is_held_to_records) check_records(request, out.raw);
  return out;
}

template <class Json>
const RouteRow* BasicApiWorld<Json>::row_of(const std::string& method, const std::string& path) const {
  for (const auto& row : admin.rows())
    if ((row.method == method || (method == "HEAD" && row.method == "GET")) && is_at(row.pattern, path)) return &row;
  return nullptr;
}

template <class Json>
std::optional<std::vector<Json>> BasicApiWorld<Json>::entries_of(const std::string& request_id) {
  const std::string wanted = "select canon from audit.entry where position('\"requestId\":\"" + request_id +
                             "\"'::bytea in canon) > 0 " + "order by event_id";
  std::lock_guard guard(superuser_lock_);
  auto rows = superuser_->run(wanted);
  if (!rows) {  // a test that took the database away
    auto opened = PgSession::open(postgres.options("postgres"));
    if (!opened) return std::nullopt;
    superuser_ = std::move(*opened);
    rows = superuser_->run(wanted);
  }
  if (!rows) throw std::runtime_error(rows.error().text);
  std::vector<Json> out;
  for (int i = 0; i < rows->size(); ++i) out.push_back(Json::parse(rows->text(i, 0)));
  return out;
}

template <class Json>
void BasicApiWorld<Json>::check_records(const http::Request& request, const http::Response& reply) {
  const auto entries = entries_of(request.request_id);
  if (!entries) return;
  std::string fault = fault_of(row_of(request.method, request.path), reply, *entries);
  if (fault.empty()) return;
  fault = request.method + ' ' + request.path + " answered " + std::to_string(reply.status) + ": " + fault;
  for (const auto& entry : *entries) fault += "\n" + entry.dump();
  if (std::this_thread::get_id() == owner_) {
    FAIL_CHECK(fault);
  } else {
    std::lock_guard guard(lock_);
    faults_.push_back(fault);
  }
}

template <class Json>
BasicAnswer<Json> BasicApiWorld<Json>::callback(const std::string& provider, const std::string& body,
                                                const std::string& signature) {
  return webhook("POST", provider + "?x=1", body, {{"x-signature", signature}});
}

template <class Json>
BasicAnswer<Json> BasicApiWorld<Json>::webhook(const std::string& method, const std::string& path,
                                               const std::string& body, const Headers& headers) {
  http::Request request;
  request.method = method;
  if (!http::read_target("/webhooks/" + path, request)) throw std::runtime_error("bad target");
  request.headers = headers;
  request.body = body;
  request.peer_address = "192.0.2.9";
  request.request_id = "r-2";
  Answer out;
  out.raw = webhooks.handle(request);
  if (path.starts_with("test?")) note_exchange("/webhooks/{provider}", request, out.raw);  // others are for one test
  if (path.starts_with("test/")) note_exchange("/webhooks/{provider}/{echo}", request, out.raw);
  out.status = out.raw.status;
  out.body = Json::parse(out.raw.body, nullptr, false);
  return out;
}

template <class Json>
std::string BasicApiWorld<Json>::draft(const Caller& author, Json changes) {
  Json body{{"kind", "sms"}, {"recipientPhone", "+61412345678"}, {"contentDraft", "Your result is fine."}};
  body.merge_patch(changes);
  const auto answer = call("POST", "/api/messages", author, body.dump());
  INFO(answer.raw.body);
  REQUIRE(answer.status == 201);
  return answer.body["id"];
}

template <class Json>
std::string BasicApiWorld<Json>::letter(const Caller& author, const Caller& physician, Json changes) {
  Json body{{"kind", "letter"},
            {"physicianId", physician.id.text()},
            {"recipientEmail", "dr.smith@example.org"},
            {"subject", "Your patient"},
            {"contentDraft", "Dear Dr. Smith,\n\nThe LVEF is 45 %."}};
  body.merge_patch(changes);
  const auto answer = call("POST", "/api/messages", author, body.dump());
  INFO(answer.raw.body);
  REQUIRE(answer.status == 201);
  return answer.body["id"];
}

template <class Json>
std::string BasicApiWorld<Json>::submitted(const Caller& author, Json changes) {
  const auto id = draft(author, std::move(changes));
  const auto answer = submit(author, id);
  INFO(answer.raw.body);
  REQUIRE(answer.status == 200);
  return id;
}

template <class Json>
std::string BasicApiWorld<Json>::queued(const Caller& author, const Caller& reviewer, Json changes) {
  const auto id = submitted(author, std::move(changes));
  const auto answer = review(reviewer, id);
  INFO(answer.raw.body);
  REQUIRE(answer.status == 200);
  return id;
}

template <class Json>
void BasicApiWorld<Json>::end_attempt(const std::string& id, int outcome, int status, const std::string& reason,
                                      const std::string& reference) {
  const std::string key = "('" + id + "', 1, ";
  sql("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, provider, lane, permitted_at) "
      "values " +
      key + "1, gen_random_uuid(), 'signetd-1', 'test', 'sms', now())");
  sql("insert into attempt_result (message_id, attempt_no, outcome, reason, provider_reference, finished_at) values " +
      key + std::to_string(outcome) + ", '" + reason + "', '" + reference + "', now())");
  sql("delete from due where message_id = '" + id + "'");
  sql("update message set status = " + std::to_string(status) +
      ", attempts = 1, provider = 'test', failure_reason = '" + reason + "', updated_at = now() where id = '" + id +
      "'");
}

template <class Json>
std::string BasicApiWorld<Json>::dead_notice(const std::string& message) {
  const auto id = ids.next().text();
  sql("insert into status_cursor (service, seq) values ('backend', 0) on conflict do nothing");
  sql("insert into status_notice (id, service, seq, event_id, message_id, tries, failure) values ('" + id +
      "', 'backend', 5, gen_random_uuid(), '" + message + "', 10, 'it answered 500')");
  return id;
}

template <class Json>
BasicAnswer<Json> BasicApiWorld<Json>::submit(const Caller& author, const std::string& id) {
  return call("POST", "/api/message-workflow/submit-for-review", author, Json{{"messageId", id}}.dump());
}

template <class Json>
Headers BasicApiWorld<Json>::if_match(const std::string& id) {
  const auto uuid = parse_uuid(id);
  if (!uuid) return {};
  auto session = postgres.session();  // its own: cases review from several threads
  auto rows = session->run("select version from message where id = $1", {*uuid});
  if (!rows || rows->size() == 0) return {};
  return {{"if-match", '"' + std::to_string(rows->number(0, 0)) + '"'}};
}

template <class Json>
BasicAnswer<Json> BasicApiWorld<Json>::review(const Caller& reviewer, const std::string& id, Json changes) {
  Json body{{"messageId", id}, {"decision", "approved"}};
  body.merge_patch(changes);
  return call("POST", "/api/message-workflow/review", reviewer, body.dump(), if_match(id));
}

template <class Json>
BasicAnswer<Json> BasicApiWorld<Json>::send_directly(const Caller& sender, const std::string& id, Json changes) {
  Json body{{"messageId", id}};
  body.merge_patch(changes);
  return call("POST", "/api/message-workflow/send-directly", sender, body.dump(), if_match(id));
}

template <class Json>
BasicAnswer<Json> BasicApiWorld<Json>::approve(const Caller& signer, const std::string& letter, Json body) {
  return call("POST", "/api/letters/" + letter + "/approve", signer, body.dump());
}

template <class Json>
PgRows BasicApiWorld<Json>::sql(const std::string& sql) {
  std::lock_guard guard(superuser_lock_);
  auto rows = superuser_->run(sql);
  if (!rows) throw std::runtime_error(rows.error().text);
  return std::move(*rows);
}

template <class Json>
std::string BasicApiWorld<Json>::status_of(const std::string& id) {
  const auto rows = sql("select status from message where id = '" + id + "'");
  return std::string(name(static_cast<Status>(rows.number(0, 0))));
}

template <class Json>
std::vector<Json> BasicApiWorld<Json>::events(const std::string& id) {
  const auto rows = sql("select canon from audit.entry where object_id = '" + id + "' order by event_id");
  std::vector<Json> out;
  for (int i = 0; i < rows.size(); ++i) out.push_back(Json::parse(rows.text(i, 0)));
  return out;
}

template <class Json>
std::vector<std::string> BasicApiWorld<Json>::actions(const std::string& id) {
  std::vector<std::string> out;
  for (const auto& event : events(id)) out.push_back(event["action"]);
  return out;
}

template <class Json>
void BasicApiWorld<Json>::check_chain(const std::string& id) {
  const auto rows = sql("select canon, leaf from audit.entry where object_id = '" + id + "' order by event_id");
  int64_t n = 0;
  Json prev;
  for (int i = 0; i < rows.size(); ++i) {
    CHECK(view(leaf_hash(rows.octets(i, 0))) == rows.octets(i, 1));
    const Json event = Json::parse(rows.text(i, 0));
    if (event["object"]["n"].is_null()) continue;
    CHECK(event["object"]["n"] == ++n);
    CHECK(event["object"]["prev"] == prev);
    prev = to_hex(rows.octets(i, 1));
  }
  const auto head = sql("select event_n, event_leaf from message where id = '" + id + "'");
  CHECK(head.number(0, 0) == n);
  CHECK(to_hex(head.octets(0, 1)) == prev);
}

template <class Json>
Json BasicApiWorld<Json>::last_event(const std::string& action) {
  const auto rows = sql("select canon from audit.entry order by event_id desc");
  for (int i = 0; i < rows.size(); ++i) {
    Json event = Json::parse(rows.text(i, 0));
    if (event["action"] == action) return event;
  }
  return nullptr;
}

template <class Json>
std::vector<std::string> BasicApiWorld<Json>::new_actions() {
  const auto rows =
      sql("select canon, event_id from audit.entry where event_id > '" + last_seen_.text() + "' order by event_id");
  std::vector<std::string> out;
  for (int i = 0; i < rows.size(); ++i) {
    out.push_back(Json::parse(rows.text(i, 0))["action"]);
    last_seen_ = rows.uuid(i, 1);
  }
  return out;
}

template <class Json>
void BasicApiWorld<Json>::sign_log() {
  Sequencer sequencer(postgres.options("signet_sequencer"), {0, 4096}, log_key, clock, log, metrics);
  auto session = postgres.session("postgres");
  for (int i = 0; i < 1000; ++i) {  // a transaction elsewhere that has not ended yet holds up what came after it
    sequencer.pass();
    const auto size = session->run("select count(*) from audit.entry");
    const auto newest = newest_checkpoint(*session);
    if (size && newest && *newest && (*newest)->size == size->number(0, 0)) return;
  }
  throw std::runtime_error("the log is not signed: " + log.all());
}

template class BasicApiWorld<nlohmann::json>;

}  // namespace signet::api
