// docs/openapi.json says what the routers do: the same routes, codes and limits, and examples that work. What every
// test of the API was answered is held against its schemas by tests/openapi.
#include "daemon/api/openapi.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "base/bytes.h"
#include "base/signature.h"
#include "daemon/evidence/receivers.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;
using PlainJson = nlohmann::json;
using World = BasicApiWorld<PlainJson>;
using Route = std::pair<std::string, std::string>;  // method, pattern

constexpr char kPassword[] = "correct horse battery staple";

const Json& document() {
  static const Json json = Json::parse(openapi_json());
  return json;
}

// Follows a `$ref`.
const Json& resolved(const Json& part) {
  if (!part.contains("$ref")) return part;
  return document().at(Json::json_pointer(part["$ref"].get<std::string>().substr(1)));
}

struct Operation {
  std::string method, path;
  const Json& json;
  std::string id() const { return json["operationId"]; }
  bool answers(int status) const { return json["responses"].contains(std::to_string(status)); }
  const Json* parameter(const std::string& name) const {
    if (!json.contains("parameters")) return nullptr;
    for (const auto& each : json["parameters"])
      if (resolved(each)["name"] == name) return &resolved(each);
    return nullptr;
  }
};

std::vector<Operation> operations() {
  std::vector<Operation> out;
  for (const auto& [path, methods] : document()["paths"].items())
    for (const auto& [method, json] : methods.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
      out.push_back({upper, path, json});
    }
  return out;
}

std::vector<RouteRow> all_rows() {
  auto rows = admin_routes();
  for (auto& row : webhook_routes()) rows.push_back(std::move(row));
  return rows;
}

std::set<Route> routes() {
  std::set<Route> out;
  for (const auto& row : all_rows()) out.emplace(row.method, row.pattern);
  return out;
}

const RouteRow& row_of(const Operation& operation) {
  static const auto rows = all_rows();
  for (const auto& row : rows)
    if (row.method == operation.method && row.pattern == operation.path) return row;
  throw std::runtime_error("no row for " + operation.path);
}

TEST_CASE("the description has every route, and no other") {
  std::set<Route> described;
  for (const auto& operation : operations()) described.emplace(operation.method, operation.path);
  CHECK(described == routes());
}

