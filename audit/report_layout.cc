// How the report's JSON is laid out for people: sections, tables and lines in the order of the design.
#include <nlohmann/json.hpp>
#include <vector>

#include "audit/csv.h"
#include "audit/pdf.h"
#include "audit/report.h"
#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {
namespace {

using Json = nlohmann::json;

struct Column {
  const char* member;
  const char* title;
  double share = 1;
};
struct Table {        // of a list of objects: a row each; of one object: a line for each column
  const char* path;   // a JSON pointer (RFC 6901)
  const char* title;  // empty: its section's
  std::vector<Column> columns;
};
struct Section {
  const char* title;
  const char* text;
  std::vector<Table> tables;
};

const std::vector<Column> kNamed{{"name", "", 3}, {"count", "Count"}};
const std::vector<Column> kDurations{
    {"count", "Count"}, {"p50Ms", "Half within"}, {"p95Ms", "95 % within"}, {"maxMs", "Longest"}};
const std::vector<Column> kCheckpoint{{"size", "Entries"}, {"root", "Root"}, {"at", "Signed at"}};

const std::vector<Section>& sections() {
  static const std::vector<Section> all{
      {"Period",
       "",
       {{"/period",
         "",
         {{"from", "From"}, {"to", "To (not included)"}, {"madeAt", "Made at"}, {"madeFor", "Made for"}}},
        {"/generator", "", {{"version", "signetd"}, {"instance", "Instance"}}}}},
      {"Log",
       "Checkpoints are signed; that of the end extends that of the beginning if the consistency proof verifies, which "
       "was made and checked for this report.",
       {{"/log",
         "",
         {{"name", "Log"},
          {"entries", "Entries of the period"},
          {"consistency", "Consistency of both ends"},
          {"proofHashes", "Hashes in that proof"},
          {"faultsOpen", "Open faults"},
          {"faultsInPeriod", "Faults found in the period"},
          {"schemaGuards", "Guards against changes of the schema"}}},
        {"/log/from", "Checkpoint at the beginning", kCheckpoint},
        {"/log/to", "Checkpoint at the end", kCheckpoint},
        {"/log/fullVerification", "Last full verification", {{"at", "At"}, {"size", "Entries"}}},
        {"/log/anchors",
         "Anchors outside of the database",
         {{"kind", "Kind", 2}, {"count", "In the period"}, {"newestSize", "Newest size"}, {"newestAt", "At", 2}}}}},
      {"Controls after 45 CFR 164.312",
       "What the product does about each line and what of the period shows it. This is evidence, not a legal opinion.",
       {{"/controls",
         "",
         {{"rule", "Line", 1.2},
          {"title", "Title", 2},
          {"kind", "Kind", 1.3},
          {"measure", "Measure", 4},
          {"evidence", "Evidence", 4}}}}},
      {"TGA and PBS",
       "Audit trail, source attribution, transparency of AI, clinical governance, integrity. Evidence, not a legal "
       "opinion.",
       {{"/governance", "", {{"topic", "Topic", 2}, {"measure", "Measure", 4}, {"evidence", "Evidence", 4}}}}},
      {"Messages",
       "Those drafted in the period, as they stood when the report was made.",
       {{"/messages", "", {{"drafted", "Drafted"}}},
        {"/messages/byStatus", "By state", kNamed},
        {"/messages/byChannel", "By channel", kNamed},
        {"/messages/byPriority", "By priority", kNamed}}},
      {"Approvals",
       "",
       {{"/approvals",
         "",
         {{"approved", "Approved"},
          {"rejected", "Rejected"},
          {"sentDirectly", "Sent directly"},
          {"selfReviewsBlocked", "Reviews of one's own, refused"},
          {"highRisk", "Approved at high risk"},
          {"quorum", "Signatures that high risk takes"},
          {"multiSignature", "Approved by several signatures"},
          {"firstSignatures", "First signatures of several"},
          {"quorumLowered", "At high risk approved by one, as this site allows"},
          {"selfEdited", "Edited by who approved"},
          {"ownKeys", "Signed by people's own keys"},
          {"serverKeys", "Signed by keys in custody"},
          {"withWarnings", "Approved in spite of warnings"},
          {"valuesVerified", "Clinical values verified"},
          {"flagsDismissed", "Flags dismissed"},
          {"dismissedWithoutReason", "Approvals that dismissed a flag without a reason"}}},
        {"/approvals/timeToReview", "From submission to decision", kDurations},
        {"/approvals/directByRole", "Sent directly, by role", kNamed},
        {"/approvals/warnings", "Warnings overridden", kNamed}}},
      {"AI models and tokens",
       "Of messages drafted in the period that name their model.",
       {{"/ai", "", {{"messages", "Messages"}, {"tokens", "Tokens"}}},
        {"/ai/models", "By model", {{"name", "Model", 3}, {"messages", "Messages"}, {"tokens", "Tokens"}}}}},
      {"Delivery",
       "",
       {{"/delivery",
         "",
         {{"sent", "Accepted by a provider"},
          {"confirmed", "Confirmed delivered"},
          {"failedForGood", "Failed for good"},
          {"successPercent", "Accepted, in percent of those that ended"},
          {"retries", "Retries"},
          {"inDoubt", "Came in doubt"},
          {"suppressed", "Not sent: opted out"},
          {"expired", "Not sent: too late"},
          {"cancelled", "Not sent: cancelled"},
          {"optOuts", "Opt-outs and complaints"}}},
        {"/delivery/timeToHonourOptOut", "From an opt-out to its suppression", kDurations},
        {"/delivery/providers",
         "By provider",
         {{"name", "Provider", 2},
          {"accepted", "Accepted"},
          {"failed", "Failed attempts"},
          {"inDoubt", "In doubt"},
          {"delivered", "Delivered"},
          {"successPercent", "Percent"}}},
        {"/delivery/failureReasons", "Why attempts failed", kNamed}}},
      {"People",
       "Who drafted or decided in the period.",
       {{"/people",
         "",
         {{"name", "Name", 1.8},
          {"id", "Id", 2.4},
          {"role", "Role", 1.2},
          {"drafted", "Drafted", 1.1},
          {"approved", "Approved", 1.3},
          {"rejected", "Rejected", 1.2},
          {"firstSignatures", "First of several", 1.1},
          {"timeToReviewP50Ms", "Half within", 1.3},
          {"reviewDurationMeanMs", "Mean time at it", 1.3}}}}},
      {"Access",
       "",
       {{"/access",
         "",
         {{"logIns", "Log-ins"},
          {"logInsRefused", "Log-ins refused"},
          {"lockOuts", "Lock-outs"},
          {"sessionsRevoked", "Sessions revoked"},
          {"usersCreated", "Users added"},
          {"usersChanged", "Users changed"},
          {"roleChanges", "Changes of role"},
          {"tokensCreated", "Tokens made"},
          {"tokensRevoked", "Tokens revoked"},
          {"keysEnrolled", "Signing keys enrolled"},
          {"keysRotated", "Signing keys replaced"},
          {"keysRevoked", "Signing keys revoked"},
          {"breakGlassOpened", "Break-glass opened"},
          {"breakGlassReviewed", "Break-glass reviewed"},
          {"breakGlassUnreviewed", "Of those opened in the period not reviewed yet"},
          {"refused", "Actions refused"},
          {"contentReads", "Reads of content"},
          {"auditReads", "Reads of the log"},
          {"exports", "Exports"},
          {"exportsWithContent", "Exports with content"}}},
        {"/access/exportsByFormat", "Exports by format", kNamed}}},
      {"Retention",
       "",
       {{"/retention",
         "",
         {{"years", "Years that content is kept"},
          {"purged", "Messages erased"},
          {"legalHoldsSet", "Legal holds set"},
          {"legalHoldsEnded", "Legal holds ended"},
          {"changes", "Changes of the policy"}}}}},
      {"Exceptions",
       "What somebody should look at; nothing is left out because it is small.",
       {{"/exceptions", "", {{"what", "What", 5}, {"count", "Count"}, {"where", "See section", 1.5}}}}},
      {"Events of the period", "Every action that the log holds of the period.", {{"/log/actions", "", kNamed}}},
      {"Sign-off",
       "",
       {{"/signOff", "", {{"role", "Role"}, {"name", "Name", 2}, {"date", "Date"}, {"signature", "Signature", 2}}}}},
  };
  return all;
}

std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "";
  return value.dump();
}

