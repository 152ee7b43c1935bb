// Short messages by SMPP 3.4 to an SMSC. The adapter writes submit_sm and judges command_status; links are the
// transport's (smpp_session), PDUs smpp_pdu's.
//
//   bind_transceiver       system_id, password, system_type, 0x34
//   submit_sm              00 05 00 "15005550006" 00 | 01 01 "15558675310" 00 | esm_class 40, registered_delivery 01,
//                          data_coding 00, 05 00 03 2a 02 01 "Your results ..."   the first of two parts
//   submit_sm_resp         0: message_id "4F3C2A1B"; 0x58: throttled
//   deliver_sm             esm_class 04, "id:4F3C2A1B sub:001 dlvrd:001 submit date:2611271200 done date:2611271201
//                          stat:DELIVRD err:000 text:Your results"                the receipt of one part
//   deliver_sm             esm_class 00, "STOP"                                   what somebody wrote to our number
//
// Each part has a receipt of its own. A receipt names no more than the SMSC's id of it: none can come for a submit
// whose answer was lost.
#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/provider.h"
#include "providers/reply_class.h"
#include "providers/settings.h"
#include "providers/smpp_receipt.h"
#include "providers/smpp_session.h"
#include "providers/sms_text.h"

namespace signet {
namespace {

constexpr ReplyClass kBadSender{OutcomeKind::permanent, FaultScope::sender, "sender_refused"};
// The SMSC says that it did not take the message, and not in words that we know.
constexpr ReplyClass kOther{OutcomeKind::retryable, FaultScope::message, "provider_error"};

struct Row {
  uint32_t first, last;  // command_status
  ReplyClass what;
};
// SMPP 3.4 section 5.1.3.
constexpr Row kStatuses[] = {
    {0x01, 0x03, reply_class::kMessage},          // length, command_length, command_id
    {0x04, 0x04, reply_class::kAuth},             // not bound for this
    {0x05, 0x05, reply_class::kAccount},          // bound already: more binds than the account has
    {0x06, 0x07, reply_class::kMessage},          // priority_flag, registered_delivery
    {0x08, 0x08, reply_class::kProviderError},    // system error
    {0x0a, 0x0a, kBadSender},                     //
    {0x0b, 0x0b, reply_class::kRecipient},        //
    {0x0d, 0x0f, reply_class::kAuth},             // bind failed, password, system_id
    {0x14, 0x14, reply_class::kThrottled},        // message queue full
    {0x15, 0x15, reply_class::kAccount},          // service_type
    {0x33, 0x33, reply_class::kMessage},          //
    {0x43, 0x43, reply_class::kMessage},          // esm_class
    {0x45, 0x45, reply_class::kProviderError},    // submit failed
    {0x48, 0x49, kBadSender},                     // source TON, NPI
    {0x4a, 0x4f, reply_class::kMessage},          //
    {0x50, 0x51, reply_class::kRecipient},        // destination TON, NPI
    {0x53, 0x53, reply_class::kAuth},             // system_type
    {0x58, 0x58, reply_class::kThrottled},        //
    {0x61, 0x62, reply_class::kMessage},          // schedule, validity
    {0x64, 0x64, reply_class::kProviderError},    // temporary application error
    {0x65, 0x66, reply_class::kMessage},          // permanent application error, rejected
    {0xc0, 0xc4, reply_class::kMessage},          // optional parameters
    {0xfe, 0xfe, reply_class::kUnreachable},      // delivery failed
    {0xff, 0xff, reply_class::kProviderError},    // unknown error
    {0x100, 0x100, reply_class::kAccount},        // not authorised for this service_type
    {0x101, 0x101, reply_class::kMessage},        // prohibited
    {0x102, 0x102, reply_class::kProviderError},  // service_type unavailable
    {0x103, 0x103, reply_class::kAccount},        // service_type denied
    {0x104, 0x104, reply_class::kMessage},        // data_coding
};

enum class Ids { same, hex_then_decimal, decimal_then_hex };  // in submit_sm_resp, then in the receipt

struct Parts {
  SmppAddress from;
  std::string service_type, validity_period;
  uint8_t registered_delivery = 1;
  std::string alphabet = "gsm";
  std::string join = "udh";
  Ids ids = Ids::same;
};

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_id(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// One number, however it is written; what is no number of 64 bits stays as it is.
std::string in_decimal(const std::string& id, bool is_hex) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), value, is_hex ? 16 : 10);
  return error == std::errc() && end == id.data() + id.size() ? std::to_string(value) : id;
}

