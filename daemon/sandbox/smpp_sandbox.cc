#include "daemon/sandbox/smpp_sandbox.h"

#include <ctime>
#include <vector>

#include "base/bytes.h"
#include "daemon/sandbox/endings.h"
#include "message/outcome.h"
#include "providers/smpp_receipt.h"
#include "providers/sms_text.h"

namespace signet::sandbox {

namespace {

constexpr int kThrottledTimes = 2;
constexpr uint32_t kRejected = 0x66;  // ESME_RX_R_APPN: as some say that the recipient has opted out

struct Stat {
  const char* word;
  ReceiptKind kind;
  const char* error = "000";
};

std::vector<Stat> stats_of(Behaviour behaviour) {
  constexpr Stat kEnroute{"ENROUTE", ReceiptKind::sent}, kDelivered{"DELIVRD", ReceiptKind::delivered};
  switch (behaviour) {
    case Behaviour::fail_later:
      return {{"UNDELIV", ReceiptKind::failed, "001"}};
    case Behaviour::twice:
      return {kDelivered, kDelivered};
    case Behaviour::out_of_order:
      return {kDelivered, kEnroute};
    case Behaviour::silent:
      return {};
    default:
      return {kDelivered};
  }
}

// YYMMDDhhmm
std::string short_time(WallTime at) {
  const std::string text = rfc3339(at);
  return text.substr(2, 2) + text.substr(5, 2) + text.substr(8, 2) + text.substr(11, 2) + text.substr(14, 2);
}

std::string text_in(const SmppMessage& message) {
  std::string_view octets = message.payload();
  if ((message.esm_class & smpp::kHasHeader) != 0) octets = without_sms_header(octets);
  const auto alphabet = message.data_coding == 8   ? SmsAlphabet::ucs2
                        : message.data_coding == 3 ? SmsAlphabet::latin1
                                                   : SmsAlphabet::gsm;
  return decode_sms(octets, alphabet);
}

// Which part of its message it is, from 1.
int part_number(const SmppMessage& message) {
  if (const auto number = message.tlv(smpp::kSarNumber); !number.empty()) return static_cast<uint8_t>(number[0]);
  const std::string_view octets = message.payload();
  if ((message.esm_class & smpp::kHasHeader) == 0 || octets.size() < 6) return 1;
  if (octets[1] == 0x00 && octets[2] == 3) return static_cast<uint8_t>(octets[5]);
  if (octets[1] == 0x08 && octets[2] == 4 && octets.size() > 6) return static_cast<uint8_t>(octets[6]);
  return 1;
}

}  // namespace

struct SmppSandbox::Told {
  SmppReceipt receipt;
  SmppAddress from, to;
  std::shared_ptr<Arrival> arrival;  // null: of a part that is not the first
  std::vector<Stat> rest;            // told one after the other
  bool has_answer = false;           // of the recipient, which comes last
  bool has_more() const { return !rest.empty() || has_answer; }
};

class SmppSandbox::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(SmppSandbox& owner, uint64_t id, std::unique_ptr<Stream> stream)
      : owner_(owner), id_(id), stream_(std::move(stream)), silence_(owner.loop_) {}

  void start() {
    Stream::Handlers handlers;
    handlers.on_open = [] {};
    handlers.on_data = [this](std::string_view octets) { on_data(octets); };
    handlers.on_close = [this](const Error&) { end(); };
    stream_->set_handlers(std::move(handlers));
  }

  bool takes_receipts() const { return is_receiver_ && stream_->is_open(); }
  void deliver(std::shared_ptr<Told> told);

 private:
  void on_data(std::string_view octets);
  void on_request(const SmppPdu& pdu);
  void on_bind(const SmppPdu& pdu);
  void on_submit(const SmppPdu& pdu);
  void on_response(const SmppPdu& pdu);
  void end();
  void say(uint32_t command, uint32_t status, uint32_t sequence, std::string body = "") {
    stream_->write(to_octets(SmppPdu{command, status, sequence, std::move(body)}));
  }
  uint32_t next_sequence() {
    last_sequence_ = last_sequence_ == kSmppSequenceMax ? 1 : last_sequence_ + 1;
    return last_sequence_;
  }
  void watch() {
    silence_.start(owner_.options_.enquire_link_ms, [this] {
      say(smpp::kEnquireLink, smpp::kOk, next_sequence());
      watch();
    });
  }

  SmppSandbox& owner_;
  const uint64_t id_;
  std::unique_ptr<Stream> stream_;
  Timer silence_;
  SmppReader reader_;
  bool is_transmitter_ = false, is_receiver_ = false;
  uint32_t last_sequence_ = 0;
  std::unordered_map<uint32_t, std::shared_ptr<Told>> told_;  // by sequence, not answered yet
};

