#include "audit/bundle_reader.h"

#include <algorithm>
#include <array>

#include "base/ids.h"

namespace signet {
namespace {

constexpr int64_t kMax32 = 0xffffffff;
constexpr size_t kPieceOctets = 1 << 20;
constexpr int64_t kWholeFileMax = 256 << 20;
constexpr size_t kEnd = 22, kWideEnd = 56, kLocator = 20, kEntry = 46;
constexpr char kZip[] = "(zip)";

// Two extra fields of each entry: no times (0x5455), user and group 0 (0x7875).
constexpr std::string_view kExtra("UT\1\0\0ux\x0b\0\1\4\0\0\0\0\4\0\0\0\0", 20);

class Record {  // little endian, as zip has it (PKWARE's APPNOTE.TXT)
 public:
  explicit Record(std::string_view signature) : octets("PK") { octets += signature; }
  Record& number(uint64_t value, int count) {
    for (int i = 0; i < count; i++) octets += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }
  Record& text(std::string_view value) {
    octets += value;
    return *this;
  }
  std::string octets;
};

int64_t number_at(std::string_view octets, size_t at, int count) {
  uint64_t value = 0;
  for (int i = count - 1; i >= 0; i--) value = value << 8 | static_cast<uint8_t>(octets[at + static_cast<size_t>(i)]);
  return static_cast<int64_t>(value);
}

uint32_t crc32(uint32_t crc, std::string_view octets) {  // of ISO 3309, as zip has it
  static const auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
      table[i] = value;
    }
    return table;
  }();
  crc = ~crc;
  for (const char c : octets) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

uint64_t low(int64_t value) { return static_cast<uint64_t>(std::min(value, kMax32)); }

// version, flags, method, time and date, which are the same of all
Record& put_kind(Record& record, int version) {
  return record.number(static_cast<uint64_t>(version), 2).number(8, 2).number(0, 2).number(0x210000, 4);
}

std::string local_header(const std::string& name, int64_t size) {
  const bool is_wide = size > kMax32;
  Record record(std::string_view("\3\4", 2));
  put_kind(record, is_wide ? 45 : 10).number(0, 4);
  const uint64_t shown = is_wide ? static_cast<uint64_t>(kMax32) : low(size);
  record.number(shown, 4).number(shown, 4).number(name.size(), 2).number(kExtra.size() + (is_wide ? 20 : 0), 2);
  record.text(name).text(kExtra);
  if (is_wide)
    record.number(1, 2).number(16, 2).number(static_cast<uint64_t>(size), 8).number(static_cast<uint64_t>(size), 8);
  return record.octets;
}

std::string descriptor(int64_t size, uint32_t crc) {
  const int width = size > kMax32 ? 8 : 4;
  Record record(std::string_view("\7\10", 2));
  record.number(crc, 4).number(static_cast<uint64_t>(size), width).number(static_cast<uint64_t>(size), width);
  return record.octets;
}

std::string directory_entry(const std::string& name, int64_t size, int64_t start, uint32_t crc) {
  const bool is_wide = size > kMax32, is_far = start > kMax32;
  Record record(std::string_view("\1\2", 2));
  record.number(0x300 + (is_wide ? 45 : 10), 2);
  put_kind(record, is_wide || is_far ? 45 : 10).number(crc, 4).number(low(size), 4).number(low(size), 4);
  const int more = (is_wide ? 16 : 0) + (is_far ? 8 : 0);
  record.number(name.size(), 2).number(kExtra.size() + (more > 0 ? static_cast<size_t>(more) + 4 : 0), 2);
  record.number(0, 6).number(uint64_t{0100644} << 16, 4).number(low(start), 4).text(name).text(kExtra);
  if (more > 0) record.number(1, 2).number(static_cast<uint64_t>(more), 2);
  if (is_wide) record.number(static_cast<uint64_t>(size), 8).number(static_cast<uint64_t>(size), 8);
  if (is_far) record.number(static_cast<uint64_t>(start), 8);
  return record.octets;
}

std::string end_records(int64_t count, int64_t size, int64_t offset) {
  std::string out;
  const auto n = static_cast<uint64_t>(count);
  if (count > 0xffff || offset > kMax32 || size > kMax32) {
    Record wide(std::string_view("\6\6", 2)), locator(std::string_view("\6\7", 2));
    wide.number(44, 8).number(45, 2).number(45, 2).number(0, 8).number(n, 8).number(n, 8);
    wide.number(static_cast<uint64_t>(size), 8).number(static_cast<uint64_t>(offset), 8);
    locator.number(0, 4).number(static_cast<uint64_t>(offset + size), 8).number(1, 4);
    out = wide.octets + locator.octets;
  }
  Record end(std::string_view("\5\6", 2));
  const uint64_t shown = std::min<uint64_t>(n, 0xffff);
  end.number(0, 4).number(shown, 2).number(shown, 2).number(low(size), 4).number(low(offset), 4).number(0, 2);
  return out + end.octets;
}

Error broken(const std::string& what) { return {ErrorCode::corrupt, what}; }

}  // namespace

