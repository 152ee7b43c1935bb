#include "audit/pdf.h"

#include <hpdf.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/bytes.h"

namespace signet {
namespace {

// In points, 72 to the inch.
constexpr float kMargin = 45;
constexpr float kHeadRoom = 24, kFootRoom = 30;
constexpr float kTextSize = 9, kCellSize = 7, kSmallSize = 7;
constexpr float kLeading = 1.35F;  // a line's height, in sizes
constexpr float kCellPad = 3;

using Units = std::u16string;  // of the Basic Multilingual Plane: one a character

constexpr char16_t kReplacement = 0xfffd;

size_t octets_of(unsigned char first) { return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4; }

Units units_of(std::string_view utf8) {
  Units out;
  for (size_t i = 0; i < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    const size_t size = octets_of(first);
    if (!is_utf8(utf8.substr(i, size))) {
      out += kReplacement;
      i++;
      continue;
    }
    const auto bits = [&](size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(utf8[i + k]) & 0x3f); };
    if (size == 1)
      out += static_cast<char16_t>(first == '\t' ? ' ' : first);
    else if (size == 2)
      out += static_cast<char16_t>((first & 0x1fU) << 6 | bits(1));
    else if (size == 3)
      out += static_cast<char16_t>((first & 0x0fU) << 12 | bits(1) << 6 | bits(2));
    else
      out += kReplacement;
    i += size;
  }
  // Carriage returns go with their line feed; other controls have no shape.
  std::erase(out, u'\r');
  for (char16_t& c : out)
    if ((c < 0x20 && c != u'\n') || (c >= 0x7f && c < 0xa0)) c = kReplacement;
  return out;
}

std::string utf8_of(std::u16string_view units) {
  std::string out;
  for (const char16_t c : units) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xc0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
      out += static_cast<char>(0xe0 | c >> 12);
      out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
      out += static_cast<char>(0x80 | (c & 0x3f));
    }
  }
  return out;
}

class Face {  // one font, with the widths that were asked for
 public:
  Face() = default;
  explicit Face(HPDF_Font font) : font_(font), widths_(0x10000, -1) {}
  HPDF_Font font() const { return font_; }
  float width(char16_t c, float size) {
    int& known = widths_[c];
    if (known < 0) known = std::max(0, HPDF_Font_GetUnicodeWidth(font_, c));
    return static_cast<float>(known) * size / 1000;
  }
  float width(std::u16string_view text, float size) {
    float sum = 0;
    for (const char16_t c : text) sum += width(c, size);
    return sum;
  }

 private:
  HPDF_Font font_ = nullptr;
  std::vector<int> widths_;
};

bool is_break_after(char16_t c) { return c == u'-' || c == u',' || c == u';' || c == u'/' || c == u':' || c == u'_'; }

// One paragraph into lines: at blanks, else behind a mark of punctuation, else wherever the width ends.
void wrap_line(Face& face, float size, float width, std::u16string_view text, std::vector<Units>& out) {
  while (true) {
    float used = 0;
    size_t fits = 0, blank = 0, mark = 0;
    for (; fits < text.size(); fits++) {
      const float next = used + face.width(text[fits], size);
      if (next > width && text[fits] != u' ') break;
      used = next;
      if (text[fits] == u' ') blank = fits + 1;
      if (is_break_after(text[fits])) mark = fits + 1;
    }
    if (fits == text.size()) break;
    // Far short of the width, a blank leaves a gap that reads worse than a word that is cut.
    const size_t cut = blank * 2 > fits ? blank : mark * 2 > fits ? mark : std::max<size_t>(std::max(blank, fits), 1);
    Units line(text.substr(0, cut));
    while (line.ends_with(u' ')) line.pop_back();
    out.push_back(std::move(line));
    text.remove_prefix(cut);
    while (text.starts_with(u' ')) text.remove_prefix(1);
  }
  out.emplace_back(text);
}

std::vector<Units> wrap(Face& face, float size, float width, std::string_view utf8) {
  const Units text = units_of(utf8);
  std::vector<Units> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(u'\n', at), text.size());
    wrap_line(face, size, width, std::u16string_view(text).substr(at, end - at), out);
    at = end + 1;
  }
  return out;
}

HPDF_Date date_of(WallTime time) {
  HPDF_Date date{};
  // Octets of "2026-11-22T00:41:26.000Z" are digits where they are read.
  std::sscanf(rfc3339_ms(time).c_str(), "%d-%d-%dT%d:%d:%d", &date.year, &date.month, &date.day, &date.hour,
              &date.minutes, &date.seconds);
  date.ind = 'Z';
  return date;
}

class HaruDocument : public PdfDocument {
 public:
  explicit HaruDocument(const PdfStyle& style) : style_(style), pdf_(HPDF_New(&HaruDocument::on_error, this)) {}
  ~HaruDocument() override {
    if (pdf_) HPDF_Free(pdf_);
  }
  HaruDocument(const HaruDocument&) = delete;
  HaruDocument& operator=(const HaruDocument&) = delete;

