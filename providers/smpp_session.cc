#include "providers/smpp_session.h"

#include <charconv>
#include <utility>
#include <vector>

#include "base/check.h"
#include "providers/connect_reason.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr int kUnaskedMax = 256;        // of one link; more is to be told again
constexpr size_t kQueuedMax = 4 << 20;  // octets that an SMSC lets lie
constexpr int64_t kLeaveMs = 5000;

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<int64_t> number_of(const ProviderSettings& settings, const std::string& key, int64_t fallback, int64_t least,
                          int64_t most) {
  const auto text = setting_of(settings, key, std::to_string(fallback));
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return setting_error(settings, key, "write a number from " + std::to_string(least) + " to " + std::to_string(most));
  return value;
}

// A C-octet string of SMPP 3.4 section 5.2, whose size counts the NUL.
Result<void> check_text(const ProviderSettings& settings, const std::string& key, std::string_view text,
                        size_t size_max) {
  if (text.size() >= size_max)
    return setting_error(settings, key, "SMPP 3.4 has room for " + std::to_string(size_max - 1) + " characters");
  for (char c : text)
    if (c <= ' ' || c > '~') return setting_error(settings, key, "write it in ASCII, without blanks");
  return {};
}

}  // namespace

Result<SmppOptions> smpp_options(const ProviderSettings& settings) {
  SmppOptions options;
  auto url = setting_of(settings, "url");
  options.is_tls = url.starts_with("smpps://");
  const auto bad_url = setting_error(settings, "url", "write smpps://host:port or smpp://host:port");
  if (!options.is_tls && !url.starts_with("smpp://")) return bad_url;
  auto authority = url.substr(options.is_tls ? 8 : 7);
  if (authority.ends_with('/')) authority.pop_back();
  const bool has_port = authority.rfind(':') != std::string::npos && !authority.ends_with(']');
  auto smsc = parse_endpoint(has_port ? authority : authority + (options.is_tls ? ":3550" : ":2775"));
  if (!smsc || smsc->port == 0) return bad_url;
  options.smsc = *smsc;
  const auto cleartext = setting_of(settings, "cleartext");
  if (!cleartext.empty() && cleartext != "allowed") return setting_error(settings, "cleartext", "write allowed");
  if (!options.is_tls && cleartext.empty() && !is_this_machine(smsc->host))
    return setting_error(settings, "url",
                         "smpp:// sends the password and patients' texts in the clear; write smpps://, or, where the "
                         "way to the SMSC is a tunnel of its own, cleartext: allowed");

  options.system_id = setting_of(settings, "system_id");
  options.system_type = setting_of(settings, "system_type");
  options.password = Secret(std::string(secret_of(settings, "password")));
  auto checked = check_text(settings, "system_id", options.system_id, 16);
  if (checked) checked = check_text(settings, "system_type", options.system_type, 13);
  if (checked) checked = check_text(settings, "password_file", options.password.octets(), 9);
  if (!checked) return checked.error();
  options.ca_file = setting_of(settings, "ca_file");

  const auto binds = number_of(settings, "binds", options.binds, 1, 16);
  if (!binds) return binds.error();
  const auto window = number_of(settings, "window", options.window, 1, 1000);
  if (!window) return window.error();
  const auto enquire_s = number_of(settings, "enquire_link_s", options.enquire_ms / 1000, 1, 3600);
  if (!enquire_s) return enquire_s.error();
  options.binds = static_cast<int>(*binds);
  options.window = static_cast<int>(*window);
  options.enquire_ms = *enquire_s * 1000;
  return options;
}

SmppSession::SmppSession(Loop& loop, const Clock& clock, std::shared_ptr<const SmppOptions> options,
                         std::shared_ptr<TlsContext> tls, Handlers handlers)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      tls_(std::move(tls)),
      handlers_(std::move(handlers)),
      limit_(loop),
      enquire_(loop) {
  connect();
}

SmppSession::~SmppSession() {
  *is_alive_ = false;
  if (state_ == State::bound) write(smpp::kUnbind, smpp::kOk, next_sequence(), "");
}

