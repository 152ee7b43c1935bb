// node validate.mjs DOCUMENT FILE...: every line of the FILEs is one exchange: {method, pattern, status, contentType,
// headers, body, query, sent, request?}. Each has to be in the OpenAPI document: its status, its media type, its
// headers, its body by the schema, and if it succeeded its query, its headers of interest and its request's body too.
// Texts that come from bodies are not printed beyond the name of the member that is wrong.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const [documentFile, ...files] = process.argv.slice(2);
const document = JSON.parse(readFileSync(documentFile, 'utf8'));
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(document, 'openapi.json');

const faults = new Map(); // text -> how often
const fault = (text) => faults.set(text, (faults.get(text) ?? 0) + 1);

// A schema by its place in the document, so that its references are followed from there.
const escaped = (name) => encodeURIComponent(String(name).replaceAll('~', '~0').replaceAll('/', '~1'));
const validators = new Map();
function check(where, value, what) {
  const ref = `openapi.json#/${where.map(escaped).join('/')}`;
  if (!validators.has(ref)) validators.set(ref, ajv.compile({ $ref: ref }));
  const validate = validators.get(ref);
  if (validate(value)) return;
  for (const e of validate.errors.slice(0, 4))
    fault(`${what}: ${e.instancePath || '/'} ${e.message} ${e.params.additionalProperty ?? ''}`.trimEnd());
}

function resolve(where) {
  let part = document;
  for (const name of where) part = part?.[name];
  return part?.$ref ? resolve(part.$ref.slice(2).split('/').map((n) => n.replaceAll('~1', '/').replaceAll('~0', '~')))
                    : { part, where };
}

// Members that nobody described would pass an open schema.
function checkClosed(schema, where) {
  if (schema === null || typeof schema !== 'object') return;
  if (schema.properties && schema.additionalProperties !== false) fault(`${where}: additionalProperties is not false`);
  for (const [name, part] of Object.entries(schema)) if (name !== 'x-codes') checkClosed(part, `${where}/${name}`);
}
checkClosed(document.components.schemas, 'components/schemas');

const jsonOf = (text, what) => {
  try {
    return JSON.parse(text);
  } catch {
    fault(`${what}: no JSON`);
    return undefined;
  }
};
const isJson = (type) => type === 'application/json' || type === 'application/problem+json';
// On every reply of the router.
const everywhere = new Set(['Referrer-Policy', 'Cross-Origin-Resource-Policy', 'Cross-Origin-Opener-Policy']);

function checkResponse(place, line, what) {
  const { part: response, where } = resolve([...place, 'responses', line.status]);
  if (!response) return fault(`${what}: this status is not described`);
  for (const name of Object.keys(line.headers).filter((each) => !everywhere.has(each)))
    if (!response.headers?.[name]) fault(`${what}: the header ${name} is not described`);
    else check([...resolve([...where, 'headers', name]).where, 'schema'], line.headers[name], what);
  if (line.contentType === '' && line.body === '') {
    if (response.content) fault(`${what}: a body is described, none came`);
    return;
  }
  // A type without parameters stands for all of them.
  const types = [line.contentType, line.contentType.split(';')[0]];
  if (!types.some((type) => response.content?.[type])) return fault(`${what}: ${line.contentType} is not described`);
  if (!isJson(line.contentType)) return;
  const body = jsonOf(line.body, what);
  if (body !== undefined) check([...where, 'content', line.contentType, 'schema'], body, what);
}

function checkRequest(place, operation, line, what) {
  const parameters = (operation.parameters ?? []).map((_, i) => resolve([...place, 'parameters', i]));
  const named = (kind, name) => parameters.find(
    ({ part }) => part.in === kind && (kind === 'query' ? part.name === name : part.name.toLowerCase() === name));
  for (const [kind, values] of [['query', line.query], ['header', line.sent]])
    for (const [name, value] of Object.entries(values)) {
      const parameter = named(kind, name);
      if (!parameter) {
        const isOwn = kind === 'query' && line.pattern !== '/webhooks/{provider}';  // else a provider's
        if (isOwn) fault(`${what}: the parameter ${name} is not described`);
      } else {
        const isNumber = parameter.part.schema.type === 'integer';
        check([...parameter.where, 'schema'], isNumber ? Number(value) : value, `${what} ${kind} ${name}`);
      }
    }
  if (line.request === '') return;
  if (operation.requestBody?.content?.['*/*']) return;
  const content = operation.requestBody?.content?.['application/json'];
  if (!content) return fault(`${what}: a request body is not described`);
  const body = jsonOf(line.request, what);
  const schema = [...place, 'requestBody', 'content', 'application/json', 'schema'];
  if (body !== undefined) check(schema, body, `${what} request`);
}

let count = 0;
const seen = new Set();
for (const file of files)
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    if (text === '') continue;
    count++;
    const line = JSON.parse(text);
    const place = ['paths', line.pattern, line.method.toLowerCase()];
    const operation = resolve(place).part;
    const what = `${line.method} ${line.pattern} ${line.status}`;
    if (!operation) {
      fault(`${what}: not described`);
      continue;
    }
    if (line.status < 300) seen.add(operation.operationId);
    checkResponse(place, line, what);
    if (line.request !== undefined) checkRequest(place, operation, line, what);
  }

// A description that no test ever held against an answer is a guess.
for (const methods of Object.values(document.paths))
  for (const operation of Object.values(methods))
    if (!seen.has(operation.operationId)) fault(`${operation.operationId}: no test was answered with success`);

if (faults.size > 0) {
  for (const [text, times] of faults) console.error(times > 1 ? `${text} (${times} times)` : text);
  console.error(`${faults.size} faults in ${count} exchanges`);
  process.exit(1);
}
console.log(`${count} exchanges are as described`);