std::string code_of(uint32_t status) {
  std::string hex;
  append_u32(hex, status);
  hex = to_hex(hex);
  const auto first = std::min(hex.find_first_not_of('0'), hex.size() - 2);
  return "0x" + hex.substr(first & ~size_t{1});
}

class Smpp : public Provider {
 public:
  explicit Smpp(Parts parts) : parts_(std::move(parts)) {}

  Protocol protocol() const override { return Protocol::smpp; }
  bool can_send(Kind kind) const override { return kind == Kind::sms; }
  bool has_echo() const override { return false; }
  bool has_receipts() const override { return parts_.registered_delivery != 0; }
  CallbackWay callback_way() const override { return CallbackWay::link; }
  size_t text_max() const override { return 1600; }

  Result<LinkRequest> build_link(const Outbound& message) const override {
    const auto& recipient = message.recipient.reveal();
    if (!recipient.starts_with('+') || !is_digits(recipient.substr(1)) || recipient.size() > 21)
      return Error{ErrorCode::invalid, "the recipient is no number in E.164"};
    SmppMessage submit;
    submit.service_type = parts_.service_type;
    submit.from = parts_.from;
    submit.to = {1, 1, recipient.substr(1)};
    submit.validity_period = parts_.validity_period;
    submit.registered_delivery = parts_.registered_delivery;
    SmsAlphabet alphabet{};
    const auto octets = encode(message.body.reveal(), submit.data_coding, alphabet);
    if (!octets) return Error{ErrorCode::invalid, "the text is not UTF-8"};
    const auto join = parts_.join == "udh16" ? SmsJoin::wide_header
                      : parts_.join == "sar" ? SmsJoin::tlv
                                             : SmsJoin::header;
    auto pieces = split_sms(*octets, alphabet, join);
    if (pieces.size() > 1 && parts_.join == "payload") {
      submit.tlvs.push_back({smpp::kMessagePayload, *octets});
      return LinkRequest{{to_octets(submit)}};
    }
    if (pieces.size() > 255) return Error{ErrorCode::invalid, "the text has more than 255 parts"};
    LinkRequest request;
    for (size_t i = 0; i < pieces.size(); i++)
      request.parts.push_back(pieces.size() == 1
                                  ? one_part(submit, pieces[i])
                                  : one_of(submit, pieces[i], join, reference_of(message), pieces.size(), i + 1));
    return request;
  }

  Outcome parse_link(const LinkReply& reply) const override {
    const bool is_bind = reply.stage == LinkReply::Stage::bind;
    Outcome outcome;
    if (reply.status == smpp::kOk && !is_bind) {
      outcome.provider_code = code_of(reply.status);
      if (!is_id(reply.message_id)) {
        outcome.reason = reply_class::kUnreadable.reason;
        outcome.scope = reply_class::kUnreadable.scope;
        return outcome;
      }
      outcome.kind = OutcomeKind::accepted;
      outcome.provider_reference = parts_.ids == Ids::same
                                       ? reply.message_id
                                       : in_decimal(reply.message_id, parts_.ids == Ids::hex_then_decimal);
      return outcome;
    }
    auto what = class_of(reply.status);
    // Before the first submit the SMSC has not heard of the message: whatever it says, the message waits.
    if (is_bind && what.kind != OutcomeKind::retryable) what = reply_class::kAuth;
    if (is_bind && what.scope != FaultScope::credential && what.scope != FaultScope::account)
      what.scope = FaultScope::provider;
    outcome.kind = what.kind;
    outcome.reason = what.reason;
    outcome.scope = what.scope;
    outcome.is_throttled = what.is_throttled;
    outcome.provider_code = code_of(reply.status);
    return outcome;
  }