void SmppSession::connect() {
  StreamOptions options;
  options.user_timeout_ms = options_->user_timeout_ms;
  options.tls = tls_;
  options.tls_host = options_->smsc.host;
  Stream::Handlers handlers;
  handlers.on_open = [this] {
    state_ = State::binding;
    bind_sequence_ = next_sequence();
    limit_.start(options_->answer_ms, [this] { lose({{}, "connect_timed_out", "the SMSC did not answer the bind"}); });
    const SmppBind bind{options_->system_id, std::string(options_->password.octets()), options_->system_type, 0x34, ""};
    write(smpp::kBindTransceiver, smpp::kOk, bind_sequence_, to_octets(bind));
  };
  handlers.on_data = [this](std::string_view octets) { on_data(octets); };
  handlers.on_close = [this](const Error& error) {
    const bool is_early = state_ == State::connecting || state_ == State::binding;
    lose({{}, is_early ? connect_reason(error) : "connection_lost", error.text});
  };
  stream_ = Stream::connect(loop_, options_->smsc, options, std::move(handlers));
}

void SmppSession::submit(std::string_view body, Tick ends_at, Done done) {
  SIGNET_CHECK(has_room());
  const uint32_t sequence = next_sequence();
  submits_[sequence] = {ends_at, std::move(done)};
  write(smpp::kSubmitSm, smpp::kOk, sequence, std::string(body));
}

void SmppSession::expire(Tick now) {
  std::vector<Done> late;
  for (auto at = submits_.begin(); at != submits_.end();) {
    if (now <= at->second.ends_at) {
      ++at;
      continue;
    }
    late.push_back(std::move(at->second.done));
    at = submits_.erase(at);
  }
  if (late.empty()) return;
  loop_.post([this, late = std::move(late), is_alive = is_alive_] {
    for (const auto& done : late)
      if (*is_alive) done({{}, "timed_out"});
    if (*is_alive && is_bound()) handlers_.on_ready();
  });
}

void SmppSession::on_data(std::string_view octets) {
  has_heard_ = true;
  std::vector<SmppPdu> pdus;
  const auto fed = reader_.feed(octets, pdus);
  const auto is_alive = is_alive_;
  for (const auto& pdu : pdus) {
    take(pdu);
    if (!*is_alive || state_ == State::closed) return;
  }
  if (fed && stream_->queued_bytes() > kQueuedMax) return lose({{}, "connection_lost", "the SMSC reads nothing"});
  if (fed) return;
  write(smpp::kGenericNack, smpp::kInvalidLength, 0, "");
  lose({{}, "unreadable_reply", fed.error().text});
}

void SmppSession::take(const SmppPdu& pdu) {
  if (pdu.is_response()) return take_response(pdu);
  switch (pdu.command) {
    case smpp::kEnquireLink:
      return answer(pdu, smpp::kOk);
    case smpp::kDeliverSm:
      return take_unasked(pdu);
    case smpp::kUnbind:
      if (state_ != State::bound) return answer(pdu, smpp::kInvalidBindStatus);
      state_ = State::leaving;
      unbind_sequence_ = pdu.sequence;
      limit_.start(kLeaveMs, [this] { lose({{}, "connection_lost", "the SMSC unbound"}); });
      return leave_if_done();
    default:
      return write(smpp::kGenericNack, smpp::kInvalidCommand, pdu.sequence, "");
  }
}

void SmppSession::take_response(const SmppPdu& pdu) {
  if (state_ == State::binding && pdu.sequence == bind_sequence_) return take_bind_response(pdu);
  const bool is_nack = pdu.command == smpp::kGenericNack;
  if (is_nack && pdu.sequence == 0) return lose({{}, "unreadable_reply", "the SMSC could not read what we wrote"});
  const auto found = submits_.find(pdu.sequence);
  // What is not known is the answer to an enquire_link, or came too late: its submit is in doubt already.
  if (found == submits_.end() || (!is_nack && pdu.command != (smpp::kSubmitSm | smpp::kResponse))) return;
  LinkReply reply;
  reply.status = pdu.status;
  // A generic_nack says what was wrong; one that says "no error" says nothing.
  if (is_nack && pdu.status == smpp::kOk) reply.status = smpp::kSystemError;
  if (reply.status == smpp::kOk) reply.message_id = read_id(pdu.body);
  const auto done = std::move(found->second.done);
  submits_.erase(found);
  const auto is_alive = is_alive_;
  done({reply, ""});
  if (!*is_alive) return;
  // It takes nothing from this link any more.
  if (reply.status == smpp::kInvalidBindStatus)
    return lose({{}, "connection_lost", "the SMSC does not know the bind any more"});
  if (state_ == State::leaving) return leave_if_done();
  if (is_bound()) handlers_.on_ready();
}

