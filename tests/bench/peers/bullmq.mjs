// PROCS worker processes of CONCURRENCY each. They report what they finished by messages to the parent, so that
// counting costs the database nothing; the clock runs from the first finished message to the last.
import { execFileSync, fork } from 'node:child_process'
import { Queue, Worker } from 'bullmq'
import { N, CONCURRENCY, redis, makeMessage, schema, insertQueued, deliver, sentCount } from './common.mjs'

if (process.argv[2] === 'worker') {
  let done = 0
  const worker = new Worker('deliver', job => deliver(job.data), { connection: redis, concurrency: CONCURRENCY })
  worker.on('completed', () => { done++ })
  worker.on('failed', (_, error) => console.error(error.message))
  setInterval(() => { if (done) { process.send(done); done = 0 } }, 10)
  process.on('message', async () => { await worker.close(); process.exit(0) })
} else {
  // Of this process with its workers, and of the services (tests/bench/cpu): {name: microseconds so far}.
  const cpu = () => JSON.parse(execFileSync(process.env.CPU,
    [`daemon=${process.pid}`, ...process.env.SERVICE_PIDS.split(' ')]))
  await schema()
  const queue = new Queue('deliver', { connection: redis })
  await queue.obliterate({ force: true }).catch(() => {})
  for (let i = 0; i < N; i += 1000) {
    const batch = Array.from({ length: Math.min(1000, N - i) }, (_, k) => makeMessage(i + k))
    await insertQueued(batch)
    const retry = { attempts: 5, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: true }
    await queue.addBulk(batch.map(m => ({ name: 'sms', data: m, opts: { ...retry, priority: m.priority } })))
  }
  const before = cpu()
  let done = 0, first = 0, t0, finish
  const all = new Promise(resolve => { finish = resolve })
  const workers = Array.from({ length: Number(process.env.PROCS ?? 1) }, () => fork(process.argv[1], ['worker']))
  for (const w of workers) {
    w.on('message', n => {
      if (!t0) { t0 = performance.now(); first = n }
      done += n
      if (done === N) finish()
    })
  }
  await all
  const s = (performance.now() - t0) / 1000
  const after = cpu()
  const each = Object.fromEntries(Object.keys(after).map(k => [k, +((after[k] - before[k]) / N).toFixed(1)]))
  if (await sentCount() !== N) throw new Error('not all sent')
  console.log(JSON.stringify({ peer: `bullmq procs=${workers.length} c=${CONCURRENCY}`, n: N, seconds: +s.toFixed(2),
    per_second: Math.round((N - first) / s), cpu_us_each: each }))
  workers.forEach(w => w.send('stop'))
  setTimeout(() => process.exit(0), 1000)
}