std::string spoken_ms(int64_t ms) {
  if (ms < 1000) return std::to_string(ms) + " ms";
  const int64_t s = ms / 1000;
  if (s < 60) return std::to_string(s) + " s";
  if (s < 3600) return std::to_string(s / 60) + " min " + std::to_string(s % 60) + " s";
  if (s < 86400) return std::to_string(s / 3600) + " h " + std::to_string(s / 60 % 60) + " min";
  return std::to_string(s / 86400) + " d " + std::to_string(s / 3600 % 24) + " h";
}

std::string spoken(std::string_view member, const Json& value) {
  if (member.ends_with("Ms") && value.is_number_integer()) return spoken_ms(value.get<int64_t>());
  if (value.is_null()) return "–";
  return plain(value);
}

Result<Json> parsed(std::string_view json) {
  Json report = Json::parse(json, nullptr, false);
  if (!report.is_object() || report.value("type", "") != "signet-compliance-report")
    return Error{ErrorCode::corrupt, "this is no compliance report"};
  return report;
}

const Json& at(const Json& report, const char* path) {
  static const Json none;
  const Json::json_pointer pointer(path);
  return report.contains(pointer) ? report.at(pointer) : none;
}

void add_lines(PdfDocument& pdf, const Table& table, const Json& object) {
  pdf.table({{"Figure", 3}, {"Value", 3}});
  for (const auto& column : table.columns)
    pdf.row({column.title, spoken(column.member, object.value(column.member, Json()))});
  pdf.end_table();
}

