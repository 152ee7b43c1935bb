#include "audit/report.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/crypto.h"
#include "tests/base/files.h"

using namespace signet;
using Json = nlohmann::json;

namespace {

Figures sample() {
  Figures f;
  f.from = *parse_rfc3339("2026-10-01T00:00:00Z");
  f.to = *parse_rfc3339("2026-11-01T00:00:00Z");
  f.log.from = {1000, std::string(32, 'a'), "note a", f.from};
  f.log.to = {5000, std::string(32, 'b'), "note b", f.to};
  f.log.entries = 4000;
  f.log.anchors = {{"witness", 12, 4990, f.to}};
  f.actions = {{"login", 40}, {"login_refused", 3}, {"sent", 90}, {"break_glass_opened", 2}, {"purged", 5}};
  f.messages = {{Kind::sms, Priority::normal, Status::delivered, true, 70},
                {Kind::email, Priority::high, Status::delivered, true, 20},
                {Kind::sms, Priority::normal, Status::failed, false, 4}};
  f.reviews.approved = 90;
  f.reviews.quorum_lowered = 1;
  f.reviews.time_to_review = {80, 65'000, 3'700'000, 90'000'000};
  f.reviews.warnings = {{"FLAGS_OPEN", 7}};
  f.models = {{"model-a", 60, 120'000}};
  f.delivery.providers = {{"relay", 90, 10, 1, 85}};
  f.delivery.failed_for_good = 10;
  f.people = {{*parse_uuid("0190a000-0000-7000-8000-000000000001"), "=cmd|' /C calc'!A0", "reviewer", 0, 90, 1, 0,
               65'000, 30'000}};
  return f;
}

ReportSource source() {
  ReportSource s;
  s.version = "1.2.3";
  s.instance = "signetd-1";
  s.log_name = "signet/test";
  s.made_at = *parse_rfc3339("2026-11-01T06:00:00Z");
  s.made_for = "schedule monthly";
  s.consistency = Consistency::verified;
  s.proof_hashes = 9;
  return s;
}

std::string text_of(const std::string& pdf) {
  TestDir folder;
  const char* kept = std::getenv("SIGNET_SAMPLES");
  const std::string path = kept ? std::string(kept) + "/report.pdf" : folder / "report.pdf";
  std::ofstream(path, std::ios::binary) << pdf;
  std::FILE* pipe = popen(("pdftotext -q -layout " + path + " -").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char some[4096];
  while (const size_t size = std::fread(some, 1, sizeof some, pipe)) out.append(some, size);
  CHECK(pclose(pipe) == 0);
  return out;
}

}  // namespace

TEST_CASE("a report's JSON is canonical and has every figure under its name") {
  const std::string json = report_json(sample(), source());
  CHECK(canonicalize(json).value() == json);
  const Json report = Json::parse(json);
  CHECK(report["period"]["from"] == "2026-10-01T00:00:00.000000Z");
  CHECK(report["log"]["from"]["size"] == 1000);
  CHECK(report["log"]["to"]["size"] == 5000);
  CHECK(report["log"]["consistency"] == "verified");
  CHECK(report["log"]["anchors"][0]["newestSize"] == 4990);
  CHECK(report["log"]["fullVerification"]["at"].is_null());
  CHECK(report["messages"]["drafted"] == 94);
  CHECK(report["messages"]["byChannel"] == Json::parse(R"([{"count":20,"name":"email"},{"count":74,"name":"sms"}])"));
  CHECK(report["approvals"]["timeToReview"]["p95Ms"] == 3'700'000);
  CHECK(report["ai"]["tokens"] == 120'000);
  CHECK(report["delivery"]["successPercent"] == 90.0);
  CHECK(report["delivery"]["providers"][0]["successPercent"] == 90.0);
  CHECK(report["access"]["logIns"] == 40);
  CHECK(report["retention"]["purged"] == 5);
  CHECK(report["signOff"].size() == 3);
  std::vector<std::string> rules, exceptions;
  for (const auto& line : report["controls"]) {
    rules.push_back(line["rule"]);
    CHECK(line["evidence"] != "");
  }
  CHECK(rules == std::vector<std::string>{"(a)(1)", "(a)(2)(i)", "(a)(2)(ii)", "(a)(2)(iii)", "(a)(2)(iv)", "(b)",
                                          "(c)(1)", "(c)(2)", "(d)", "(e)(1)", "(e)(2)(i)", "(e)(2)(ii)"});
  for (const auto& line : report["exceptions"]) exceptions.push_back(line["what"]);
  CHECK(exceptions == std::vector<std::string>{"No full verification of the log on record",
                                               "High risk approved by one person, as this site allows",
                                               "Failed without a provider's word"});
}

TEST_CASE("a report on a managed database says that there are no guards") {
  Figures figures = sample();
  figures.log.has_guards = false;
  const Json report = Json::parse(report_json(figures, source()));
  CHECK(report["log"]["schemaGuards"] == false);
  CHECK(report["exceptions"].dump().find("a managed database") != std::string::npos);
}

TEST_CASE("PDF and CSV are made of the JSON, print its SHA-256, and say the same") {
  const std::string json = report_json(sample(), source());
  const std::string digest = to_hex(view(sha256(json)));
  StringSink csv, pdf;
  REQUIRE(report_csv(json, csv).ok());
  CHECK(csv.text.starts_with("section,table,row,figure,value\r\nSource,,,SHA-256 of the JSON," + digest + "\r\n"));
  for (const char* line : {"Approvals,,,Approved,90", "Approvals,From submission to decision,,95 % within,3700000",
                           "Delivery,By provider,1,Percent,90", "Log,Checkpoint at the end,,Entries,5000",
                           "Log,,,Guards against changes of the schema,yes", "Access,,,Log-ins refused,3"})
    CHECK(csv.text.find(std::string("\r\n") + line + "\r\n") != std::string::npos);
  CHECK(csv.text.find("\r\nPeople,,1,Name,\"'=cmd|' /C calc'!A0\"\r\n") != std::string::npos);

  REQUIRE(report_pdf(json, pdf).ok());
  const std::string text = text_of(pdf.text);
  for (const std::string& shown :
       {digest, std::string("Controls after 45 CFR 164.312"), std::string("TGA and PBS"), std::string("1 h 1 min"),
        std::string("Sign-off"), std::string("not a legal"), std::string("2026-10-01")})
    CHECK(text.find(shown) != std::string::npos);
  StringSink again;
  REQUIRE(report_pdf("{}", again).error().code == ErrorCode::corrupt);
  REQUIRE(report_csv("[]", again).error().code == ErrorCode::corrupt);
}
