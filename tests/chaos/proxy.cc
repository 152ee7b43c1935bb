#include "tests/chaos/proxy.h"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

namespace signet::chaos {
namespace {

constexpr size_t kHeldBytesMax = 4 << 20;

}  // namespace

struct Proxy::Link {
  struct Way {  // one direction
    Way(Loop& loop, Link& of, std::unique_ptr<Stream>& from, std::unique_ptr<Stream>& to)
        : link(of), source(from), target(to), timer(loop) {}
    Link& link;
    std::unique_ptr<Stream>&source, &target;
    std::deque<std::pair<int64_t, std::string>> held;  // due tick in us, octets
    size_t held_bytes = 0;
    int64_t due_us = 0;
    bool ends = false;  // the source has closed: close the target after the last octet
    Timer timer;

    void take(std::string_view octets) {
      const Weather& weather = link.proxy.weather_;
      if (held.empty() && !weather.is_silent && weather.delay_max_ms == 0 && link.is_open) return target->write(octets);
      held_bytes += octets.size();
      const auto span = static_cast<uint64_t>(weather.delay_max_ms - weather.delay_min_ms + 1);
      const int64_t delay_ms = weather.delay_min_ms + static_cast<int64_t>(link.proxy.random_.below(span));
      due_us = std::max(due_us, link.proxy.clock_.tick().us + delay_ms * 1000);
      held.emplace_back(due_us, octets);
      if (held_bytes > kHeldBytesMax) source->pause();
      pump();
    }
    void pump() {
      if (!link.is_open || !target || link.proxy.weather_.is_silent) return;
      while (!held.empty()) {
        const int64_t left_us = held.front().first - link.proxy.clock_.tick().us;
        if (left_us > 0) return timer.start((left_us + 999) / 1000, [this] { pump(); });
        target->write(held.front().second);
        held_bytes -= held.front().second.size();
        held.pop_front();
        if (source && held_bytes <= kHeldBytesMax) source->resume();
      }
      if (ends) target->finish();
    }
  };

  Link(Proxy& of, std::unique_ptr<Stream> from)
      : proxy(of),
        client(std::move(from)),
        up(of.loop_, *this, client, server),
        down(of.loop_, *this, server, client) {}

  void start() {
    Stream::Handlers to_client;
    to_client.on_data = [this](std::string_view octets) { up.take(octets); };
    to_client.on_close = [this](const Error& error) { closed(up, client, error); };
    client->set_handlers(std::move(to_client));
    Stream::Handlers to_server;
    to_server.on_open = [this] {
      is_open = true;
      up.pump();
    };
    to_server.on_data = [this](std::string_view octets) { down.take(octets); };
    to_server.on_close = [this](const Error& error) { closed(down, server, error); };
    server = Stream::connect(proxy.loop_, {"127.0.0.1", proxy.to_port_}, {}, std::move(to_server));
  }
  // A clean end follows what is on its way; anything else ends both at once.
  void closed(Way& way, std::unique_ptr<Stream>& mine, const Error& error) {
    mine.reset();
    std::unique_ptr<Stream>& other = way.target;
    if (!other) return end();
    if (error.code != ErrorCode::io || !is_open) {
      other->reset();
      return end();
    }
    way.ends = true;
    way.pump();
  }
  void end() {
    if (std::exchange(is_ended, true)) return;
    // Not here: a handler of a stream of this link is still on the stack. The proxy may go in the same round.
    proxy.loop_.post([at = this, &of = proxy, is_alive = std::weak_ptr(proxy.is_alive_)] {
      if (!is_alive.expired()) of.links_.remove_if([at](const auto& link) { return link.get() == at; });
    });
  }

  Proxy& proxy;
  bool is_open = false;  // the server's side
  bool is_ended = false;
  std::unique_ptr<Stream> client, server;
  Way up, down;
};

Proxy::Proxy(Loop& loop, const Clock& clock, Random& random, int to_port)
    : loop_(loop), clock_(clock), random_(random), to_port_(to_port) {
  auto bound = Listener::bind(loop, {"127.0.0.1", 0}, nullptr,
                              [this](std::unique_ptr<Stream> client) { accept(std::move(client)); });
  if (!bound) throw std::runtime_error(bound.error().text);
  listener_ = std::move(*bound);
}

Proxy::~Proxy() = default;

void Proxy::accept(std::unique_ptr<Stream> client) {
  links_.push_back(std::make_unique<Link>(*this, std::move(client)));
  links_.back()->start();
}

void Proxy::set(Weather weather) {
  loop_.post([this, weather] {
    weather_ = weather;
    for (const auto& link : links_) {
      link->up.pump();
      link->down.pump();
    }
  });
}

void Proxy::reset_all() {
  loop_.post([this] {
    for (const auto& link : links_) {
      if (link->client) link->client->reset();
      if (link->server) link->server->reset();
    }
    links_.clear();
  });
}

}  // namespace signet::chaos