void SmppSandbox::Session::on_data(std::string_view octets) {
  const auto self = shared_from_this();
  std::vector<SmppPdu> pdus;
  const auto read = reader_.feed(octets, pdus);
  for (const auto& pdu : pdus) {
    if (!stream_->is_open()) return;
    if (is_transmitter_ || is_receiver_) watch();
    if (pdu.is_response()) {
      on_response(pdu);
    } else {
      on_request(pdu);
    }
  }
  if (!read) {
    say(smpp::kGenericNack, smpp::kInvalidLength, 0);
    stream_->finish();
  }
}

void SmppSandbox::Session::on_request(const SmppPdu& pdu) {
  const uint32_t answer = pdu.command | smpp::kResponse;
  switch (pdu.command) {
    case smpp::kBindTransceiver:
    case smpp::kBindTransmitter:
    case smpp::kBindReceiver:
      return on_bind(pdu);
    case smpp::kEnquireLink:
      return say(answer, smpp::kOk, pdu.sequence);
    case smpp::kUnbind:
      say(answer, smpp::kOk, pdu.sequence);
      return stream_->finish();
    case smpp::kSubmitSm:
      if (!is_transmitter_) return say(answer, smpp::kInvalidBindStatus, pdu.sequence);
      return on_submit(pdu);
    default:
      say(smpp::kGenericNack, smpp::kInvalidCommand, pdu.sequence);
  }
}

void SmppSandbox::Session::on_bind(const SmppPdu& pdu) {
  const uint32_t answer = pdu.command | smpp::kResponse;
  const auto bind = read_bind(pdu.body);
  if (is_transmitter_ || is_receiver_) return say(answer, smpp::kAlreadyBound, pdu.sequence);
  if (!bind) return say(answer, smpp::kInvalidLength, pdu.sequence);
  if (bind->system_id != owner_.options_.system_id) return say(answer, smpp::kInvalidSystemId, pdu.sequence);
  if (!is_equal_constant_time(bind->password, owner_.options_.password.octets()))
    return say(answer, smpp::kInvalidPassword, pdu.sequence);
  is_transmitter_ = pdu.command != smpp::kBindReceiver;
  is_receiver_ = pdu.command != smpp::kBindTransmitter;
  say(answer, smpp::kOk, pdu.sequence, id_body("SIGNET"));
  watch();
  if (!is_receiver_) return;
  for (auto& told : std::exchange(owner_.waiting_, {})) owner_.tell(std::move(told));
}

void SmppSandbox::Session::on_submit(const SmppPdu& pdu) {
  const uint32_t answer = pdu.command | smpp::kResponse;
  const auto message = read_message(pdu.body);
  if (!message) return say(answer, smpp::kInvalidLength, pdu.sequence);
  Arrival arrival;
  arrival.channel = "sms";
  arrival.recipient = '+' + message->to.digits;
  arrival.sender = message->from.digits;
  arrival.text = text_in(*message);
  const Behaviour behaviour = behaviour_of(arrival.recipient);
  const bool is_first = part_number(*message) <= 1;
  const auto refuse = [&](uint32_t status, const char* verdict = "refused") {
    arrival.verdict = verdict;
    arrival.answer = std::to_string(status);
    if (is_first) owner_.journal_.record(std::move(arrival));
    say(answer, status, pdu.sequence);
  };
  int& seen = owner_.seen_[arrival.recipient];
  if (behaviour == Behaviour::fail_at_once) return refuse(smpp::kInvalidDestination);
  if (behaviour == Behaviour::opted_out) return refuse(kRejected);
  if (behaviour == Behaviour::throttle && ++seen <= kThrottledTimes) return refuse(smpp::kThrottled, "throttled");
  if (behaviour == Behaviour::fail_first && ++seen == 1) return refuse(smpp::kSystemError);
  const bool hangs = behaviour == Behaviour::hang, resets = behaviour == Behaviour::reset;
  uint8_t octets[8];
  owner_.random_.fill(octets, sizeof octets);
  const std::string id = to_hex({reinterpret_cast<const char*>(octets), sizeof octets});
  arrival.verdict = hangs ? "hung" : "accepted";
  arrival.answer = hangs ? "none" : resets ? "reset" : "0";
  if (!hangs) arrival.reference = id;
  auto recorded = is_first ? owner_.journal_.record(std::move(arrival)) : nullptr;
  if (hangs) return;
  if ((message->registered_delivery & 1) != 0) {
    auto told = std::make_shared<Told>();
    told->receipt.id = id;
    told->from = message->to;
    told->to = message->from;
    told->arrival = std::move(recorded);
    told->rest = stats_of(behaviour);
    told->has_answer = behaviour == Behaviour::write_stop && is_first;
    const bool is_late = behaviour == Behaviour::late || resets;
    owner_.after_(is_late ? owner_.options_.late_ms : owner_.options_.receipt_ms,
                  [at = &owner_, told] { at->tell(told); });
  }
  if (!resets) return say(answer, smpp::kOk, pdu.sequence, id_body(id));
  stream_->reset();
  end();
}

