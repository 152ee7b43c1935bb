// npm smtp-server for one test: prints its port, then each mail it took as a line of JSON. Options as JSON in the first
// argument: key and cert are files; wrong recipients are those that begin with "no".
const fs = require('fs');
const { SMTPServer } = require('smtp-server');

const options = JSON.parse(process.argv[2] || '{}');
for (const name of ['key', 'cert']) if (options[name]) options[name] = fs.readFileSync(options[name]);

function refusal(code, text) {
  const error = new Error(text);
  error.responseCode = code;
  return error;
}

const server = new SMTPServer({
  hideENHANCEDSTATUSCODES: false,
  hideDSN: false,
  ...options,
  onAuth(auth, session, done) {
    if (auth.username !== 'clinic' || auth.password !== 'secret') return done(refusal(535, 'no such user or password'));
    done(null, { user: auth.username });
  },
  onRcptTo(address, session, done) {
    if (address.address.startsWith('no')) return done(refusal(550, 'no such mailbox'));
    if (address.address.startsWith('later')) return done(refusal(451, 'Greylisted, come back later'));
    done();
  },
  onData(stream, session, done) {
    const pieces = [];
    stream.on('data', piece => pieces.push(piece));
    stream.on('end', () => {
      if (stream.sizeExceeded) return done(refusal(552, 'too large'));
      const { mailFrom, rcptTo } = session.envelope;
      console.log(JSON.stringify({
        from: mailFrom, to: rcptTo, is_secure: session.secure, user: session.user || '',
        data: Buffer.concat(pieces).toString('utf8'),
      }));
      done(null, 'Ok: queued as NPM1');
    });
  },
});
server.on('error', () => {});  // a client that breaks off
server.listen(0, '127.0.0.1', () => console.log(server.server.address().port));