  void begin() {
    HPDF_UseUTFEncodings(pdf_);
    HPDF_SetCurrentEncoder(pdf_, "UTF-8");
    HPDF_SetCompressionMode(pdf_, HPDF_COMP_ALL);
    HPDF_SetInfoAttr(pdf_, HPDF_INFO_TITLE, utf8_of(units_of(style_.title)).c_str());
    HPDF_SetInfoAttr(pdf_, HPDF_INFO_PRODUCER, "signetd");
    HPDF_SetInfoDateAttr(pdf_, HPDF_INFO_CREATION_DATE, date_of(style_.created_at));
    HPDF_SetInfoDateAttr(pdf_, HPDF_INFO_MOD_DATE, date_of(style_.created_at));
    plain_ = load(style_.font_path);
    bold_ = load(style_.bold_font_path);
    next_page();
  }

  void heading(int level, std::string_view text) override {
    const float size = level == 1 ? 15 : 11;
    const auto lines = wrap(bold_, size, width(), text);
    // Never the last thing on a page.
    room_for(static_cast<float>(lines.size()) * size * kLeading + size + 3 * kTextSize * kLeading);
    if (!is_at_top()) y_ -= size * 0.7F;
    for (const auto& line : lines) put_line(bold_, size, line);
    y_ -= size * 0.3F;
  }

  void paragraph(std::string_view text) override {
    for (const auto& line : wrap(plain_, kTextSize, width(), text)) put_line(plain_, kTextSize, line);
    y_ -= kTextSize * 0.5F;
  }

  void table(const std::vector<PdfColumn>& columns) override {
    columns_ = columns;
    double shares = 0;
    for (const auto& column : columns_) shares += column.width_share;
    widths_.clear();
    for (const auto& column : columns_) widths_.push_back(width() * static_cast<float>(column.width_share / shares));
    std::vector<std::string> titles;
    for (const auto& column : columns_) titles.push_back(column.title);
    const bool is_headless = std::all_of(titles.begin(), titles.end(), [](const auto& title) { return title.empty(); });
    head_ = is_headless ? Cells() : cells_of(bold_, titles);
    // Not turn_page(), which draws the head itself.
    if (y_ - height_of(head_) - 3 * kCellSize * kLeading < bottom() && !is_at_top()) next_page();
    draw_head();
  }

  void row(const std::vector<std::string>& cells) override {
    const Cells lines = cells_of(plain_, cells);
    const size_t count = lines_of(lines);
    if (height_of(lines) > y_ - bottom() && height_of(lines) <= top() - bottom() - height_of(head_)) turn_page();
    for (size_t from = 0; from < count;) {
      const auto fit = static_cast<size_t>(std::max(0.0F, (y_ - bottom() - 2 * kCellPad) / (kCellSize * kLeading)));
      if (fit == 0) {
        turn_page();
        continue;
      }
      const size_t take = std::min(fit, count - from);
      draw_cells(plain_, lines, from, take);
      from += take;
    }
  }

  void end_table() override {
    columns_.clear();
    head_.clear();
    y_ -= kTextSize;
  }

  Result<void> finish(Sink& to) override {
    for (size_t i = 0; i < pages_.size(); i++) frame(pages_[i], i + 1);
    HPDF_SaveToStream(pdf_);
    if (error_ != 0) return broken();
    char octets[64 * 1024];
    for (HPDF_UINT32 left = HPDF_GetStreamSize(pdf_); left > 0;) {
      HPDF_UINT32 size = std::min<HPDF_UINT32>(left, sizeof octets);
      HPDF_ReadFromStream(pdf_, reinterpret_cast<HPDF_BYTE*>(octets), &size);
      if (size == 0) return broken();
      if (auto written = to.write({octets, size}); !written) return written;
      left -= size;
    }
    return {};
  }

  Result<void> begun() const {
    if (!pdf_ || error_ != 0) return broken();
    return {};
  }

 private:
  using Cells = std::vector<std::vector<Units>>;  // lines by column

  static void on_error(HPDF_STATUS error, HPDF_STATUS, void* self) {
    auto& first = static_cast<HaruDocument*>(self)->error_;
    if (first == 0) first = error;
  }
  Error broken() const {
    char code[32];
    std::snprintf(code, sizeof code, "0x%04lx", static_cast<unsigned long>(error_));
    return {ErrorCode::io, std::string("the PDF could not be made: libharu says ") + code};
  }

  Face load(const std::string& path) {
    const char* name = HPDF_LoadTTFontFromFile(pdf_, path.c_str(), HPDF_TRUE);
    return Face(HPDF_GetFont(pdf_, name, "UTF-8"));
  }

  float page_width() const { return style_.is_landscape ? 841.89F : 595.28F; }
  float page_height() const { return style_.is_landscape ? 595.28F : 841.89F; }
  float width() const { return page_width() - 2 * kMargin; }
  float top() const { return page_height() - kMargin - kHeadRoom; }
  float bottom() const { return kMargin + kFootRoom; }
  bool is_at_top() const { return y_ == top(); }