void SmppSession::take_bind_response(const SmppPdu& pdu) {
  if (pdu.status != smpp::kOk || pdu.command != (smpp::kBindTransceiver | smpp::kResponse)) {
    LinkReply refusal;
    refusal.stage = LinkReply::Stage::bind;
    refusal.status = pdu.status == smpp::kOk ? smpp::kBindFailed : pdu.status;
    return lose({refusal, "", "the SMSC refused the bind"});
  }
  limit_.stop();
  state_ = State::bound;
  enquire_.repeat(options_->enquire_ms, [this] { enquire(); });
  handlers_.on_ready();
}

void SmppSession::take_unasked(const SmppPdu& pdu) {
  if (state_ != State::bound && state_ != State::leaving) return answer(pdu, smpp::kInvalidBindStatus, id_body(""));
  if (unasked_ >= kUnaskedMax || !handlers_.on_unasked) return answer(pdu, smpp::kTemporaryAppError, id_body(""));
  unasked_++;
  CallbackRequest request;
  request.method = "deliver_sm";
  request.body = pdu.body;
  request.received_at = clock_.wall();
  request.peer_address = stream_->peer_address();
  const SmppPdu header{pdu.command, 0, pdu.sequence, ""};
  handlers_.on_unasked(std::move(request), [this, header, is_alive = is_alive_](UnaskedEnd end) {
    if (!*is_alive || state_ == State::closed) return;
    unasked_--;
    answer(header,
           end == UnaskedEnd::kept         ? smpp::kOk
           : end == UnaskedEnd::unreadable ? smpp::kPermanentAppError
                                           : smpp::kTemporaryAppError,
           id_body(""));
    if (state_ == State::leaving) leave_if_done();
  });
}

void SmppSession::answer(const SmppPdu& to, uint32_t status, std::string body) {
  write(to.command | smpp::kResponse, status, to.sequence, std::move(body));
}

void SmppSession::enquire() {
  if (is_enquired_ && !has_heard_) return lose({{}, "connection_lost", "the SMSC did not answer enquire_link"});
  is_enquired_ = true;
  has_heard_ = false;
  write(smpp::kEnquireLink, smpp::kOk, next_sequence(), "");
}

// What is under way is answered before an SMSC that unbinds gets its answer.
void SmppSession::leave_if_done() {
  if (!submits_.empty() || unasked_ > 0) return;
  write(smpp::kUnbind | smpp::kResponse, smpp::kOk, unbind_sequence_, "");
  lose({{}, "connection_lost", "the SMSC unbound"});
}

uint32_t SmppSession::next_sequence() {
  do {
    sequence_ = sequence_ == kSmppSequenceMax ? 1 : sequence_ + 1;
  } while (submits_.contains(sequence_));
  return sequence_;
}

void SmppSession::write(uint32_t command, uint32_t status, uint32_t sequence, std::string body) {
  stream_->write(to_octets(SmppPdu{command, status, sequence, std::move(body)}));
}

void SmppSession::lose(SmppLoss loss) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  stream_.reset();
  limit_.stop();
  enquire_.stop();
  loop_.post([submits = std::exchange(submits_, {}), on_lost = std::move(handlers_.on_lost), loss = std::move(loss),
              is_alive = is_alive_] {
    for (const auto& [sequence, submit] : submits)
      if (*is_alive) submit.done({{}, "reset_after_send"});
    if (*is_alive) on_lost(loss);
  });
}

}  // namespace signet
