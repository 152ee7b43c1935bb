#include "daemon/evidence/export_entries.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "base/bytes.h"
#include "base/sha256.h"
#include "daemon/api/content.h"
#include "daemon/api/note.h"
#include "store/day_key.h"
#include "store/entry_scan.h"

namespace signet {
namespace {

// Entries of one message stand close to each other in the log.
constexpr size_t kOpenedMax = 256;
constexpr int64_t kRestUsMax = 200'000;

struct OpenedMessage {  // none of it: erased
  std::optional<api::Content> content;
  std::vector<ApprovalRow> approvals;
  std::vector<EditRow> edits;
};

// Opens what messages say, while a batch of their entries is read.
class Opener {
 public:
  Opener(const ExportSource& source, PgTransaction& tx, std::map<Uuid, OpenedMessage>& opened)
      : source_(source), tx_(tx), opened_(opened) {}

  Result<void> fill(ExportEntry& entry) {
    const OpenedMessage* message = nullptr;
    if (entry.row.message_id) {
      auto found = open(*entry.row.message_id);
      if (!found) return found.error();
      message = *found;
      entry.is_erased = !message->content;
      if (message->content) entry.content = content_at(*message, entry.row.at);
    }
    if (source_.what.has_content && entry.row.action == "external_note") return fill_note(entry, message);
    return {};
  }

 private:
  Result<const OpenedMessage*> open(const Uuid& id) {
    if (const auto known = opened_.find(id); known != opened_.end()) return &known->second;
    if (opened_.size() >= kOpenedMax) opened_.clear();
    OpenedMessage message;
    auto sealed = read_content(tx_, id);
    if (!sealed) return sealed.error();
    if (*sealed) {
      auto content = api::open_content(source_.keyring, id, **sealed);
      if (!content)
        return Error{ErrorCode::corrupt, "the content of message " + id.text() +
                                             " does not open: verify the log, or export without content"};
      message.content = std::move(*content);
      auto approvals = list_approvals(tx_, id);
      if (!approvals) return approvals.error();
      message.approvals = std::move(*approvals);
      auto edits = list_edits(tx_, id);
      if (!edits) return edits.error();
      message.edits = std::move(*edits);
    }
    return &opened_.emplace(id, std::move(message)).first->second;
  }

  ExportContent content_at(const OpenedMessage& message, WallTime at) const {
    const api::Content& content = *message.content;
    ExportContent out;
    if (source_.what.has_content) {
      out.patient_id = content.details.patient_id;
      out.recipient = content.envelope.recipient;
      out.subject = content.envelope.subject;
      out.body = content.envelope.body;
      out.content_hash = to_hex(view(sha256(content.envelope.body)));
      for (const auto& approval : message.approvals)
        if (approval.at <= at && !approval.notes.empty()) out.review_notes = api::open_notes(content, approval);
    }
    if (source_.what.has_edit_history) {
      out.edit_history = "[";
      for (const auto& edit : message.edits)
        if (edit.at <= at) out.edit_history += (out.edit_history.size() > 1 ? "," : "") + api::edit_json(content, edit);
      out.edit_history += ']';
    }
    return out;
  }

  // Erased with the key that it was sealed under: its message's, or its day's.
  Result<void> fill_note(ExportEntry& entry, const OpenedMessage* message) {
    auto note = read_note(tx_, entry.row.event_id);
    if (!note || !*note) return note ? Result<void>() : note.error();
    const NoteRow& row = **note;
    if (row.sealed_by != "message") {
      auto day = day_key(tx_, source_.keyring, row.sealed_by);
      if (!day && day.error().code != ErrorCode::not_found) return day.error();
      if (day) entry.note = api::open_note(day->key, row.event_id, row.sealed);
    } else if (message && message->content) {
      entry.note = api::open_note(message->content->data_key, row.event_id, row.sealed);
    }
    entry.is_erased = entry.is_erased || entry.note.empty();
    return {};
  }

  const ExportSource& source_;
  PgTransaction& tx_;
  std::map<Uuid, OpenedMessage>& opened_;
};

}  // namespace

Result<ExportTotals> each_entry(const ExportSource& source, const TakeEntry& take) {
  EntryScan scan(source.session, source.what.filter, source.what.size,
                 source.what.has_metadata ? EntryDetail::with_metadata : EntryDetail::plain);
  ExportTotals totals;
  Sha256 data;
  std::map<Uuid, OpenedMessage> opened;
  while (!scan.is_done()) {
    const Tick began = source.clock.tick();
    auto rows = scan.next();
    if (!rows) return rows.error();
    std::optional<PgTransaction> tx;
    if (source.what.is_about_content()) tx.emplace(source.session);
    for (auto& row : *rows) {
      ExportEntry entry;
      entry.row = std::move(row);
      if (tx)
        if (auto filled = Opener(source, *tx, opened).fill(entry); !filled) return filled.error();
      data.add(entry.row.canon);
      data.add("\n");
      if (auto taken = take(entry); !taken) return taken.error();
      totals.rows++;
    }
    tx.reset();
    if (auto on = source.progress(scan.position(), source.what.size); !on) return on.error();
    // The server's half of the work has no priority that could be lowered: it has as long a rest.
    const int64_t worked_us = source.clock.tick().us - began.us;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(worked_us, kRestUsMax)));
  }
  totals.sha256 = data.finish();
  return totals;
}

}  // namespace signet
