// A paged document of text and tables: A4, fonts embedded, written at the end. Text is UTF-8; what is not, or lies
// beyond the Basic Multilingual Plane, which libharu cannot set, shows as U+FFFD; a character that the font lacks shows
// as the font's empty box and is found by a search none the less. No bidirectional text. One thread; what it holds
// grows with the pages.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/sink.h"

namespace signet {

struct PdfStyle {
  std::string title;   // in the head of each page, and the file's own
  std::string footer;  // at the foot of each, beside "page n of m"
  // TrueType; Debian: fonts-dejavu-core
  std::string font_path = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
  std::string bold_font_path = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf";
  WallTime created_at;
  bool is_landscape = false;
};

struct PdfColumn {
  std::string title;
  double width_share = 1;  // of the width, against the others'
  bool is_number = false;  // set against the right edge
};

class PdfDocument {
 public:
  // not_found: a font is not there; the text names the package.
  static Result<std::unique_ptr<PdfDocument>> make(const PdfStyle& style);
  virtual ~PdfDocument() = default;
  virtual void heading(int level, std::string_view text) = 0;  // 1, 2
  virtual void paragraph(std::string_view text) = 0;           // wrapped; keeps its line breaks
  // Begins a table, whose head is repeated on each page; columns without any title have none.
  virtual void table(const std::vector<PdfColumn>& columns) = 0;
  // As many cells as columns, wrapped; a row goes over to the next page whole unless it is longer than a page.
  virtual void row(const std::vector<std::string>& cells) = 0;
  virtual void end_table() = 0;
  // Nothing may be added afterwards. io: libharu failed at some step.
  virtual Result<void> finish(Sink& to) = 0;
};

}  // namespace signet