bool is_bundle_name(std::string_view name) {
  static constexpr std::string_view kFixed[] = {"events.jsonl",  "checkpoint",        "consistency",
                                                "keys.json",     "VERIFY.md",         "signet_verify.py",
                                                "manifest.json", "manifest.dsse.json"};
  if (std::find(std::begin(kFixed), std::end(kFixed), name) != std::end(kFixed)) return true;
  const auto within = [&](std::string_view folder, std::string_view end) -> std::string {
    if (!name.starts_with(folder) || !name.ends_with(end) || name.size() <= folder.size() + end.size()) return {};
    return std::string(name.substr(folder.size(), name.size() - folder.size() - end.size()));
  };
  for (const auto& [folder, end] : {std::pair{"proofs/", ".tlog-proof"}, std::pair{"approvals/", ".dsse.json"}})
    if (const auto id = parse_uuid(within(folder, end)); id && id->text() == within(folder, end)) return true;
  for (const char* end : {".tsr", ".checkpoint"}) {
    const std::string digits = within("anchors/", end);
    if (!digits.empty() && digits[0] != '0' && digits.find_first_not_of("0123456789") == std::string::npos) return true;
  }
  return false;
}

Result<BundleReader> BundleReader::open(BundleOctets octets, std::vector<BundleFault>& faults) {
  BundleReader reader(std::move(octets));
  auto head = reader.octets_.at(0, 4);
  if (!head) return head.error();
  auto end = reader.octets_.at(std::max<int64_t>(reader.octets_.size - static_cast<int64_t>(kEnd), 0), 4);
  if (!end) return end.error();
  if (*head != "PK\3\4" && *end != "PK\5\6") return Error{ErrorCode::invalid, "it is no zip"};
  if (auto done = reader.read_directory(faults); !done) {
    if (done.error().code != ErrorCode::corrupt) return done.error();
    faults.push_back({kZip, 0, done.error().text});
  }
  return reader;
}

Result<std::string> BundleReader::exactly(int64_t offset, size_t count) const {
  if (offset < 0 || offset > octets_.size || static_cast<int64_t>(count) > octets_.size - offset)
    return broken("the zip is cut, or does not say where its parts are");
  return octets_.at(offset, count);
}

Result<void> BundleReader::read_directory(std::vector<BundleFault>& faults) {
  const int64_t end = octets_.size - static_cast<int64_t>(kEnd);
  auto record = exactly(end, kEnd);
  if (!record) return record.error();
  if (!record->starts_with("PK\5\6"))
    return broken("its end record is missing: the zip is cut, or something was added behind it");
  int64_t count = number_at(*record, 10, 2), size = number_at(*record, 12, 4), offset = number_at(*record, 16, 4);
  if (count == 0xffff || size == kMax32 || offset == kMax32) {
    auto wide = exactly(end - static_cast<int64_t>(kLocator + kWideEnd), kWideEnd);
    if (!wide) return wide.error();
    if (!wide->starts_with("PK\6\6")) return broken("its zip64 end record is missing");
    count = number_at(*wide, 32, 8), size = number_at(*wide, 40, 8), offset = number_at(*wide, 48, 8);
  }
  if (offset < 0 || size < 0 || offset > end || size > end - offset || count < 0 ||
      count > size / static_cast<int64_t>(kEntry))
    return broken("its end record does not say where its directory is");
  directory_ = offset;
  std::vector<Listed> listed;
  int64_t at = offset;
  for (int64_t i = 0; i < count; i++) {
    const Error bad = broken("its directory is broken at entry " + std::to_string(i + 1));
    auto fixed = exactly(at, kEntry);
    if (!fixed || !fixed->starts_with("PK\1\2")) return bad;
    const auto name_size = static_cast<size_t>(number_at(*fixed, 28, 2));
    const auto extra_size = static_cast<size_t>(number_at(*fixed, 30, 2));
    auto rest = exactly(at + static_cast<int64_t>(kEntry), name_size + extra_size);
    if (!rest) return bad;
    Listed entry{rest->substr(0, name_size), number_at(*fixed, 24, 4), number_at(*fixed, 42, 4),
                 static_cast<uint32_t>(number_at(*fixed, 16, 4))};
    size_t wide = name_size + kExtra.size() + 4;
    const auto take_wide = [&](int64_t& to) {
      if (rest->size() < wide + 8) return false;
      to = number_at(*rest, wide, 8);
      wide += 8;
      return true;
    };
    if (entry.size == kMax32 && (!take_wide(entry.size) || !take_wide(entry.size))) return bad;
    if (entry.start == kMax32 && !take_wide(entry.start)) return bad;
    if (entry.size < 0 || entry.size > octets_.size || entry.start < 0 || entry.start > octets_.size) return bad;
    const std::string shown =
        is_bundle_name(entry.name) ? entry.name : "entry " + std::to_string(i + 1) + " of the zip";
    if (places_.contains(entry.name)) {
      faults.push_back({shown, 0, "is in the zip twice"});
    } else {
      if (shown != entry.name) faults.push_back({shown, 0, "is no file of a bundle"});
      names_.push_back(entry.name);
    }
    places_[entry.name] = {entry.start + static_cast<int64_t>(local_header(entry.name, entry.size).size()), entry.size};
    listed.push_back(std::move(entry));
    at += static_cast<int64_t>(kEntry + name_size + extra_size);
  }
  return compare(listed, faults);
}

