// Whatever is changed in a bundle is named: each octet of small files and of the zip, a sample of large ones; files
// added, removed, renamed, swapped, cut; lines deleted, repeated, moved. By `signetd verify`'s check here, by the
// script in mutate.py.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "audit/bundle.h"
#include "base/bytes.h"
#include "tests/base/files.h"
#include "tests/bundle/bundle_world.h"

namespace signet::api {
namespace {

using BundleWorld = BasicBundleWorld<nlohmann::json>;

using Files = std::vector<std::pair<std::string, std::string>>;  // in the order of the zip

Files unpack_zip(const std::string& zip) {
  std::vector<BundleFault> faults;
  const auto bundle = BundleReader::open(octets_of(zip), faults);
  REQUIRE((bundle.ok() && faults.empty()));
  Files out;
  for (const auto& name : bundle->names()) out.emplace_back(name, *bundle->read(name));
  return out;
}

std::string pack_zip(const Files& files) {
  StringSink zip;
  BundleWriter writer(zip);
  for (const auto& [name, octets] : files) REQUIRE(writer.add(name, octets).ok());
  REQUIRE(writer.close().ok());
  return zip.text;
}

bool names(const BundleVerdict& verdict, const std::string& file) {
  return std::any_of(verdict.faults.begin(), verdict.faults.end(), [&](const auto& f) { return f.file == file; });
}

bool is_text(const std::string& name) { return name == "VERIFY.md" || name == "signet_verify.py"; }

// Which positions of so many octets are changed: all of few, or about `most` of many, always with both ends.
std::vector<size_t> positions(size_t count, size_t most, std::mt19937& random) {
  std::vector<size_t> out;
  if (count <= most) {
    for (size_t i = 0; i < count; i++) out.push_back(i);
    return out;
  }
  out = {0, count - 1};
  while (out.size() < most) out.push_back(random() % count);
  return out;
}

struct Tally {
  int made = 0;
  std::vector<std::string> missed;
  void hold(const std::string& what, const std::string& zip, const std::vector<std::string>& one_of) {
    made++;
    const auto verdict = check_bundle(octets_of(zip), {});
    if (verdict.ok() && std::any_of(one_of.begin(), one_of.end(), [&](const auto& f) { return names(*verdict, f); }))
      return;
    if (missed.size() < 20)
      missed.push_back(what + (verdict.ok() ? " told as: " + texts(*verdict) : ": " + verdict.error().text));
  }
  void check(const char* what) const {
    for (const auto& miss : missed) FAIL_CHECK(miss);
    CHECK(made > 0);
    WARN(std::string(what) + ": " + std::to_string(made) + " mutants, " + std::to_string(missed.size()) + " missed");
  }
};

TEST_CASE("a changed octet inside a file is named with its file") {
  BundleWorld w;
  std::mt19937 random(20261126);
  Tally tally;
  for (const auto& zip : {w.whole(w.older), w.selection(), w.of_message(w.two_signed)}) {
    const Files files = unpack_zip(zip);
    for (size_t i = 0; i < files.size(); i++)
      for (const size_t at : positions(files[i].second.size(), is_text(files[i].first) ? 15 : 45, random)) {
        Files changed = files;
        changed[i].second[at] = static_cast<char>(changed[i].second[at] ^ (1 << random() % 8));
        tally.hold(files[i].first + " octet " + std::to_string(at), pack_zip(changed), {files[i].first});
      }
  }
  tally.check("octets of files");
}

TEST_CASE("a changed octet of the zip is named with the file that it belongs to") {
  BundleWorld w;
  std::mt19937 random(20261127);
  Tally tally;
  for (const auto& zip : {w.whole(w.older), w.of_message(w.two_signed)}) {
    size_t at = 0;
    const Files files = unpack_zip(zip);
    const auto flip = [&](size_t position, const std::vector<std::string>& one_of) {
      std::string changed = zip;
      changed[position] = static_cast<char>(changed[position] ^ (1 << random() % 8));
      tally.hold("zip octet " + std::to_string(position) + " of " + one_of[0], changed, one_of);
    };
    for (const auto& [name, octets] : files) {
      const size_t head = 30 + name.size() + 20, end = at + head + octets.size() + 16;
      for (size_t i = 0; i < head; i++) flip(at + i, {name});
      for (const size_t i : positions(octets.size(), 10, random)) flip(at + head + i, {name});
      for (size_t i = end - 16; i < end; i++) flip(i, {name});
      at = end;
    }
    for (const auto& [name, octets] : files) {
      const size_t size = 46 + name.size() + 20;
      for (size_t i = 0; i < size; i++) flip(at + i, {"(zip)", name});
      at += size;
    }
    REQUIRE(zip.size() == at + 22);
    for (; at < zip.size(); at++) flip(at, {"(zip)"});
    for (const size_t cut : {size_t{1}, size_t{21}, size_t{22}, size_t{23}, zip.size() / 2, zip.size() - 30})
      tally.hold("cut by " + std::to_string(cut), zip.substr(0, zip.size() - cut), {"(zip)"});
    tally.hold("something behind it", zip + "x", {"(zip)"});
    tally.hold("something before it", "x" + zip, {"(zip)", files[0].first});
  }
  tally.check("octets of the zip");
}

TEST_CASE("files added, removed, renamed, swapped and cut are named") {
  BundleWorld w;
  Tally tally;
  const std::string stranger = "0190a000-0000-7000-8000-000000000001";
  for (const auto& zip : {w.whole(w.older), w.selection(), w.of_message(w.two_signed)}) {
    const Files files = unpack_zip(zip);
    for (size_t i = 0; i < files.size(); i++) {
      const std::string& name = files[i].first;
      Files changed = files;
      changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
      tally.hold("without " + name, pack_zip(changed), {name});
      changed = files;
      changed[i].second.pop_back();
      tally.hold("cut " + name, pack_zip(changed), {name});
      changed = files;
      changed[i].second += "\n";
      tally.hold("longer " + name, pack_zip(changed), {name});
      changed = files;
      changed[i].second.clear();
      tally.hold("empty " + name, pack_zip(changed), {name});
      changed = files;
      changed[i].first = "proofs/" + stranger + ".tlog-proof";
      tally.hold("renamed " + name, pack_zip(changed), {name});
      changed = files;
      changed.push_back(files[i]);
      tally.hold("twice " + name, pack_zip(changed), {name});
      const size_t other = (i + 1) % files.size();
      changed = files;
      std::swap(changed[i].second, changed[other].second);
      tally.hold("swapped " + name, pack_zip(changed), {name});
      changed = files;
      std::swap(changed[i], changed[other]);
      tally.hold("moved " + name, pack_zip(changed), {"(zip)"});
    }
    for (const std::string& name : {"approvals/" + stranger + ".dsse.json", std::string("anchors/7.tsr")}) {
      Files changed = files;
      changed.emplace_back(name, "{}");
      tally.hold("added " + name, pack_zip(changed), {name});
    }
    Files changed = files;
    changed.emplace_back("../evil", "x");
    tally.hold("an unsafe name", pack_zip(changed), {"entry " + std::to_string(changed.size()) + " of the zip"});
  }
  tally.check("whole files");
}

// Whoever holds the log's key can sign a manifest that fits: then the events themselves must tell.
TEST_CASE("lines deleted, repeated, moved or changed are named under a manifest that fits") {
  BundleWorld w;
  Tally tally;
  for (const auto& zip : {w.whole(w.older), w.of_message(w.two_signed)}) {
    const Files files = unpack_zip(zip);
    std::vector<std::string> lines;
    for (const auto& [name, octets] : files)
      if (name == "events.jsonl")
        for (size_t from = 0; from < octets.size();) {
          const size_t end = octets.find('\n', from);
          lines.push_back(octets.substr(from, end - from));
          from = end + 1;
        }
    const auto repacked = [&](const std::vector<std::string>& changed) {
      std::string text;
      for (const auto& line : changed) text += line + "\n";
      const auto manifest = nlohmann::json::parse(
          std::find_if(files.begin(), files.end(), [](const auto& f) { return f.first == "manifest.json"; })->second);
      BundleFacts facts;
      facts.exported_at = w.world.clock.wall();
      facts.checkpoint = {manifest["log"], manifest["checkpoint"]["size"],
                          digest_from(*from_hex(manifest["checkpoint"]["root"].get<std::string>()))};
      facts.events = changed.size();
      facts.is_whole_log = manifest["claims"]["wholeLog"];
      if (!manifest["message"].is_null())
        facts.message = {manifest["message"]["id"], manifest["message"]["n"],
                         digest_from(*from_hex(manifest["message"]["leaf"].get<std::string>()))};
      StringSink out;
      BundleWriter writer(out);
      for (const auto& [name, octets] : files) {
        if (name == "events.jsonl")
          REQUIRE(writer.add(name, text).ok());
        else if (!is_text(name) && !name.starts_with("manifest"))
          REQUIRE(writer.add(name, octets).ok());
      }
      REQUIRE(writer.finish(facts, w.world.log_key.key).ok());
      return out.text;
    };
    CHECK(texts(verdict_of(repacked(lines))) == "");
    for (size_t i = 0; i < lines.size(); i++) {
      auto changed = lines;
      changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
      tally.hold("without line " + std::to_string(i + 1), repacked(changed), {"events.jsonl"});
      changed = lines;
      changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
      tally.hold("line twice " + std::to_string(i + 1), repacked(changed), {"events.jsonl"});
      if (i + 1 < lines.size()) {
        changed = lines;
        std::swap(changed[i], changed[i + 1]);
        tally.hold("line moved " + std::to_string(i + 1), repacked(changed), {"events.jsonl"});
      }
      changed = lines;
      changed[i].replace(changed[i].find("\"at\":\"20"), 8, "\"at\":\"19");
      tally.hold("line changed " + std::to_string(i + 1), repacked(changed), {"events.jsonl"});
    }
  }
  tally.check("lines under a manifest that fits");
}

TEST_CASE("the script names each mutant") {
  BundleWorld w;
  const TestDir dir;
  dir.put("whole.zip", w.whole(w.older));
  dir.put("selection.zip", w.selection());
  dir.put("message.zip", w.of_message(w.two_signed));
  const int status = std::system(("python3 -I -B " SIGNET_SOURCE_DIR "/tests/bundle/mutate.py " SIGNET_SOURCE_DIR
                                  "/audit/bundle/signet_verify.py " +
                                  dir / "." + " >" + dir / "out" + " 2>&1")
                                     .c_str());
  const std::string out = signet::read_file(dir / "out");
  WARN(out);
  CHECK(status == 0);
}

}  // namespace
}  // namespace signet::api
