#include <algorithm>
#include <cstdio>

#include "daemon/commands/commands.h"
#include "message/message.h"

namespace signet {
namespace {

class ProviderCheck {
 public:
  ProviderCheck(const Config& config, size_t index, std::vector<Fault>& faults)
      : config_(config), provider_(config.providers[index]), index_(index), faults_(faults) {}

  // The provider, if it can be made.
  std::unique_ptr<Provider> check() {
    const AdapterInfo* info = adapter();
    if (info == nullptr) return nullptr;
    const size_t before = faults_.size();
    std::vector<std::string> known;
    for (const auto& setting : info->settings) known.push_back(setting.key + (setting.is_secret ? "_file" : ""));
    for (const auto& [key, value] : provider_.values) {
      if (std::find(known.begin(), known.end(), key) == known.end())
        fault(key, "is no setting of the adapter " + provider_.adapter, remedy_for_unknown(key, known));
    }
    for (const auto& [key, path] : provider_.secret_files) {
      if (std::find(known.begin(), known.end(), key + "_file") == known.end())
        fault(key + "_file", "is no setting of the adapter " + provider_.adapter,
              remedy_for_unknown(key + "_file", known));
    }
    for (const auto& setting : info->settings) {
      if (!setting.is_required) continue;
      const bool is_there =
          setting.is_secret ? provider_.secret_files.contains(setting.key) : provider_.values.contains(setting.key);
      if (!is_there)
        fault(setting.key + (setting.is_secret ? "_file" : ""), "is missing",
              "the adapter " + provider_.adapter + " needs it");
    }
    return faults_.size() == before ? make(*info) : nullptr;
  }

 private:
  const AdapterInfo* adapter() {
    std::string all;
    for (const auto& info : adapters()) {
      if (info.adapter == provider_.adapter) return &info;
      all += (all.empty() ? "" : ", ") + info.adapter;
    }
    fault("adapter", "is none that this signetd has", "write one of: " + all);
    return nullptr;
  }

  std::unique_ptr<Provider> make(const AdapterInfo& info) {
    ProviderSettings settings = provider_settings(provider_);
    for (const auto& [key, path] : provider_.secret_files) {
      auto secret = read_secret_file(path);
      if (!secret) return nullptr;  // check_files says so
      settings.secrets.emplace(key, std::move(*secret));
    }
    auto made = info.make(settings);
    if (made)
      if (auto rules = doubt_rules(**made, settings); !rules) made = rules.error();
    if (made) return std::move(*made);
    // `provider "name": key: what is wrong`
    std::string text = made.error().text;
    const std::string prefix = "provider \"" + provider_.name + "\": ";
    if (text.starts_with(prefix)) text = text.substr(prefix.size());
    const size_t colon = text.find(": ");
    const std::string key = colon == std::string::npos ? "" : text.substr(0, colon);
    if (provider_.lines.contains(key) || provider_.lines.contains(key + "_file"))
      fault(key, text.substr(colon + 2), "see the adapter's settings in docs/operations.md");
    else
      fault("", text, "see the adapter's settings in docs/operations.md");
    return nullptr;
  }

  void fault(const std::string& key, std::string text, std::string remedy) {
    const auto at = provider_.lines.find(key);
    const std::string where = "providers[" + std::to_string(index_) + "]" + (key.empty() ? "" : "." + key);
    faults_.push_back({config_.file, at == provider_.lines.end() ? provider_.line : at->second, where, std::move(text),
                       std::move(remedy)});
  }

  const Config& config_;
  const Config::Provider& provider_;
  const size_t index_;
  std::vector<Fault>& faults_;
};

// What config/ cannot read: it sees no signed notes.
std::vector<Fault> check_anchors(const Config& config) {
  const auto& vkey = config.audit.anchors.witness_key;
  const std::string where = "audit.anchors.witness_key";
  if (vkey.empty()) return {};
  const auto key = parse_witness_key(vkey);
  if (key) return {};
  const auto line = config.lines.find(where);
  return {{config.file, line == config.lines.end() ? 0 : line->second, where, key.error().text,
           "copy the line that `signetd witness` prints at its start"}};
}

}  // namespace

std::optional<Config> read_config(const std::string& path, const Environment& environment) {
  Loaded loaded = load_config(path, environment.credentials_directory);
  for (const auto& fault : loaded.faults) std::fprintf(stderr, "%s\n", describe(fault).c_str());
  if (!loaded.faults.empty()) return std::nullopt;
  return std::move(loaded.config);
}

ProviderSettings provider_settings(const Config::Provider& provider) {
  ProviderSettings settings;
  settings.name = provider.name;
  settings.adapter = provider.adapter;
  settings.in_doubt = provider.in_doubt;
  settings.key_life_ms = provider.key_life_s * int64_t{1000};
  settings.values = provider.values;
  return settings;
}

std::vector<Fault> check_providers(const Config& config) {
  std::vector<Fault> faults;
  std::map<std::string, std::unique_ptr<Provider>> made;
  for (size_t i = 0; i < config.providers.size(); ++i)
    made[config.providers[i].name] = ProviderCheck(config, i, faults).check();
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const auto kind = parse_kind(config.routes[i].kind);
    for (const auto& choice : config.routes[i].providers) {
      const auto provider = made.find(choice.name);
      if (!kind || provider == made.end() || !provider->second || provider->second->can_send(*kind)) continue;
      faults.push_back({config.file, config.routes[i].line, "routes[" + std::to_string(i) + "].providers",
                        "has " + choice.name + ", which cannot send " + config.routes[i].kind,
                        "name a provider whose adapter can"});
    }
  }
  return faults;
}

int check_config(const std::string& path, const Environment& environment) {
  Loaded loaded = load_config(path, environment.credentials_directory);
  std::vector<Fault> faults = std::move(loaded.faults);
  // Files and adapters are looked at also where other keys are wrong, so that all is said at once; but not where the
  // file could not be read at all.
  if (!loaded.config.lines.empty()) {
    for (auto& fault : check_files(loaded.config)) faults.push_back(std::move(fault));
    for (auto& fault : check_providers(loaded.config)) faults.push_back(std::move(fault));
    for (auto& fault : check_anchors(loaded.config)) faults.push_back(std::move(fault));
  }
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.line < b.line; });
  for (const auto& fault : faults) std::fprintf(stderr, "%s\n", describe(fault).c_str());
  if (!faults.empty()) return 1;
  std::printf("%s: good\n", path.c_str());
  return 0;
}

}  // namespace signet