  // What comes over the link is the bound account's own; what is posted to /webhooks is nobody's.
  Verdict verify(const CallbackRequest&) const override {
    Verdict verdict;
    verdict.reason = "receipts of an SMSC come over its link only";
    verdict.is_unsigned = true;
    return verdict;
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto message = read_message(request.body);
    if (!message) return message.error();
    if (!is_receipt(*message)) return std::vector<Receipt>();
    const auto told = read_receipt(*message);
    if (!told) return told.error();
    Receipt receipt;
    receipt.provider_reference =
        parts_.ids == Ids::same ? told->id : in_decimal(told->id, parts_.ids == Ids::decimal_then_hex);
    receipt.kind = told->kind;
    receipt.provider_code = told->stat + (told->error.empty() ? "" : " " + told->error);
    // An SMSC counts its ids anew some day; it does not end two messages of one id in the same minute.
    receipt.event_id = receipt.provider_reference + "." + told->stat + "." + told->done;
    return std::vector{std::move(receipt)};
  }

  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    const auto message = read_message(request.body);
    if (!message) return message.error();
    if (is_receipt(*message) || (message->esm_class & smpp::kTypeMask) != 0) return std::vector<Inbound>();
    auto payload = message->payload();
    if ((message->esm_class & smpp::kHasHeader) != 0) payload = without_sms_header(payload);
    Inbound inbound;
    inbound.from = Phi<std::string>((is_digits(message->from.digits) ? "+" : "") + message->from.digits);
    inbound.to = message->to.digits;
    inbound.text = Phi<std::string>(decode_sms(payload, alphabet_of(message->data_coding)));
    // There is no id. Told again it counts again: two STOPs harm nobody, and one that passes for the last one does.
    inbound.event_id = to_hex(view(sha256(request.body + std::to_string(request.received_at.us)))).substr(0, 32);
    return std::vector{std::move(inbound)};
  }

 private:
  static ReplyClass class_of(uint32_t status) {
    for (const auto& row : kStatuses)
      if (status >= row.first && status <= row.last) return row.what;
    return kOther;
  }

  // Two attempts have two references: a handset must not join what is of both.
  static uint16_t reference_of(const Outbound& message) {
    return static_cast<uint16_t>(read_big_endian(message.message_id.view().substr(14)) +
                                 static_cast<uint64_t>(message.attempt_no));
  }

  std::optional<std::string> encode(const std::string& text, uint8_t& data_coding, SmsAlphabet& alphabet) const {
    alphabet = parts_.alphabet == "gsm"    ? SmsAlphabet::gsm
               : parts_.alphabet == "ucs2" ? SmsAlphabet::ucs2
                                           : SmsAlphabet::latin1;
    data_coding = parts_.alphabet == "latin1" ? 3 : 0;
    if (alphabet != SmsAlphabet::ucs2)
      if (auto octets = encode_sms(text, alphabet)) return octets;
    alphabet = SmsAlphabet::ucs2;
    data_coding = 8;
    return encode_sms(text, alphabet);
  }

  SmsAlphabet alphabet_of(uint8_t data_coding) const {
    if (data_coding == 8) return SmsAlphabet::ucs2;
    if (data_coding == 0 && parts_.alphabet != "latin1_default") return SmsAlphabet::gsm;
    return SmsAlphabet::latin1;  // 3; 1 is IA5, which is a part of it
  }

  static std::string one_part(SmppMessage submit, const std::string& piece) {
    submit.short_message = piece;
    return to_octets(submit);
  }

  static std::string one_of(SmppMessage submit, const std::string& piece, SmsJoin join, uint16_t reference,
                            size_t total, size_t number) {
    if (join == SmsJoin::tlv) {
      std::string octets;
      append_u16(octets, reference);
      submit.tlvs = {{smpp::kSarReference, octets},
                     {smpp::kSarTotal, std::string(1, static_cast<char>(total))},
                     {smpp::kSarNumber, std::string(1, static_cast<char>(number))}};
      return one_part(std::move(submit), piece);
    }
    submit.esm_class |= smpp::kHasHeader;
    return one_part(std::move(submit), sms_header(join, reference, total, number) + piece);
  }

  const Parts parts_;
};

