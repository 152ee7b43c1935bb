#include "providers/provider.h"
#include "providers/settings.h"

namespace signet {

#define SIGNET_PROVIDER(adapter) AdapterInfo adapter##_adapter();
#include "providers/providers.def"
#undef SIGNET_PROVIDER

const std::vector<AdapterInfo>& adapters() {
  static const std::vector<AdapterInfo> all = {
#define SIGNET_PROVIDER(adapter) adapter##_adapter(),
#include "providers/providers.def"
#undef SIGNET_PROVIDER
  };
  return all;
}

Result<std::unique_ptr<Provider>> make_provider(const ProviderSettings& settings) {
  std::string known;
  for (const auto& info : adapters()) {
    known += (known.empty() ? "" : ", ") + info.adapter;
    if (info.adapter != settings.adapter) continue;
    for (const auto& setting : info.settings) {
      if (!setting.is_required) continue;
      if (setting.is_secret) {
        auto found = settings.secrets.find(setting.key);
        if (found == settings.secrets.end() || found->second.is_empty())
          return setting_error(settings, setting.key + "_file", "is missing");
      } else if (setting_of(settings, setting.key).empty()) {
        return setting_error(settings, setting.key, "is missing");
      }
    }
    auto made = info.make(settings);
    if (!made) return made.error();
    if (auto rules = doubt_rules(**made, settings); !rules) return rules.error();
    return made;
  }
  return setting_error(settings, "adapter", "there is no \"" + settings.adapter + "\"; write one of these: " + known);
}

}  // namespace signet
