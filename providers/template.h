// Text with named places that a message is written into: {"to":"{to}"}. A brace that does not enclose a word of small
// letters and '_' stands for itself, so that JSON needs no escapes.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace signet {

// How what is written into a place is made safe there. Plain: not at all.
enum class TemplateFormat { plain, json, form, xml };

class Template {
 public:
  Template() = default;
  // invalid: a place with a name that is not among these.
  static Result<Template> parse(std::string_view text, const std::set<std::string>& names);
  bool has(std::string_view name) const;
  bool is_empty() const { return pieces_.empty(); }
  std::string fill(TemplateFormat format, const std::function<std::string(std::string_view name)>& value_of) const;

 private:
  struct Piece {
    std::string text;  // as it stands, or a place's name
    bool is_place = false;
  };
  std::vector<Piece> pieces_;
};

}  // namespace signet
