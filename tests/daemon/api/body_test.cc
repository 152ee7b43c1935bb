#include "daemon/api/body.h"

#include <catch2/catch.hpp>

#include "message/message.h"

namespace signet::api {
namespace {

std::vector<std::string> told(const std::vector<Fault>& faults) {
  std::vector<std::string> out;
  for (const auto& fault : faults) out.push_back(describe(fault));
  return out;
}

// Everything a body may hold here, read as a handler does.
struct Read {
  explicit Read(std::string_view json) {
    ReadBody body = read_json(json);
    if (body.faults.empty()) {
      Members members(body.root, "", body.faults);
      members.require("kind", "write sms or email");
      kind = members.word<Kind>("kind", parse_kind, {"sms", "email"});
      text = members.text("text", 10);
      prose = members.text("prose", 10, true);
      count = members.integer("count", 1, 9);
      at = members.time("at");
      id = members.id("id");
      label = members.label("label", 5, ":");
      tags = members.labels("tags", 2, 5);
      members.finish();
    }
    faults = told(body.faults);
  }
  std::optional<Kind> kind;
  std::optional<std::string> text, prose, label;
  std::optional<int64_t> count;
  std::optional<WallTime> at;
  std::optional<Uuid> id;
  std::vector<std::string> tags;
  std::vector<std::string> faults;
};

TEST_CASE("a good body is read") {
  const Read read(R"({"kind":"sms","text":"héllo","prose":"a\nb","count":9,"at":"2026-11-22T01:00:00+01:00",)"
                  R"("id":"0190a000-0000-7000-8000-000000000001","label":"a:b","tags":["x","y"]})");
  CHECK(read.faults.empty());
  CHECK(read.kind == Kind::sms);
  CHECK(read.text == "héllo");
  CHECK(read.prose == "a\nb");
  CHECK(read.count == 9);
  CHECK(rfc3339(*read.at) == "2026-11-22T00:00:00.000000Z");
  CHECK(read.id->text() == "0190a000-0000-7000-8000-000000000001");
  CHECK(read.label == "a:b");
  CHECK(read.tags == std::vector<std::string>{"x", "y"});
}

TEST_CASE("null reads as absent") {
  const Read read(R"({"kind":"sms","text":null,"count":null,"at":null,"id":null,"label":null,"tags":null})");
  CHECK(read.faults.empty());
  CHECK_FALSE(read.text.has_value());
  CHECK(Read(R"({"kind":null})").faults == std::vector<std::string>{"kind is missing: write sms or email"});
}

TEST_CASE("each fault names the member, what is wrong and what to do") {
  struct Row {
    const char *body, *fault;
  };
  const Row rows[] = {
      {R"({})", "kind is missing: write sms or email"},
      {R"({"kind":"fax"})", "kind is not one of its words: write one of sms, email"},
      {R"({"kind":1})", "kind is not a text: write it in quotes"},
      {R"({"kind":"sms","txet":1})", "txet is unknown: known here: kind, text, prose, count, at, id, label, tags"},
      {R"({"kind":"sms","kind":"sms"})", "kind is there twice: write it once"},
      {R"({"kind":"sms","text":"12345678901"})", "text is too long: at most 10 octets"},
      {R"({"kind":"sms","text":"a\nb"})", "text holds a control character: write it on one line"},
      {R"({"kind":"sms","text":"a\u0000b"})", "text holds a control character: write it on one line"},
      {R"({"kind":"sms","prose":"a\u0000b"})", "prose holds a control character: take it out"},
      {R"({"kind":"sms","count":10})", "count is out of range: write a whole number from 1 to 9"},
      {R"({"kind":"sms","count":"1"})", "count is not a whole number: write a whole number from 1 to 9"},
      {R"({"kind":"sms","count":1.5})", "count is not a whole number: write a whole number from 1 to 9"},
      {R"({"kind":"sms","count":1e0})", "count is not a whole number: write a whole number from 1 to 9"},
      {R"({"kind":"sms","count":18446744073709551615})",
       "count is not a whole number: write a whole number from 1 to 9"},
      {R"({"kind":"sms","at":"tomorrow"})", "at is not a time: write it as 2026-11-22T09:30:00Z"},
      {R"({"kind":"sms","id":"1"})", "id is not an id: write the UUID that the API gave"},
      {R"({"kind":"sms","label":"a b"})",
       "label is not a label: write 1 to 5 of A-Z a-z 0-9 . _ - :, and nothing about a patient: it is stored in clear"},
      {R"({"kind":"sms","label":""})",
       "label is not a label: write 1 to 5 of A-Z a-z 0-9 . _ - :, and nothing about a patient: it is stored in clear"},
      {R"({"kind":"sms","tags":"x"})", "tags is not a list of at most 2: write [\"a\", \"b\"]"},
      {R"({"kind":"sms","tags":["x",2]})",
       "tags[1] is not a label: write 1 to 5 of A-Z a-z 0-9 . _ -, and nothing about a patient: it is stored in clear"},
      {R"([])", "The body is not an object: write {\"member\": value}"},
      {R"("sms")", "The body is not an object: write {\"member\": value}"},
      {"", "The body is no JSON from octet 1 on: send one JSON object in UTF-8"},
      {"{\"kind\":\"sms\"", "The body is no JSON from octet 14 on: send one JSON object in UTF-8"},
      {"{\"kind\":\"sms\"} x", "The body is no JSON from octet 16 on: send one JSON object in UTF-8"},
      {"{\"kind\":\"\xff\"}", "The body is no JSON from octet 10 on: send one JSON object in UTF-8"},
      {R"({"kind":"\ud800"})", "The body is no JSON from octet 16 on: send one JSON object in UTF-8"},
      {R"({"kind":1e999})", "The body is no JSON from octet 13 on: send one JSON object in UTF-8"},
      {R"({'kind':'sms'})", "The body is no JSON from octet 2 on: send one JSON object in UTF-8"},
  };
  for (const auto& row : rows) {
    INFO(row.body);
    CHECK(Read(row.body).faults == std::vector<std::string>{row.fault});
  }
}

TEST_CASE("all faults are found in one pass") {
  CHECK(Read(R"({"text":1,"count":0,"at":"x","more":1,"other":2})").faults.size() == 6);
}

TEST_CASE("a repeated tag counts once") {
  CHECK(Read(R"({"kind":"sms","tags":["x","x"]})").tags == std::vector<std::string>{"x"});
}

TEST_CASE("a fault never repeats a value, and a name only in part") {
  const std::string secret = "+61412345678";
  for (const char* body : {R"({"kind":"+61412345678"})", R"({"kind":"sms","text":"+61412345678"})",
                           R"({"kind":"sms","label":"+61412345678"})", R"({"kind":"sms" "+61412345678"})",
                           R"({"kind":"sms","tags":["+61412345678"]})"})
    for (const auto& fault : Read(body).faults) CHECK(fault.find(secret) == std::string::npos);
  const auto faults = Read("{\"kind\":\"sms\",\"" + std::string(500, 'n') + "\":1,\"a\\nb\":2}").faults;
  REQUIRE(faults.size() == 2);
  CHECK(faults[0].size() < 200);
  CHECK(faults[1].starts_with("a?b is unknown"));
}

TEST_CASE("duplicates are found where they lie") {
  CHECK(told(read_json(R"([{"a":1},{"a":{"b":[{"c":1,"c":2}]}}])").faults) ==
        std::vector<std::string>{"[1].a.b.[0].c is there twice: write it once"});
}

TEST_CASE("what is nested too deep, or has too many members, is refused") {
  CHECK(read_json(std::string(16, '[') + std::string(16, ']')).faults.empty());
  CHECK(read_json(std::string(17, '[') + std::string(17, ']')).faults.size() == 1);
  CHECK(read_json(std::string(100000, '[')).faults.size() == 1);
  std::string many = "{";
  for (int i = 0; i < 65; ++i) many += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":1";
  CHECK(read_json(many + "}").faults.size() == 1);
}

}  // namespace
}  // namespace signet::api
