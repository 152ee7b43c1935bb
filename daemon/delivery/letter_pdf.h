// A letter as a document: its subject at the head of each page, its text, and nothing that was not approved. Any
// thread; takes milliseconds.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace signet {

// not_found: a font is missing; the text names its package. See audit/pdf.h for what no PDF of ours can show.
Result<std::string> letter_pdf(const std::string& subject, const std::string& body, WallTime at);

}  // namespace signet
