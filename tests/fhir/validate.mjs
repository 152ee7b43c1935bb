// validate.mjs FILE...: each resource through npm fhir (codes, cardinality, unknown members) and the JSON schema of R4.
// First both are shown faults, so that a validator that takes everything does not pass.
import { readFileSync } from 'node:fs';
import fhir from 'fhir';
import SchemaValidator from '@asymmetrik/fhir-json-schema-validator';

const one = new fhir.Fhir();
const two = new SchemaValidator();

function faultsOf(resource) {
  const faults = one
    .validate(resource, { errorOnUnexpected: true })
    .messages.filter((m) => m.severity === 'error' || m.severity === 'fatal')
    .map((m) => `fhir: ${m.location}: ${m.message}`);
  for (const error of two.validate(resource) ?? []) faults.push(`schema: ${error.dataPath}: ${error.message}`);
  return faults;
}

const bad = [
  { resourceType: 'Communication' },
  { resourceType: 'Communication', status: 'delivered' },
  { resourceType: 'AuditEvent', type: { code: '110106' }, agent: [{ requestor: true }], source: { observer: {} } },
  { resourceType: 'Provenance', target: [{ display: 'x' }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }], hash: 'x' },
];
for (const resource of bad)
  if (faultsOf(resource).length === 0) {
    console.error(`fhir_test: the validators take ${JSON.stringify(resource)}`);
    process.exit(1);
  }

let count = 0;
let faulty = 0;
const kinds = {};
for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  const resources = file.endsWith('.json') ? [JSON.parse(text)] : text.trim().split('\n').map((line) => JSON.parse(line));
  for (const resource of resources)
    for (const each of resource.resourceType === 'Bundle' ? [resource, ...(resource.entry ?? []).map((e) => e.resource)] : [resource]) {
      count++;
      kinds[each.resourceType] = (kinds[each.resourceType] ?? 0) + 1;
      const faults = faultsOf(each);
      if (faults.length === 0) continue;
      faulty++;
      console.error(`${each.resourceType} ${each.subtype?.at(-1)?.code ?? each.status ?? each.id}:\n  ${faults.join('\n  ')}`);
    }
}
console.log(`${count} resources (${Object.entries(kinds).map(([k, n]) => `${n} ${k}`).join(', ')}), ${faulty} with faults`);
for (const kind of ['AuditEvent', 'Bundle', 'Communication', 'Provenance'])
  if (!kinds[kind]) {
    console.error(`fhir_test: no ${kind} was among them`);
    process.exit(1);
  }
process.exit(faulty === 0 ? 0 : 1);
