#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bytes.h"
#include "daemon/api/events.h"
#include "daemon/evidence/exporter.h"
#include "daemon/evidence/sequencer.h"
#include "store/entry_scan.h"
#include "tests/daemon/api/api_world.h"
#include "tests/fakes/output_of.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

constexpr char kPhone[] = "+61412345678", kPatient[] = "P-4711-ÅΩ";

struct World : BasicApiWorld<Json> {
  Caller admin = user(Role::admin), auditor = user(Role::auditor), reader = user(Role::auditor, "Ἀγάθη Ševčíková");

  World() {
    tasks.add("export", export_work(keyring, clock), export_ended(ids, clock));
    sql("update users set may_read_content = true where id = '" + reader.id.text() + "'");
  }
  void sequence() {
    Sequencer sequencer(postgres.options("signet_sequencer"), {0, 4096}, log_key, clock, log, metrics);
    while (sequencer.pass()) {
    }
  }
  // A message that was edited, reviewed with notes and queued.
  std::string message(const Json& changes = Json::object()) {
    Json all{{"patientId", kPatient},
             {"contentDraft", "Your LVEF is 45 %."},
             {"generation", {{"primaryModel", "model-a"}, {"inputTokens", 100}, {"outputTokens", 20}}}};
    all.update(changes);
    const auto id = submitted(user(Role::staff), all);
    clock.advance_ms(1000);
    REQUIRE(review(user(Role::reviewer), id,
                   {{"finalContent", all["contentDraft"].get<std::string>() + " Grüße"}, {"reviewNotes", "@clearer"}})
                .status == 200);
    return id;
  }
  Answer ask(const Caller& caller, Json body) {
    if (!body.contains("purpose")) body["purpose"] = "audit";
    return call("POST", "/api/audit-export/export", caller, body.dump());
  }
  Json ended(const Answer& accepted) {
    INFO(accepted.raw.body);
    REQUIRE(accepted.status == 202);
    while (tasks.pass()) {
    }
    return call("GET", "/api/tasks/" + accepted.body["id"].get<std::string>(), admin).body;
  }
  std::string file_of(const Json& task) {
    INFO(task.dump());
    REQUIRE(task["state"] == "done");
    std::ifstream in(tasks.path_of(*parse_uuid(task["id"].get<std::string>())), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string exported(const Caller& caller, const Json& body) { return file_of(ended(ask(caller, body))); }
  // All entries that have a place, as each format is to be held against.
  std::string canon_lines(const std::string& where = "true") {
    const auto rows =
        sql("select canon from audit.log join audit.entry using (event_id) where " + where + " order by seq");
    std::string out;
    for (int i = 0; i < rows.size(); i++) out += rows.text(i, 0) + "\n";
    return out;
  }
  void insert_notes(int count) {  // entries about nothing
    auto session = postgres.session();
    PgTransaction tx(*session);
    for (int i = 0; i < count; i++) {
      Event event;
      event.id = ids.next();
      event.at = clock.wall();
      event.actor = {admin.id.text(), "admin", "", "", ""};
      event.action = "logout";
      event.object.type = "session";
      REQUIRE(insert_entry(tx, beside(std::move(event), {})).ok());
    }
    REQUIRE(tx.commit().ok());
  }
};

// As Python's csv module reads it: a list of rows.
Json csv_rows(World& world, const Json& task) {
  return Json::parse(
      output_of("python3 -c 'import csv, json, sys; print(json.dumps(list(csv.reader(open(sys.argv[1], "
                "newline=\"\", encoding=\"utf-8\"), strict=True))))' " +
                world.tasks.path_of(*parse_uuid(task["id"].get<std::string>()))));
}
std::string cell(const Json& rows, size_t row, const std::string& column) {
  for (size_t i = 0; i < rows[0].size(); i++)
    if (rows[0][i] == column) return rows[row][i];
  return "no such column";
}

const char* const kFormats[] = {"csv", "json", "pdf", "fhir"};

TEST_CASE("each format is for administrators and auditors, and says how much it holds") {
  World world;
  world.message();
  world.sequence();
  const std::string digest = to_hex(view(sha256(world.canon_lines())));
  const int64_t size = world.count("audit.log");
  for (const char* format : kFormats)
    for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service}) {
      CAPTURE(format, name(role));
      const bool is_allowed = role == Role::admin || role == Role::auditor;
      const Caller caller = world.user(role);
      const auto answer = world.ask(caller, {{"format", format}});
      CHECK(answer.status == (is_allowed ? 202 : 403));
      if (!is_allowed) continue;
      CHECK(answer.header("Location") == "/api/tasks/" + answer.body["id"].get<std::string>());
      const Json task = world.ended(answer);
      CHECK(task["state"] == "done");
      CHECK(task["result"] ==
            Json({{"checkpointSize", size}, {"dataSha256", digest}, {"format", format}, {"rows", size}}));
      CHECK_FALSE(task["file"].is_null());
    }
}