void add_rows(PdfDocument& pdf, const Table& table, const Json& list) {
  if (list.empty()) return pdf.paragraph("None.");
  std::vector<PdfColumn> columns;
  for (const auto& column : table.columns)
    columns.push_back({column.title, column.share, list.front().value(column.member, Json()).is_number()});
  pdf.table(columns);
  for (const auto& item : list) {
    std::vector<std::string> cells;
    for (const auto& column : table.columns) cells.push_back(spoken(column.member, item.value(column.member, Json())));
    pdf.row(cells);
  }
  pdf.end_table();
}

}  // namespace

Result<void> report_pdf(std::string_view json, Sink& to) {
  auto report = parsed(json);
  if (!report) return report.error();
  auto made_at = parse_rfc3339(plain(at(*report, "/period/madeAt")));
  if (!made_at) return made_at.error();
  const std::string digest = to_hex(view(sha256(json)));
  PdfStyle style;
  style.title = "Compliance report " + plain(at(*report, "/period/from")).substr(0, 10) + " to " +
                plain(at(*report, "/period/to")).substr(0, 10);
  style.footer = "SHA-256 of the JSON: " + digest;
  style.created_at = *made_at;
  auto made = PdfDocument::make(style);
  if (!made) return made.error();
  PdfDocument& pdf = **made;
  pdf.heading(1, style.title);
  pdf.paragraph("Rendered from the report's JSON, which is the source. SHA-256 of its bytes: " + digest +
                ". Numbers are those of the audit log and the database in one snapshot; the report holds nothing about "
                "a patient.");
  for (const auto& section : sections()) {
    pdf.heading(2, section.title);
    if (*section.text != 0) pdf.paragraph(section.text);
    for (const auto& table : section.tables) {
      if (*table.title != 0) pdf.paragraph(table.title);
      const Json& value = at(*report, table.path);
      if (value.is_array())
        add_rows(pdf, table, value);
      else
        add_lines(pdf, table, value);
    }
  }
  return pdf.finish(to);
}

Result<void> report_csv(std::string_view json, Sink& to) {
  auto report = parsed(json);
  if (!report) return report.error();
  CsvWriter csv(to);
  auto line = [&csv](std::initializer_list<std::string> cells) {
    return csv.row(std::span<const std::string>(cells.begin(), cells.size()));
  };
  auto done = line({"section", "table", "row", "figure", "value"});
  if (done) done = line({"Source", "", "", "SHA-256 of the JSON", to_hex(view(sha256(json)))});
  for (const auto& section : sections())
    for (const auto& table : section.tables) {
      const Json& value = at(*report, table.path);
      const Json rows = value.is_array() ? value : Json::array({value});
      for (size_t i = 0; i < rows.size(); i++)
        for (const auto& column : table.columns)
          if (done)
            done =
                line({section.title, table.title, value.is_array() ? std::to_string(i + 1) : "",
                      *column.title != 0 ? column.title : column.member, plain(rows[i].value(column.member, Json()))});
    }
  return done;
}

}  // namespace signet
