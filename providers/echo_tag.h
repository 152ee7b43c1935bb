// The attempt's echo as a tag that travels with a mail: tags hold letters, digits, '_' and '-' only
// (docs.aws.amazon.com, SES MessageTag), so that its '.' becomes '_'.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "providers/provider.h"

namespace signet {

std::string tag_of(std::string_view echo);
std::optional<Echo> parse_tag(std::string_view tag);

}  // namespace signet