TEST_CASE("content and edit history are for who may read content, in every format") {
  World world;
  world.message();
  world.sequence();
  const Json parts[] = {{{"content", true}}, {{"editHistory", true}}, {{"content", true}, {"editHistory", true}}};
  auto try_all = [&](const Caller& caller, int wanted) {
    for (const char* format : kFormats)
      for (const auto& include : parts) {
        CAPTURE(format, include.dump());
        const auto answer = world.ask(caller, {{"format", format}, {"include", include}});
        CHECK(answer.status == wanted);
        if (wanted == 202) CHECK(world.ended(answer)["state"] == "done");
      }
  };
  try_all(world.admin, 403);
  try_all(world.auditor, 403);
  CHECK(world.last_event("refused")["reasonCode"] == "METADATA_ONLY");
  try_all(world.reader, 202);
  REQUIRE(world.call("POST", "/api/break-glass", world.admin, R"({"reason":"an audit","minutes":5})").status == 201);
  try_all(world.admin, 202);
  CHECK(world.last_event("export_requested")["detail"]["breakGlass"] == true);
  world.clock.advance_ms(6 * 60'000);
  try_all(world.admin, 403);
}

TEST_CASE("what was asked for, and what came of it, stand in the log without a patient or a text") {
  World world;
  world.message();
  world.sequence();
  const auto answer = world.ask(
      world.reader, {{"format", "csv"},
                     {"purpose", "patient_request"},
                     {"filters", {{"patientId", kPatient}, {"channel", "sms"}, {"to", "2027-01-01T00:00:00Z"}}},
                     {"include", {{"content", true}}}});
  const Json task = world.ended(answer);
  const std::string file = world.file_of(task);
  const Json asked = world.last_event("export_requested"), done = world.last_event("export");
  CHECK(asked["detail"]["filters"] == "to,channel,patientId");
  CHECK(asked["detail"]["purpose"] == "patient_request");
  CHECK(asked["detail"]["include"] == "content,metadata");
  CHECK(asked["actor"]["ip"].is_string());
  CHECK(asked["object"]["id"] == task["id"]);
  CHECK(done["object"]["id"] == task["id"]);
  CHECK(done["actor"]["id"] == world.reader.id.text());
  CHECK(done["detail"]["rows"] == task["result"]["rows"]);
  CHECK(done["detail"]["dataSha256"] == task["result"]["dataSha256"]);
  CHECK(done["detail"]["fileSha256"] == to_hex(view(sha256(file))));
  CHECK(done["detail"]["includeContent"] == true);
  const auto row = world.sql("select to_jsonb(t)::text from task t");
  for (const std::string& text : {row.text(0, 0), asked.dump(), done.dump(), world.log.all()})
    for (const char* secret : {kPatient, kPhone, "LVEF"}) CHECK(text.find(secret) == std::string::npos);
}

TEST_CASE("a spreadsheet's formulas are text in CSV, and Python's csv module reads every cell back") {
  World world;
  const std::string text = "=1+1, \"quoted\"\nЕщё Ελληνικά";
  world.message({{"contentDraft", text}});
  world.message({{"contentDraft", "plain"}});
  world.sequence();
  const Json task = world.ended(
      world.ask(world.reader, {{"format", "csv"}, {"include", {{"content", true}, {"editHistory", true}}}}));
  const std::string file = world.file_of(task);
  CHECK(file.find("\r\n") != std::string::npos);
  const Json rows = csv_rows(world, task);
  REQUIRE(rows.size() == static_cast<size_t>(world.count("audit.log")) + 1);
  std::set<std::string> bodies;
  for (size_t i = 1; i < rows.size(); i++) {
    REQUIRE(rows[i].size() == rows[0].size());
    CHECK(cell(rows, i, "seq") == std::to_string(i - 1));
    for (const auto& value : rows[i]) {
      const auto read = value.get<std::string>();
      CHECK((read.empty() || std::string("=+-@\t\r").find(read[0]) == std::string::npos));
    }
    bodies.insert(cell(rows, i, "body"));
    if (cell(rows, i, "action") != "reviewed" || !cell(rows, i, "body").starts_with("'")) continue;
    CHECK(cell(rows, i, "recipient") == std::string("'") + kPhone);
    CHECK(cell(rows, i, "reviewNotes") == "'@clearer");
    CHECK(cell(rows, i, "patientId") == kPatient);
    CHECK(cell(rows, i, "channel") == "sms");
    CHECK(cell(rows, i, "aiModelUsed") == "model-a");
    CHECK(cell(rows, i, "tokensConsumed") == "120");
    CHECK(cell(rows, i, "erased") == "false");
    CHECK(Json::parse(cell(rows, i, "editHistory")).size() == 1);
    CHECK(Json::parse(cell(rows, i, "detail"))["decision"] == "approved");
  }
  CHECK(bodies.contains("'" + text + " Grüße"));
  CHECK(bodies.contains("plain Grüße"));
  // Without content none of it is there, nor are its columns.
  const std::string bare = world.exported(world.auditor, {{"format", "csv"}, {"include", {{"metadata", false}}}});
  for (const char* part : {"body", "editHistory", "patientId", "aiModelUsed", "plain", kPhone, "clearer"})
    CHECK(bare.find(part) == std::string::npos);
}

TEST_CASE("JSON has the events to the octet, with what is known of their messages, and the digest of all") {
  World world;
  const auto id = world.message();
  REQUIRE(world.call("POST", "/api/audit-logs", world.admin, R"({"note":"Checked by phone."})").status == 201);
  world.sequence();
  const std::string bare = world.exported(world.auditor, {{"format", "json"}, {"filters", {{"messageId", id}}}});
  const Json read = Json::parse(bare);
  CHECK(read["purpose"] == "audit");
  CHECK(read["filters"] == Json({{"messageId", id}}));
  CHECK(read["include"] == Json({{"content", false}, {"editHistory", false}, {"metadata", true}}));
  CHECK(read["checkpoint"]["size"] == world.count("audit.log"));
  CHECK(read["rows"] == 4);
  const std::string lines = world.canon_lines("object_id = '" + id + "'");
  CHECK(read["dataSha256"] == to_hex(view(sha256(lines))));
  std::string again;
  for (const auto& entry : read["entries"]) {
    const std::string canon = entry["event"].dump();
    CHECK(entry["leaf"] == to_hex(view(leaf_hash(canon))));
    CHECK(bare.find(canon) != std::string::npos);
    CHECK(entry["message"]["messageId"] == id);
    CHECK_FALSE(entry.contains("content"));
    CHECK_FALSE(entry.contains("editHistory"));
    again += canon + "\n";
  }
  CHECK(again == lines);
  const Json full = Json::parse(world.exported(
      world.reader,
      {{"format", "json"}, {"include", {{"content", true}, {"editHistory", true}, {"metadata", false}}}}));
  bool has_note = false;
  for (const auto& entry : full["entries"]) {
    CHECK_FALSE(entry.contains("message"));
    if (entry["event"]["action"] == "external_note") {
      has_note = true;
      CHECK(entry["note"] == "Checked by phone.");
    }
    if (entry["event"].value("object", Json::object()).value("id", "") != id) continue;
    CHECK(entry["erased"] == false);
    CHECK(entry["content"]["patientId"] == kPatient);
    CHECK(entry["content"]["recipient"] == kPhone);
    CHECK(entry["content"]["body"] == "Your LVEF is 45 %. Grüße");
    // As of that event: a draft was neither edited nor reviewed.
    const bool is_draft = entry["event"]["action"] == "draft_generated";
    CHECK(entry["editHistory"].size() == (is_draft ? 0 : entry["event"]["action"] == "submitted_for_review" ? 0 : 1));
    if (is_draft) CHECK(entry["content"]["reviewNotes"].is_null());
  }
  CHECK(has_note);
  const Json none =
      Json::parse(world.exported(world.auditor, {{"format", "json"}, {"filters", {{"action", "purged"}}}}));
  CHECK(none["rows"] == 0);
  CHECK(none["entries"].empty());
}

TEST_CASE("a PDF has its purpose, filters, digest and proof, page numbers, and texts in any script") {
  World world;
  world.message({{"contentDraft", "Ελληνικά, Кириллица: 45 %"}});
  world.insert_notes(150);
  world.sequence();
  const Json task = world.ended(world.ask(world.reader, {{"format", "pdf"},
                                                         {"purpose", "legal"},
                                                         {"filters", {{"from", "2026-01-01T00:00:00Z"}}},
                                                         {"include", {{"content", true}}}}));
  (void)world.file_of(task);
  const std::string path = world.tasks.path_of(*parse_uuid(task["id"].get<std::string>()));
  if (const char* kept = std::getenv("SIGNET_SAMPLES")) output_of("cp " + path + " " + kept + "/export.pdf");
  const std::string text = output_of("pdftotext -q -layout " + path + " -");
  const auto pages = std::count(text.begin(), text.end(), '\f');
  CHECK(pages > 3);
  const auto checkpoint = world.sql("select size, root from audit.checkpoint order by size desc limit 1");
  for (const std::string& part :
       {std::string("Audit export"), std::string("legal"), std::string("from 2026-01-01T00:00:00.000000Z"),
        std::string("events, content,metadata"), std::string("Ἀγάθη Ševčíková, auditor"),
        "page 1 of " + std::to_string(pages), "page " + std::to_string(pages) + " of " + std::to_string(pages),
        task["result"]["dataSha256"].get<std::string>(),
        "Checkpoint of " + std::to_string(checkpoint.number(0, 0)) + " entries, root " +
            to_hex(checkpoint.octets(0, 1)),
        std::string("Ελληνικά, Кириллица: 45 % Grüße"), std::string(kPhone), std::string("draft_generated")}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("a PDF of more than 5,000 entries is refused, and CSV is named") {
  World world;
  world.insert_notes(5000);
  world.sequence();
  const auto answer = world.ask(world.auditor, {{"format", "pdf"}});
  CHECK(answer.status == 202);  // 5,000 it may have
  world.insert_notes(1);
  world.sequence();
  const auto refused = world.ask(world.auditor, {{"format", "pdf"}});
  CHECK(refused.status == 413);
  CHECK(refused.raw.body.find("csv") != std::string::npos);
  CHECK(world.count("task") == 1);
  CHECK(world.ask(world.auditor, {{"format", "pdf"}, {"filters", {{"action", "export_requested"}}}}).status == 202);
  CHECK(world.ask(world.auditor, {{"format", "csv"}}).status == 202);
  CHECK(world.ended(answer)["result"]["rows"] == 5000);
}

TEST_CASE("FHIR is a bundle of events, of what was communicated, and of what was approved") {
  World world;
  const auto id = world.message();
  world.draft(world.user(Role::staff));
  world.sequence();
  const std::string file =
      world.exported(world.reader, {{"format", "fhir"}, {"purpose", "legal"}, {"include", {{"content", true}}}});
  std::ofstream(SIGNET_FHIR_SAMPLE, std::ios::binary) << file;
  const Json bundle = Json::parse(file);
  std::map<std::string, int> kinds;
  for (const auto& entry : bundle["entry"]) {
    const Json& resource = entry["resource"];
    CHECK(entry["fullUrl"] == "urn:uuid:" + resource["id"].get<std::string>());
    kinds[resource["resourceType"]]++;
    if (resource["resourceType"] != "Communication") continue;
    CHECK(resource["id"] == id);
    CHECK(resource["status"] == "preparation");
    CHECK(resource["payload"][0]["contentString"] == "Your LVEF is 45 %. Grüße");
  }
  CHECK(kinds == std::map<std::string, int>{{"AuditEvent", static_cast<int>(world.count("audit.log"))},
                                            {"Communication", 1},
                                            {"Provenance", 1}});
  const std::string bare = world.exported(world.auditor, {{"format", "fhir"}});
  for (const char* part : {kPatient, kPhone, "LVEF", "\"signature\""}) CHECK(bare.find(part) == std::string::npos);
  CHECK(bare.find("\"Communication\"") != std::string::npos);
  const std::string events = world.exported(world.auditor, {{"format", "fhir"}, {"include", {{"metadata", false}}}});
  CHECK(events.find("\"resourceType\":\"Communication\"") == std::string::npos);
}

TEST_CASE("what was erased is said to be, and no export holds it any more") {
  World world;
  const auto id = world.message();
  world.message({{"contentDraft", "Another one."}});
  world.sequence();
  world.sql("delete from content where message_id = '" + id + "'");
  world.sql("delete from data_key where message_id = '" + id + "'");
  for (const char* format : kFormats) {
    CAPTURE(format);
    const std::string file =
        world.exported(world.reader, {{"format", format}, {"include", {{"content", true}, {"editHistory", true}}}});
    CHECK(file.find("LVEF") == std::string::npos);
    if (format == std::string("json")) {
      int erased = 0;
      const Json read = Json::parse(file);
      for (const auto& entry : read["entries"]) {
        if (entry["event"].value("object", Json::object()).value("id", "") != id) continue;
        erased++;
        CHECK(entry["erased"] == true);
        CHECK(entry["content"].is_null());
        CHECK(entry["editHistory"].is_null());
      }
      CHECK(erased == 4);
    }
  }
}

TEST_CASE("an export is as of the checkpoint when it was asked for, whenever it is written") {
  World world;
  world.message();
  const auto early = world.ask(world.auditor, {{"format", "json"}});  // no checkpoint yet
  world.sequence();
  const int64_t size = world.count("audit.log");
  const auto asked = world.ask(world.auditor, {{"format", "json"}});
  world.insert_notes(10);
  world.sequence();
  const Json none = Json::parse(world.file_of(world.ended(early)));
  CHECK(none["rows"] == 0);
  CHECK(none["checkpoint"].is_null());
  const Json task = world.ended(asked);
  CHECK(task["result"]["rows"] == size);
  CHECK(task["result"]["checkpointSize"] == size);
}

TEST_CASE("filters narrow an export to what they name, also over more than one batch") {
  World world;
  const auto id = world.message();
  world.insert_notes(2 * EntryScan::kBatchMax + 7);
  world.message({{"patientId", "P-2"}});
  world.sequence();
  auto rows = [&](const Json& filters) {
    return world.ended(world.ask(world.auditor, {{"format", "json"}, {"filters", filters}}))["result"]["rows"];
  };
  CHECK(rows({{"action", "logout"}}) == 2 * EntryScan::kBatchMax + 7);
  CHECK(rows({{"messageId", id}}) == 4);
  CHECK(rows({{"patientId", kPatient}}) == 4);
  CHECK(rows({{"patientId", "P-3"}}) == 0);
  CHECK(rows({{"recipientPhone", kPhone}}) == 8);
  CHECK(rows({{"channel", "sms"}}) == 8);
  CHECK(rows({{"channel", "email"}}) == 0);
  CHECK(rows({{"status", "queued"}}) == 2);
  CHECK(rows({{"actor", world.admin.id.text()}, {"action", "logout"}}) == 2 * EntryScan::kBatchMax + 7);
  CHECK(rows({{"from", "2027-01-01T00:00:00Z"}}) == 0);
}

TEST_CASE("a purpose is one of the words, and what is unknown is refused by name") {
  World world;
  auto fault = [&](const Json& body) {
    const auto answer = world.call("POST", "/api/audit-export/export", world.auditor, body.dump());
    CHECK(answer.status == 400);
    return answer.body["details"]["errors"].dump();
  };
  CHECK(fault({{"format", "csv"}}).find("purpose") != std::string::npos);
  CHECK(fault({{"purpose", "audit"}}).find("format") != std::string::npos);
  CHECK(fault({{"format", "csv"}, {"purpose", "curiosity"}}).find("patient_request") != std::string::npos);
  CHECK(fault({{"format", "xls"}, {"purpose", "audit"}}).find("csv, json, pdf, fhir") != std::string::npos);
  CHECK(fault({{"format", "csv"}, {"purpose", "audit"}, {"x", 1}}).find("x") != std::string::npos);
  CHECK(fault({{"format", "csv"}, {"purpose", "audit"}, {"filters", {{"patient", "x"}}}}).find("filters.patient") !=
        std::string::npos);
  CHECK(fault({{"format", "csv"}, {"purpose", "audit"}, {"include", {{"all", true}}}}).find("include.all") !=
        std::string::npos);
  CHECK(fault({{"format", "csv"}, {"purpose", "audit"}, {"filters", {{"status", "lost"}}}}).find("status") !=
        std::string::npos);
  CHECK(world.count("task") == 0);
}

// Ends the export's own connection when it has written something.
class CutRun : public TaskRun {
 public:
  CutRun(TaskRun& run, World& world) : run_(run), world_(world) {}
  const Task& task() const override { return run_.task(); }
  PgSession& session() override { return run_.session(); }
  Sink& file() override { return run_.file(); }
  Result<void> progress(int64_t done, int64_t total) override {
    const auto pid = session().run("select pg_backend_pid()");
    if (pid) world_.sql("select pg_terminate_backend(" + std::to_string(pid->number(0, 0)) + ", 5000)");
    return run_.progress(done, total);
  }

 private:
  TaskRun& run_;
  World& world_;
};

TEST_CASE("a connection that breaks in the middle leaves no file, and says what to do") {
  World world;
  world.insert_notes(EntryScan::kBatchMax + 1);
  world.sequence();
  const auto folder = std::filesystem::path(world.tasks.path_of({})).parent_path();
  bool is_cut = true;
  int recorded = 0;
  world.tasks.add(
      "export",
      [&, work = export_work(world.keyring, world.clock)](TaskRun& run) {
        CutRun cut(run, world);
        return is_cut ? work(cut) : work(run);
      },
      export_ended(world.ids, world.clock));
  for (const char* format : kFormats) {
    CAPTURE(format);
    is_cut = true;
    const Json failed = world.ended(world.ask(world.auditor, {{"format", format}}));
    CHECK(failed["state"] == "failed");
    CHECK(failed["failure"].get<std::string>().find("ask again") != std::string::npos);
    CHECK(failed["file"].is_null());
    CHECK(std::filesystem::is_empty(folder));
    CHECK(world.count("audit.entry where action = 'export'") == recorded);
    is_cut = false;
    const Json again = world.ended(world.ask(world.auditor, {{"format", format}}));
    CHECK(again["state"] == "done");
    recorded++;
    world.call("DELETE", "/api/tasks/" + again["id"].get<std::string>(), world.auditor);
  }
}

TEST_CASE("provenance is given as a FHIR resource, signed, to who may read the message") {
  World world;
  const auto doctor = world.user(Role::doctor);
  const auto id = world.letter(world.user(Role::staff), doctor);
  REQUIRE(world.approve(doctor, id).status == 200);
  for (const std::string& path : {"/api/letters/" + id + "/provenance", "/api/messages/" + id + "/provenance"}) {
    const auto answer = world.call("GET", path + "?format=fhir", doctor);
    REQUIRE(answer.status == 200);
    CHECK(answer.raw.content_type == "application/fhir+json");
    CHECK(answer.body["resourceType"] == "Provenance");
    CHECK(answer.body["meta"]["tag"][0]["code"] == "true");
    CHECK(answer.body["signature"].size() == 1);
    CHECK(world.last_event("provenance_read")["detail"]["format"] == "fhir");
    CHECK(world.call("GET", path + "?format=fhir", world.auditor).status == 403);
    CHECK(world.call("GET", path + "?format=xml", doctor).status == 400);
  }
}

}  // namespace
}  // namespace signet::api
