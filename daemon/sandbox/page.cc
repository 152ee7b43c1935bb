#include "daemon/sandbox/page.h"

namespace signet::sandbox {

// What arrived is written by strangers: it enters the document by textContent only.
const std::string_view kPage = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Signet sandbox</title>
<style>
:root {
  color-scheme: light dark;
  --page: #f6f5f2; --card: #ffffff; --ink: #1d2125; --soft: #5c646d; --line: #dfdcd5;
  --good: #1a6b3c; --bad: #a32626; --wait: #8a5a00; --accent: #2a5db0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15181b; --card: #1e2226; --ink: #e8e6e1; --soft: #a0a7ae; --line: #32373d;
    --good: #6fcf97; --bad: #ff8a80; --wait: #f2c063; --accent: #8ab4f8;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.5rem; margin-bottom: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .75rem; }
p { margin: 0; color: var(--soft); }
#counts { margin-left: auto; font-variant-numeric: tabular-nums; }
#counts b { color: var(--ink); }
#counts .bad { color: var(--bad); }
.note { font-size: .9rem; }
.list { list-style: none; margin: 0; padding: 0; display: grid; gap: .6rem; }
.item { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.top { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem .8rem; }
.channel { font-size: .75rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase; color: var(--soft);
  min-width: 3rem; }
.to { font-weight: 600; overflow-wrap: anywhere; }
.when { margin-left: auto; color: var(--soft); font-size: .85rem; font-variant-numeric: tabular-nums; }
.subject { margin-top: .3rem; font-weight: 600; overflow-wrap: anywhere; }
.text { margin-top: .3rem; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 12em; overflow: auto; }
.state { margin-top: .45rem; font-size: .875rem; color: var(--soft); display: flex; flex-wrap: wrap; gap: .2rem .9rem; }
.verdict { font-weight: 600; }
.accepted, .repeated { color: var(--good); } .refused { color: var(--bad); } .throttled, .hung { color: var(--wait); }
.id { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .8rem; overflow-wrap: anywhere; }
.empty { background: none; border-style: dashed; color: var(--soft); text-align: center; padding: 2.5rem 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; background: var(--card);
  border: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; padding: .5rem .8rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td:first-child { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; color: var(--accent); }
#lost { color: var(--bad); }
</style>
</head>
<body>
<main>
<header>
  <h1>Signet sandbox</h1>
  <p class="note">Plays every provider. Nothing leaves this machine.</p>
  <p id="counts" aria-live="polite"></p>
</header>
<p id="lost" role="status"></p>
<h2>What arrived, newest first</h2>
<ol id="list" class="list"></ol>
<h2>What the last digits of a recipient do</h2>
<p class="note">The end of the number, or of the part before the @. <span id="otherwise"></span></p>
<div class="scroll"><table>
  <thead><tr><th scope="col">Ends in</th><th scope="col">SMS</th><th scope="col">E-mail</th></tr></thead>
  <tbody id="endings"></tbody>
</table></div>
</main>
<noscript><main><p>This page needs its script; the same is at /sandbox/messages.</p></main></noscript>
<script>
'use strict';
const byId = id => document.getElementById(id);
function add(parent, tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}
function show(messages) {
  const list = document.createDocumentFragment();
  for (const m of messages) {
    const item = add(list, 'li', 'item');
    const top = add(item, 'div', 'top');
    add(top, 'span', 'channel', m.channel === 'sms' ? 'SMS' : 'E-mail');
    add(top, 'span', 'to', m.recipient);
    const when = add(top, 'time', 'when', new Date(m.at).toLocaleTimeString());
    when.dateTime = m.at;
    if (m.subject) add(item, 'div', 'subject', m.subject);
    if (m.text) add(item, 'div', 'text', m.text);
    const state = add(item, 'div', 'state');
    const known = ['accepted', 'repeated', 'refused', 'throttled', 'hung'].includes(m.verdict);
    add(state, 'span', 'verdict ' + (known ? m.verdict : ''), m.verdict);
    add(state, 'span', '', 'answer: ' + m.answer);
    if (m.statuses.length) add(state, 'span', '', 'called back: ' + m.statuses.join(', '));
    if (m.reference) add(state, 'span', 'id', m.reference);
    if (m.echo) add(state, 'span', 'id', m.echo);
  }
  if (!messages.length) add(list, 'li', 'item empty', 'Nothing yet. Send something.');
  byId('list').replaceChildren(list);
}
function count(summary) {
  const counts = byId('counts');
  counts.replaceChildren();
  add(counts, 'b', '', summary.accepted);
  counts.append(' accepted, ');
  add(counts, 'b', summary.twice.length ? 'bad' : '', summary.twice.length);
  counts.append(' twice');
}
let last = '';
async function refresh() {
  try {
    const [messages, summary] = await Promise.all([
      fetch('/sandbox/messages').then(r => r.text()), fetch('/sandbox/journal/summary').then(r => r.json())]);
    if (messages !== last) show(JSON.parse(messages));
    last = messages;
    count(summary);
    byId('lost').textContent = '';
  } catch (e) {
    byId('lost').textContent = 'The sandbox does not answer. Trying again.';
  }
  setTimeout(refresh, 1000);
}
fetch('/sandbox/endings').then(r => r.json()).then(table => {
  byId('otherwise').textContent = table.otherwise;
  for (const row of table.endings) {
    const tr = add(byId('endings'), 'tr');
    for (const text of [row.digits, row.sms, row.email]) add(tr, 'td', '', text);
  }
});
refresh();
</script>
</body>
</html>
)html";

}  // namespace signet::sandbox