TEST_CASE("docs/api.md has a row for every route, and no other") {
  std::ifstream file(SIGNET_SOURCE_DIR "/docs/api.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::regex row("^\\| `([A-Z]+) (/[^ `?]*)` \\|");
  std::multiset<Route> found;
  for (std::string line; std::getline(text, line);)
    if (std::smatch match; std::regex_search(line, match, row)) found.emplace(match[1], match[2]);
  const auto wanted = routes();
  CHECK(found == std::multiset<Route>(wanted.begin(), wanted.end()));
}

TEST_CASE("an operation has the name of what it attempts, and one of its own") {
  std::set<std::string> ids;
  for (const auto& operation : operations()) {
    INFO(operation.id());
    CHECK(ids.insert(operation.id()).second);
    // Provenance is read under two addresses, and attempted under one name.
    if (operation.id() != "read_letter_provenance") CHECK(operation.id() == row_of(operation).name);
  }
}

TEST_CASE("the table of codes is that of the daemon") {
  const Json& schema = document()["components"]["schemas"]["ProblemCode"];
  Json table = Json::array();
  std::set<std::string> words;
  for (const auto& code : all_codes()) {
    const bool is_number = code.text.find_first_not_of("0123456789") == std::string_view::npos;
    const Json word = is_number ? Json(std::stoi(std::string(code.text))) : Json(code.text);
    words.insert(word.dump());
    table.push_back({{"code", word}, {"status", code.status}, {"title", code.title}, {"remedy", code.remedy}});
  }
  CHECK(schema["x-codes"] == table);
  std::set<std::string> listed;
  for (const auto& word : schema["enum"]) CHECK(listed.insert(word.dump()).second);
  CHECK(listed == words);
}

TEST_CASE("an operation names each status that its route may answer") {
  for (const auto& operation : operations()) {
    const RouteRow& row = row_of(operation);
    INFO(operation.method << ' ' << operation.path);
    const bool is_caller = row.access == Access::caller;
    CHECK(operation.json["security"].empty() != is_caller);
    if (is_caller)
      for (const int status : {401, 403, 500, 503}) CHECK(operation.answers(status));
    if (row.rate != RateClass::none) CHECK(operation.answers(429));
    if (row.creates) CHECK(operation.answers(422));
    CHECK((operation.parameter("Idempotency-Key") != nullptr) == row.creates);
    if (is_caller && row.method != "GET") {
      CHECK(operation.answers(409));
      CHECK(operation.parameter("X-Signet-CSRF") != nullptr);
    }
    if (operation.path.find("{") != std::string::npos) CHECK(operation.answers(404));
    if (operation.json.contains("requestBody") && is_caller)
      for (const int status : {400, 415}) CHECK(operation.answers(status));
    const Json* if_match = operation.parameter("If-Match");
    if (if_match != nullptr) CHECK(operation.answers(412));
    if (if_match != nullptr && if_match->value("required", false)) CHECK(operation.answers(428));
    for (const auto& [status, response] : operation.json["responses"].items())
      if (status >= "400")
        for (const auto& [type, content] : resolved(response)["content"].items())
          CHECK((type == "application/problem+json" || operation.id() == "readiness"));
  }
}

class Limited : public TestProvider {
  size_t text_max() const override { return 1600; }
};

// Objects that the ids in the description's examples stand for. Each is made once it is named.
class Fixture {
 public:
  Fixture() {
    for (const auto role : {Role::staff, Role::doctor, Role::reviewer, Role::admin, Role::auditor, Role::service})
      users_.emplace(name(role), world.user(role));
    world.services.receivers = &receivers_;
    world.services.providers["test"] = std::make_shared<Limited>();
  }

  World world;
  Caller caller(const std::string& text) {
    if (text == "nobody") return {};
    if (text == "gateway") return world.with_token(user("service"), {"delivery:write"});
    const auto comma = text.find(',');
    const Caller& user = users_.at(text.substr(0, comma));
    if (comma == std::string::npos) return user;
    world.set_password(user, kPassword);
    return world.log_in(user, kPassword);
  }
  const Caller& user(const std::string& role) { return users_.at(role); }

  // What an operation's answer is to show, beyond what its address and body name.
  void prepare(const std::string& operation) {
    if (operation.starts_with("list_") || operation.starts_with("search_") || operation == "read_audit") make_some();
    if (operation == "list_dead_letters" || operation == "requeue_dead_letters") (void)real(uuid("b7"));
    if (operation == "list_status_webhooks") (void)real(uuid("e3"));
    if (operation == "read_queues") (void)real(uuid("b3"));
    if (operation == "read_evidence") world.sign_log();
    if (operation == "read_providers")
      world.sql(
          "insert into provider_health (instance, provider, breaker, since, attempts, errors, in_use, in_flight, "
          "seen_at) values ('signetd-1', 'test', 'closed', now(), 40, 1, 3, 64, now())");
  }

  void make_some() {
    for (const char* end : {"e1", "e2", "e4", "b2", "b3", "d1", "d2", "d3", "d4"}) (void)real(uuid(end));
  }

  // The example with what is really there in place of what it names.
  std::string real(std::string text) {
    for (const auto& [shown, make] : makers_)
      if (text.find(shown) != std::string::npos) {
        if (!made_.contains(shown)) made_[shown] = make();
        text = replaced(std::move(text), shown, made_[shown]);
      }
    return text;
  }

 private:
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
    return text;
  }
  static std::string uuid(const std::string& end) { return "019ac0de-0000-7000-8000-0000000000" + end; }

  std::string letter() {
    return world.letter(
        user("staff"), user("doctor"),
        {{"clinicalValues", PlainJson::array({{{"id", "val-123"},
                                               {"name", "LVEF"},
                                               {"value", "45"},
                                               {"unit", "%"},
                                               {"type", "measurement"},
                                               {"critical", true}}})},
         {"hallucinationFlags",
          PlainJson::array(
              {{{"id", "flag-abc"}, {"flaggedText", "45 %"}, {"severity", "minor"}, {"reason", "rounded"}}})},
         {"generation", {{"primaryModel", "model-1"}, {"inputTokens", 1200}, {"outputTokens", 300}}}});
  }
  std::string approved_letter() {
    const auto id = letter();
    const auto answer = world.approve(
        user("doctor"), id,
        {{"verifiedValueIds", {"val-123"}}, {"finalContent", "Dear Dr. Smith,\n\nThank you. The LVEF is 45 %."}});
    INFO(answer.raw.body);
    REQUIRE(answer.status == 200);
    return id;
  }
  std::string made(const std::string& path, const std::string& by, const PlainJson& body) {
    const auto answer = world.call("POST", path, user(by), body.dump());
    INFO(answer.raw.body);
    REQUIRE(answer.status == 201);
    return answer.body["id"];
  }
  PlainJson enrolment(const SigningKey& key) {
    const std::string challenge =
        "signet-enrol\n" + user("doctor").id.text() + '\n' + to_hex(view(sha256(key.public_key().spki())));
    return {{"publicKey", to_base64(key.public_key().spki())}, {"proof", to_base64(key.sign(challenge).value())}};
  }
  std::string alert() {
    const auto id = world.ids.next().text();
    world.sql("insert into alert (id, rule, subject, count, first_at, last_at, notices, notified_at) values ('" + id +
              "', 'stuck', '', 3, now(), now(), 1, now())");
    return id;
  }
  std::string fault() {
    const std::string id = world.ids.next().text();
    world.sql("insert into audit.fault (id, level, what, seq, at) values ('" + id + "', 3, 'tile', 256, now())");
    return id;
  }
  std::string session() {
    world.set_password(user("doctor"), kPassword);
    return world.call("GET", "/api/session", world.log_in(user("doctor"), kPassword)).body["id"];
  }

  const Receivers receivers_{{{"on-call", "oncall@example.org", "", {}}}, {"compliance@example.org"}, {}};
  std::map<std::string, Caller> users_;
  const SigningKey key_ = SigningKey::generate(SignatureAlgorithm::ed25519).value();
  std::map<std::string, std::string> made_;
  // The public key and the proof of the example that enrols one are some of nobody's.
  const std::map<std::string, std::function<std::string()>> makers_{
      {uuid("a1"), [this] { return user("staff").id.text(); }},
      {uuid("a2"), [this] { return user("doctor").id.text(); }},
      {uuid("a3"), [this] { return user("reviewer").id.text(); }},
      {uuid("a4"), [this] { return user("admin").id.text(); }},
      {uuid("a5"), [this] { return user("auditor").id.text(); }},
      {uuid("b1"), [this] { return world.draft(user("staff")); }},
      {uuid("b2"), [this] { return world.submitted(user("staff")); }},
      {uuid("b3"), [this] { return world.queued(user("staff"), user("reviewer")); }},
      {uuid("b4"), [this] { return world.draft(user("doctor")); }},
      {uuid("b5"),
       [this] {
         return world.submitted(user("staff"), {{"riskLevel", "high"}});
       }},
      {uuid("b6"),
       [this] {
         const auto id = world.queued(user("staff"), user("reviewer"));
         const auto held =
             world.call("POST", "/api/messages/" + id + "/legal-hold", user("admin"), R"({"reason":"case-1"})");
         INFO(held.raw.body);
         REQUIRE(held.status == 200);
         return id;
       }},
      {uuid("b7"),
       [this] {
         const auto id = world.queued(user("staff"), user("reviewer"));
         world.fail(id);
         return id;
       }},
      {uuid("b8"),
       [this] {
         const auto id = world.queued(user("staff"), user("reviewer"));
         world.doubt(id);
         return id;
       }},
      // That of a dry run.
      {"2026-11-22T00:30:00.000000Z",
       [this] {
         const auto dry = world.call("POST", "/api/dead-letters/requeue", user("admin"), R"({"dryRun":true})");
         return dry.body["asOf"].get<std::string>();
       }},
      {uuid("c1"), [this] { return letter(); }},
      {uuid("c2"), [this] { return approved_letter(); }},
      {uuid("d1"), [this] { return session(); }},
      {uuid("d2"),
       [this] {
         return made("/api/tokens", "admin", {{"userId", user("doctor").id.text()}, {"scopes", {"read"}}});
       }},
      {uuid("d3"),
       [this] {
         return made("/api/keys", "doctor", enrolment(SigningKey::generate(SignatureAlgorithm::ed25519).value()));
       }},
      {uuid("d4"),
       [this] {
         return made("/api/break-glass", "admin", {{"reason", "An incident."}, {"minutes", 30}});
       }},
      {uuid("e1"),
       [this] {
         return made(
             "/api/report-schedules", "admin",
             {{"name", "monthly"}, {"cron", "0 6 1 * *"}, {"format", "pdf"}, {"deliverTo", "compliance@example.org"}});
       }},
      {uuid("e2"), [this] { return alert(); }},
      {uuid("e3"), [this] { return world.dead_notice(world.draft(user("staff"))); }},
      {uuid("e4"),
       [this] {
         return made("/api/suppressions", "admin", {{"recipientPhone", "+61491570006"}, {"reason", "asked"}});
       }},
      {uuid("f2"), [this] { return fault(); }},
      {uuid("f1"), [this] { return world.task(user("auditor")); }},
      {"doctor@clinic.example",
       [this] {
         world.set_password(user("doctor"), kPassword);
         return user("doctor").email;
       }},
      {"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", [this] { return enrolment(key_)["publicKey"]; }},
      {std::string(86, 'A') + "==", [this] { return enrolment(key_)["proof"]; }},
  };
};

// What differs from one run to the next is left: the members' names and types are compared, and of lists the first
// item.
void check_alike(const std::string& place, const Json& shown, const Json& found) {
  INFO(place);
  const bool is_alike = shown.type() == found.type() || (shown.is_number() && found.is_number());
  CHECK(is_alike);
  if (!is_alike) return;
  if (shown.is_object()) {
    std::set<std::string> wanted, have;
    for (const auto& [name, value] : shown.items()) wanted.insert(name);
    for (const auto& [name, value] : found.items()) have.insert(name);
    CHECK(have == wanted);
    for (const auto& [name, value] : shown.items())
      if (found.contains(name)) check_alike(place + '/' + name, value, found[name]);
  } else if (shown.is_array()) {
    CHECK(shown.empty() == found.empty());
    if (!shown.empty() && !found.empty()) check_alike(place + "/0", shown[0], found[0]);
  }
}

// Query, path and headers as the description's parameters show them.
struct Shown {
  std::string path;
  Headers headers;
};
Shown shown_of(const Operation& operation) {
  Shown out{operation.path, {}};
  if (!operation.json.contains("parameters")) return out;
  for (const auto& each : operation.json["parameters"]) {
    const Json& parameter = resolved(each);
    if (!parameter.contains("example")) continue;
    const std::string name = parameter["name"], value = parameter["example"];
    if (parameter["in"] == "path") out.path.replace(out.path.find('{' + name + '}'), name.size() + 2, value);
    if (parameter["in"] == "query")
      out.path += (out.path.find('?') == std::string::npos ? '?' : '&') + name + '=' + value;
    if (parameter["in"] != "header") continue;
    std::string lower = name;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    out.headers.emplace_back(lower, value);
  }
  return out;
}

// The answer that is shown under the same name: its status, and its body unless it has none.
std::pair<int, Json> answer_shown(const Operation& operation, const std::string& example) {
  int first = 0;
  for (const auto& [status, each] : operation.json["responses"].items()) {
    const Json& response = resolved(each);
    if (first == 0) first = std::stoi(status);
    if (!response.contains("content")) continue;
    for (const auto& [type, content] : response["content"].items())
      if (content.contains("examples") && content["examples"].contains(example))
        return {std::stoi(status), content["examples"][example]["value"]};
  }
  return {first, nullptr};
}

void try_example(const Operation& operation, const std::string& example, const Json* body) {
  INFO(operation.method << ' ' << operation.path << ' ' << example);
  Fixture fixture;
  const Caller caller = fixture.caller(operation.json["x-example-caller"]);
  Shown shown = shown_of(operation);
  const std::string path = fixture.real(shown.path);
  fixture.prepare(operation.id());
  const std::string text = body == nullptr ? "" : fixture.real(body->dump());
  const auto answer = fixture.world.call(operation.method, path, caller, text, shown.headers);
  const auto [status, wanted] = answer_shown(operation, example);
  INFO(answer.raw.body);
  CHECK(answer.status == status);
  if (!wanted.is_null()) check_alike("", wanted, Json::parse(answer.raw.body));
}

TEST_CASE("what the description shows is what the daemon does") {
  for (const auto& operation : operations()) {
    if (operation.path.starts_with("/webhooks/")) continue;  // what comes there is a provider's own
    CAPTURE(operation.id());
    if (!operation.json.contains("requestBody")) {
      try_example(operation, "answer", nullptr);
      continue;
    }
    for (const auto& [name, example] : operation.json["requestBody"]["content"]["application/json"]["examples"].items())
      try_example(operation, name, &example["value"]);
  }
}

TEST_CASE("the description is served to anybody, as it stands in docs") {
  World world;
  const auto answer = world.call("GET", "/openapi.json", {});
  CHECK(answer.status == 200);
  CHECK(answer.raw.content_type == "application/json");
  std::ifstream file(SIGNET_SOURCE_DIR "/docs/openapi.json");
  std::stringstream text;
  text << file.rdbuf();
  CHECK(answer.raw.body == text.str());
}

}  // namespace
}  // namespace signet::api
