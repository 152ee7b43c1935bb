// The work every peer does for a message: POST it to the provider, then record the attempt and the status.
import pg from 'pg'
import { Pool as HttpPool } from 'undici'
import { randomUUID } from 'node:crypto'

export const N = Number(process.env.N ?? 20000)
export const CONCURRENCY = Number(process.env.CONCURRENCY ?? 100)
export const redisUrl = new URL(process.env.REDIS_URL)
export const redis = { host: redisUrl.hostname, port: Number(redisUrl.port) }
const http = new HttpPool(process.env.SINK_URL, { connections: CONCURRENCY, pipelining: 1 })
export const db = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.PG_POOL ?? 16) })

export const makeMessage = (i) => ({ id: randomUUID(), to: `+1415555${String(i % 10000).padStart(4, '0')}`,
  from: '+15005550006', priority: 1 + (i % 3), body: 'Your appointment letter is ready. '.repeat(10) })

export async function schema () {
  await db.query(`drop table if exists attempts, messages;
    create table messages (id uuid primary key, status text not null, provider_message_id text, sent_at timestamptz);
    create table attempts (id bigint generated always as identity primary key, message_id uuid not null,
      attempt int not null, provider text not null, status text not null, provider_message_id text,
      started_at timestamptz not null, finished_at timestamptz not null default now());
    create index on attempts (message_id);`)
}
export async function insertQueued (messages) {
  await db.query(`insert into messages (id, status) select unnest($1::uuid[]), 'queued'`, [messages.map(m => m.id)])
}
const record = `with a as (insert into attempts (message_id, attempt, provider, status, provider_message_id, started_at)
    values ($1, 1, 'sms', 'sent', $2, $3))
  update messages set status = 'sent', provider_message_id = $2, sent_at = now() where id = $1`
export async function deliver (m) {
  const started = new Date()
  const form = new URLSearchParams({ To: m.to, From: m.from, Body: m.body }).toString()
  const res = await http.request({ path: '/2010-04-01/Accounts/AC0/Messages.json', method: 'POST', body: form,
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: 'Basic QUMwOnNlY3JldA==' } })
  const reply = await res.body.json()
  if (res.statusCode !== 201) throw new Error(`provider said ${res.statusCode}`)
  await db.query({ name: 'record', text: record, values: [m.id, reply.sid, started] })
}
export const sentCount = async () =>
  Number((await db.query(`select count(*) from messages where status = 'sent'`)).rows[0].count)