void SmppSandbox::Session::deliver(std::shared_ptr<Told> told) {
  SmppMessage message;
  message.from = told->from;
  message.to = told->to;
  if (told->rest.empty()) {
    message.short_message = kStop;  // the same in GSM 03.38
  } else {
    const Stat stat = told->rest.front();
    told->receipt.stat = stat.word;
    told->receipt.kind = stat.kind;
    told->receipt.error = stat.error;
    told->receipt.done = short_time(owner_.clock_.wall());
    message.esm_class = smpp::kTypeReceipt;
    message.short_message = receipt_text(told->receipt);
    const char state = stat.kind == ReceiptKind::delivered ? 2 : stat.kind == ReceiptKind::failed ? 5 : 1;
    message.tlvs = {{smpp::kReceiptedMessageId, told->receipt.id + '\0'}, {smpp::kMessageState, std::string(1, state)}};
  }
  const uint32_t sequence = next_sequence();
  told_[sequence] = std::move(told);
  say(smpp::kDeliverSm, smpp::kOk, sequence, to_octets(message));
}

void SmppSandbox::Session::on_response(const SmppPdu& pdu) {
  const auto node = told_.extract(pdu.sequence);
  if (node.empty()) return;  // to an enquire_link
  std::shared_ptr<Told> told = node.mapped();
  auto at = &owner_;
  if (pdu.status != smpp::kOk) {
    at->after_(at->options_.again_ms, [at, told] { at->tell(told); });
    return;
  }
  const bool is_answer = told->rest.empty();
  if (told->arrival)
    told->arrival->statuses.push_back(is_answer ? "wrote " + std::string(kStop)
                                                : std::string(name(told->rest.front().kind)));
  if (is_answer)
    told->has_answer = false;
  else
    told->rest.erase(told->rest.begin());
  if (told->has_more()) at->after_(at->options_.receipt_ms, [at, told] { at->tell(told); });
}

// What was not acknowledged is told again, over another link.
void SmppSandbox::Session::end() {
  silence_.stop();
  is_transmitter_ = is_receiver_ = false;
  auto& owner = owner_;
  const auto self = shared_from_this();
  owner.sessions_.erase(id_);
  for (auto& [sequence, told] : std::exchange(told_, {})) owner.tell(std::move(told));
}

void SmppSandbox::tell(std::shared_ptr<Told> told) {
  if (!told->has_more()) return;
  for (const auto& [id, session] : sessions_)
    if (session->takes_receipts()) return session->deliver(std::move(told));
  waiting_.push_back(std::move(told));
}

SmppSandbox::SmppSandbox(Loop& loop, const Clock& clock, Random& random, Journal& journal, After after,
                         SmppOptions options)
    : loop_(loop),
      clock_(clock),
      random_(random),
      journal_(journal),
      after_(std::move(after)),
      options_(std::move(options)) {}

SmppSandbox::~SmppSandbox() {
  listener_.reset();
  sessions_.clear();
}

Result<std::unique_ptr<SmppSandbox>> SmppSandbox::start(Loop& loop, const Clock& clock, Random& random,
                                                        Journal& journal, After after, SmppOptions options) {
  std::unique_ptr<SmppSandbox> sandbox(
      new SmppSandbox(loop, clock, random, journal, std::move(after), std::move(options)));
  auto listener =
      Listener::bind(loop, sandbox->options_.listen, nullptr,
                     [at = sandbox.get()](std::unique_ptr<Stream> stream) { at->accept(std::move(stream)); });
  if (!listener) return listener.error();
  sandbox->listener_ = std::move(*listener);
  return sandbox;
}

void SmppSandbox::accept(std::unique_ptr<Stream> stream) {
  if (sessions_.size() >= options_.connections) return stream->reset();
  const uint64_t id = ++last_session_;
  const auto session = std::make_shared<Session>(*this, id, std::move(stream));
  sessions_.emplace(id, session);
  session->start();
}

}  // namespace signet::sandbox
