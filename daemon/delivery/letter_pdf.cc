#include "daemon/delivery/letter_pdf.h"

#include "audit/pdf.h"

namespace signet {

Result<std::string> letter_pdf(const std::string& subject, const std::string& body, WallTime at) {
  PdfStyle style;
  style.title = subject;
  style.created_at = at;
  auto document = PdfDocument::make(style);
  if (!document) return document.error();
  if (!subject.empty()) (*document)->heading(1, subject);
  (*document)->paragraph(body);
  StringSink pdf;
  if (auto done = (*document)->finish(pdf); !done) return done.error();
  return std::move(pdf.text);
}

}  // namespace signet
