// An SMSC by npm smpp: a line of JSON for each thing that happens, its port first. A text of one word has it do
// something of its own:
//   throttled  refused with 0x58        wrong   refused with 0x0b
//   drop       no answer, link closed   unbind  accepted, then it unbinds
//   lost       its receipt says so      chat    the recipient writes back
// What is accepted has an id in hexadecimal, and a receipt that names it in decimal.
'use strict';
const smpp = require('smpp');

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');
let ids = 0x4f00;
let binds = 0;

const server = smpp.createServer((session) => {
  session.on('error', () => {});
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
    say({ event: 'unbind' });
  });
  session.on('bind_transceiver', (pdu) => {
    if (pdu.system_id !== 'clinic' || pdu.password !== 'secret') {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      return session.close();
    }
    binds++;
    session.send(pdu.response({ system_id: 'npm' }));
    session.enquire_link({}, (answer) => say({ event: 'enquired', status: answer.command_status }));
    say({ event: 'bound', version: pdu.interface_version, type: pdu.system_type, binds });
  });
  session.on('submit_sm', (pdu) => {
    const text = pdu.short_message.message;
    say({
      event: 'submit',
      from: pdu.source_addr, from_ton: pdu.source_addr_ton,
      to: pdu.destination_addr, to_ton: pdu.dest_addr_ton,
      text: Buffer.isBuffer(text) ? text.toString('hex') : text,
      udh: pdu.short_message.udh ? Buffer.concat(pdu.short_message.udh).toString('hex') : '',
      data_coding: pdu.data_coding, esm_class: pdu.esm_class, receipts: pdu.registered_delivery,
      sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum],
      payload: pdu.message_payload ? pdu.message_payload.message : '',
    });
    if (text === 'throttled') return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    if (text === 'wrong') return session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    if (text === 'drop') return session.destroy();
    const id = ids++;
    session.send(pdu.response({ message_id: id.toString(16) }));
    if (text === 'unbind') return session.unbind({}, () => session.close());
    const state = text === 'lost' ? 'UNDELIV' : 'DELIVRD';
    session.deliver_sm({
      source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
      short_message:
        `id:${id} sub:001 dlvrd:001 submit date:2611271200 done date:2611271201 stat:${state} err:000 text:x`,
    }, (answer) => say({ event: 'receipt', status: answer.command_status }));
    if (text === 'chat')
      session.deliver_sm({ source_addr: '15558675310', destination_addr: '15005550006', short_message: 'Stop ✋' },
        (answer) => say({ event: 'inbound', status: answer.command_status }));
  });
});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
setTimeout(() => process.exit(1), 120000);  // whatever became of the test