  void next_page() {
    HPDF_Page page = HPDF_AddPage(pdf_);
    HPDF_Page_SetWidth(page, page_width());
    HPDF_Page_SetHeight(page, page_height());
    pages_.push_back(page);
    y_ = top();
  }
  void turn_page() {
    next_page();
    if (!columns_.empty()) draw_head();
  }
  void room_for(float height) {
    if (y_ - height < bottom() && !is_at_top()) turn_page();
  }

  void put(HPDF_Page page, Face& face, float size, float x, float y, std::u16string_view text) {
    HPDF_Page_BeginText(page);
    HPDF_Page_SetFontAndSize(page, face.font(), size);
    HPDF_Page_TextOut(page, x, y, utf8_of(text).c_str());
    HPDF_Page_EndText(page);
  }
  void put_line(Face& face, float size, std::u16string_view line) {
    room_for(size * kLeading);
    y_ -= size * kLeading;
    put(pages_.back(), face, size, kMargin, y_ + size * 0.3F, line);
  }
  void rule(HPDF_Page page, float y, float grey) {
    HPDF_Page_SetLineWidth(page, 0.4F);
    HPDF_Page_SetGrayStroke(page, grey);
    HPDF_Page_MoveTo(page, kMargin, y);
    HPDF_Page_LineTo(page, kMargin + width(), y);
    HPDF_Page_Stroke(page);
  }

  Cells cells_of(Face& face, const std::vector<std::string>& cells) {
    Cells out;
    for (size_t i = 0; i < columns_.size(); i++)
      out.push_back(
          wrap(face, kCellSize, widths_[i] - 2 * kCellPad, i < cells.size() ? std::string_view(cells[i]) : ""));
    return out;
  }
  static size_t lines_of(const Cells& cells) {
    size_t most = 0;
    for (const auto& lines : cells) most = std::max(most, lines.size());
    return most;
  }
  static float height_of(size_t lines) { return static_cast<float>(lines) * kCellSize * kLeading + 2 * kCellPad; }
  static float height_of(const Cells& cells) { return height_of(lines_of(cells)); }

  void draw_head() {
    if (head_.empty()) return;
    HPDF_Page page = pages_.back();
    const float height = height_of(head_);
    HPDF_Page_SetGrayFill(page, 0.91F);
    HPDF_Page_Rectangle(page, kMargin, y_ - height, width(), height);
    HPDF_Page_Fill(page);
    HPDF_Page_SetGrayFill(page, 0);
    draw_cells(bold_, head_, 0, lines_of(head_));
  }
  void draw_cells(Face& face, const Cells& cells, size_t from, size_t count) {
    HPDF_Page page = pages_.back();
    float x = kMargin;
    for (size_t i = 0; i < cells.size(); i++) {
      float y = y_ - kCellPad - kCellSize;
      for (size_t k = from; k < std::min(from + count, cells[i].size()); k++) {
        const float slack =
            columns_[i].is_number ? widths_[i] - 2 * kCellPad - face.width(cells[i][k], kCellSize) : 0.0F;
        if (!cells[i][k].empty()) put(page, face, kCellSize, x + kCellPad + slack, y, cells[i][k]);
        y -= kCellSize * kLeading;
      }
      x += widths_[i];
    }
    y_ -= height_of(count);
    rule(page, y_, 0.8F);
  }

  // Head and foot, once the number of pages is known.
  void frame(HPDF_Page page, size_t number) {
    HPDF_Page_SetGrayFill(page, 0.3F);
    const float head = page_height() - kMargin - kSmallSize;
    const auto title = wrap(plain_, kSmallSize, width(), style_.title);
    put(page, plain_, kSmallSize, kMargin, head, title.front());
    rule(page, head - 5, 0.6F);
    const Units of = units_of("page " + std::to_string(number) + " of " + std::to_string(pages_.size()));
    const float of_width = plain_.width(of, kSmallSize);
    rule(page, kMargin + kFootRoom - 8, 0.6F);
    float y = kMargin + kFootRoom - 10 - kSmallSize;
    put(page, plain_, kSmallSize, kMargin + width() - of_width, y, of);
    for (const auto& line : wrap(plain_, kSmallSize, width() - of_width - 20, style_.footer)) {
      put(page, plain_, kSmallSize, kMargin, y, line);
      y -= kSmallSize * kLeading;
    }
  }

  const PdfStyle style_;
  HPDF_Doc pdf_;
  HPDF_STATUS error_ = 0;
  Face plain_, bold_;
  std::vector<HPDF_Page> pages_;
  float y_ = 0;                     // above it the page is used
  std::vector<PdfColumn> columns_;  // of the table that is open
  std::vector<float> widths_;
  Cells head_;
};

}  // namespace

Result<std::unique_ptr<PdfDocument>> PdfDocument::make(const PdfStyle& style) {
  for (const auto& path : {style.font_path, style.bold_font_path})
    if (std::error_code error; !std::filesystem::is_regular_file(path, error))
      return Error{ErrorCode::not_found,
                   "the font " + path + " is not there: install the package fonts-dejavu-core, or ask for CSV"};
  auto document = std::make_unique<HaruDocument>(style);
  document->begin();
  if (auto begun = document->begun(); !begun) return begun.error();
  return std::unique_ptr<PdfDocument>(std::move(document));
}

}  // namespace signet
