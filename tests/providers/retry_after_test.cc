#include "providers/retry_after.h"

#include <catch2/catch.hpp>
#include <vector>

#include "providers/settings.h"

using namespace signet;

namespace {

const std::string kNoon = "Sun, 22 Nov 2026 12:00:00 GMT";
constexpr int64_t kNoonEpochS = 1795348800;
constexpr int64_t kWeekMs = 7 * 24 * 3600 * int64_t{1000};

}  // namespace

TEST_CASE("a limit's reset is read as seconds or as a moment since 1970, and rubbish is none") {
  struct Row {
    std::string value, date;
    ResetUnit unit;
    std::optional<int64_t> ms;
  };
  using enum ResetUnit;
  for (auto& row : std::vector<Row>{
           {"", kNoon, seconds, std::nullopt},
           {"0", "", seconds, 0},
           {"12", "", seconds, 12000},
           {"99999999999999999999", "", seconds, kWeekMs},
           {"-1", "", seconds, std::nullopt},
           {"1.5", "", seconds, std::nullopt},
           {std::to_string(kNoonEpochS + 30), kNoon, epoch, 30000},
           {std::to_string(kNoonEpochS - 30), kNoon, epoch, 0},
           {std::to_string(kNoonEpochS + 30), "", epoch, std::nullopt},
           {std::to_string(kNoonEpochS + 30), "noon", epoch, std::nullopt},
           {"99999999999999999999", kNoon, epoch, kWeekMs},
           {"soon", kNoon, epoch, std::nullopt},
       }) {
    INFO(row.value << " at " << row.date);
    CHECK(reset_after_ms({429, {{"date", row.date}, {"x-reset", row.value}}, ""}, "x-reset", row.unit) == row.ms);
  }
  CHECK(!reset_after_ms({429, {}, ""}, "x-reset", seconds));
}

TEST_CASE("a date or seconds inside a text say when to try again") {
  struct Row {
    std::string text;
    std::optional<int64_t> ms;
  };
  for (auto& row : std::vector<Row>{
           {"Domain x.example is not allowed to send: limit exceeded, try again after Sun, 22 Nov 2026 12:10:00 UTC",
            600000},
           {"Sun, 22 Nov 2026 12:00:01 GMT", 1000},
           {"retry at Sun, 22 Nov 2026 12:00:02 +0000.", 2000},
           {"first Sun, 22 Nov 2026 11:00:00 GMT", 0},
           {"", std::nullopt},
           {", , ,", std::nullopt},
           {"Sun, 22 Nov", std::nullopt},
           {"Sun, 22 Nov 2026 12:10:00 CET", std::nullopt},
           {"Xyz, 99 Nov 2026 99:99:99 GMT", std::nullopt},
           {std::string(100000, ','), std::nullopt},
       }) {
    INFO(row.text.substr(0, 100));
    CHECK(retry_text_ms({429, {{"date", kNoon}}, ""}, row.text) == row.ms);
    CHECK(!retry_text_ms({429, {}, ""}, row.text));
  }
  for (auto& row : std::vector<Row>{{"request limit exceeded, try again after 120 seconds", 120000},
                                    {"try again after 1 second.", 1000},
                                    {"try again after 99999999999999999999 seconds", 7 * 24 * 3600 * int64_t{1000}},
                                    {"try again after seconds", std::nullopt},
                                    {"try again after 5 minutes", std::nullopt},
                                    {"try again after 5", std::nullopt},
                                    {"try again after ", std::nullopt}}) {
    INFO(row.text);
    CHECK(retry_text_ms({429, {}, ""}, row.text) == row.ms);
  }
}

TEST_CASE("a secret's file may hold several secrets, one a line") {
  ProviderSettings settings;
  settings.name = "main";
  CHECK(secrets_of(settings, "key").empty());
  using Lines = std::vector<std::string_view>;
  settings.secrets["key"] = Secret("one");
  CHECK(secrets_of(settings, "key") == Lines{"one"});
  settings.secrets["key"] = Secret("one\r\n\ntwo\n");
  CHECK(secrets_of(settings, "key") == Lines{"one", "two"});
  CHECK(!header_secret_of(settings, "key"));
  CHECK(header_secret_of(settings, "key").error().text.find("key_file") != std::string::npos);
  settings.secrets["key"] = Secret("one");
  CHECK(header_secret_of(settings, "key").value() == "one");
}