// +number, a short code, or up to 11 letters and digits (SMPP 3.4 section 5.2.5; 3GPP TS 23.040 section 9.1.2.5).
Result<SmppAddress> address_of(const ProviderSettings& settings) {
  const auto from = setting_of(settings, "from");
  SmppAddress out;
  if (from.starts_with('+') && is_digits(from.substr(1)) && from.size() <= 16)
    out = {1, 1, from.substr(1)};
  else if (is_digits(from) && from.size() <= 15)
    out = {3, 0, from};
  else if (from.size() <= 11 && encode_sms(from, SmsAlphabet::gsm) && encode_sms(from, SmsAlphabet::latin1) == from)
    out = {5, 0, from};
  else
    return setting_error(settings, "from", "write +number, a short code, or up to 11 letters and digits");
  for (const auto& [key, number] : {std::pair("from_ton", &out.ton), std::pair("from_npi", &out.npi)}) {
    const auto text = setting_of(settings, key);
    if (text.empty()) continue;
    if (!is_digits(text) || text.size() > 2)
      return setting_error(settings, key, "write a number of SMPP 3.4 section 5.2");
    *number = static_cast<uint8_t>(std::stoi(text));
  }
  return out;
}

// Relative (SMPP 3.4 section 7.1.1.1): "000001020000000R" is a day and two hours.
Result<std::string> validity_of(const ProviderSettings& settings) {
  const auto text = setting_of(settings, "validity_s");
  if (text.empty()) return std::string();
  const auto refuse = setting_error(settings, "validity_s", "write seconds, from 60 to 2419200");
  if (!is_digits(text) || text.size() > 7) return refuse;
  const int64_t seconds = std::stoll(text);
  if (seconds < 60 || seconds > 2'419'200) return refuse;
  std::string out = "0000";
  for (const int64_t part : {seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60})
    out += std::to_string(100 + part).substr(1);
  return out + "000R";
}

Result<void> check_word(const ProviderSettings& settings, const std::string& key, const std::string& word,
                        std::initializer_list<std::string_view> known) {
  if (std::find(known.begin(), known.end(), word) != known.end()) return {};
  std::string list;
  for (const auto one : known) list += (list.empty() ? "" : ", ") + std::string(one);
  return setting_error(settings, key, "write one of these: " + list);
}

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  auto options = smpp_options(settings);
  if (!options) return options.error();
  Parts parts;
  auto from = address_of(settings);
  if (!from) return from.error();
  parts.from = std::move(*from);
  auto validity = validity_of(settings);
  if (!validity) return validity.error();
  parts.validity_period = std::move(*validity);
  parts.service_type = setting_of(settings, "service_type");
  if (parts.service_type.size() > 5) return setting_error(settings, "service_type", "write up to 5 characters");
  parts.alphabet = setting_of(settings, "alphabet", "gsm");
  parts.join = setting_of(settings, "concatenation", "udh");
  const auto receipts = setting_of(settings, "receipts", "final");
  const auto ids = setting_of(settings, "message_ids", "same");
  auto checked = check_word(settings, "alphabet", parts.alphabet, {"gsm", "latin1", "latin1_default", "ucs2"});
  if (checked) checked = check_word(settings, "concatenation", parts.join, {"udh", "udh16", "sar", "payload"});
  if (checked) checked = check_word(settings, "receipts", receipts, {"final", "all", "off"});
  if (checked) checked = check_word(settings, "message_ids", ids, {"same", "hex_then_decimal", "decimal_then_hex"});
  if (!checked) return checked.error();
  parts.registered_delivery = receipts == "off" ? 0x00 : receipts == "all" ? 0x11 : 0x01;  // section 5.2.17
  parts.ids = ids == "same" ? Ids::same : ids == "hex_then_decimal" ? Ids::hex_then_decimal : Ids::decimal_then_hex;
  return std::unique_ptr<Provider>(std::make_unique<Smpp>(std::move(parts)));
}

}  // namespace

AdapterInfo smpp_adapter() {
  return {"smpp",
          {{"url", true},
           {"system_id", true},
           {"password", true, true},
           {"from", true},
           {"cleartext"},
           {"ca_file"},
           {"system_type"},
           {"service_type"},
           {"from_ton"},
           {"from_npi"},
           {"binds"},
           {"window"},
           {"enquire_link_s"},
           {"alphabet"},
           {"concatenation"},
           {"receipts"},
           {"message_ids"},
           {"validity_s"}},
          make};
}

}  // namespace signet