Result<void> BundleReader::compare(const std::vector<Listed>& listed, std::vector<BundleFault>& faults) const {
  int64_t expected = 0, at = directory_;
  for (const auto& entry : listed) {
    const std::string head = local_header(entry.name, entry.size), tail = descriptor(entry.size, entry.crc);
    const auto head_size = static_cast<int64_t>(head.size()), tail_size = static_cast<int64_t>(tail.size());
    if (entry.start != expected || entry.size > directory_ - entry.start - head_size - tail_size) {
      faults.push_back({entry.name, 0, "in the zip does not begin where the file before it ends, or overlaps"});
    } else if (auto found = exactly(entry.start, head.size()); !found || *found != head) {
      faults.push_back({entry.name, 0, "has another header in the zip than its directory says"});
    } else if (auto ending = exactly(entry.start + head_size + entry.size, tail.size()); !ending || *ending != tail) {
      faults.push_back({entry.name, 0, "has another length or checksum in the zip than its directory says"});
    } else {
      uint32_t crc = 0;
      auto read_through = read(entry.name, [&crc](std::string_view piece) -> Result<void> {
        crc = crc32(crc, piece);
        return {};
      });
      if (!read_through) return read_through;
      if (crc != entry.crc)
        faults.push_back({entry.name, 0, "has not the checksum that the zip says: its octets were changed"});
    }
    expected = entry.start + head_size + entry.size + tail_size;
    const std::string in_directory = directory_entry(entry.name, entry.size, entry.start, entry.crc);
    if (auto found = exactly(at, in_directory.size()); !found || *found != in_directory)
      return broken("its directory is not as it should be at the entry of " +
                    (is_bundle_name(entry.name) ? entry.name : "a file of no bundle"));
    at += static_cast<int64_t>(in_directory.size());
  }
  if (expected != directory_) return broken("there are octets before its directory that belong to no file");
  const std::string end = end_records(static_cast<int64_t>(listed.size()), at - directory_, directory_);
  auto found = exactly(at, end.size());
  if (!found || *found != end || octets_.size != at + static_cast<int64_t>(end.size()))
    return broken("its end record is not as it should be");
  return {};
}

Result<void> BundleReader::read(const std::string& name,
                                const std::function<Result<void>(std::string_view)>& take) const {
  const Place& place = places_.at(name);
  for (int64_t done = 0; done < place.size;) {
    auto piece = exactly(place.offset + done, static_cast<size_t>(std::min<int64_t>(kPieceOctets, place.size - done)));
    if (!piece) return piece.error();
    if (auto taken = take(*piece); !taken) return taken;
    done += static_cast<int64_t>(piece->size());
  }
  return {};
}

Result<std::string> BundleReader::read(const std::string& name) const {
  if (size(name) > kWholeFileMax) return Error{ErrorCode::limit, "is larger than any such file of a bundle"};
  std::string out;
  auto done = read(name, [&out](std::string_view piece) -> Result<void> {
    out += piece;
    return {};
  });
  if (!done) return done.error();
  return out;
}

}  // namespace signet
