// The sandbox's page: one self-contained HTML document.
#pragma once

#include <string_view>

namespace signet::sandbox {

extern const std::string_view kPage;

}  // namespace signet::sandbox
