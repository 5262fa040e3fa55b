// Makes the spans of spans.py with the API that devenv's agent of Node.js has registered, and prints their IDs.
'use strict';

const { context, trace } = globalThis[Symbol.for('opentelemetry.js.api.1')];
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');
const at = (offset) => [1_700_000_000, 123_456_789 + offset];
// JavaScript has no larger whole number that is exact.
const values = {
  text: 'größe ☃ 😀 "<&>"', empty: '', yes: true, no: false, zero: 0, beyond: 2 ** 53, least: -(2 ** 53), part: 0.1,
  small: 5e-324, texts: ['a', '', 'ü'], flags: [true, false], numbers: [1, 2 ** 53], parts: [1.5, -2.25], nothing: [],
  long: 'x'.repeat(5000), null: null, holes: ['a', null], '': 'a key is never empty',
};

function remote(traceId, spanId, state) {
  return { traceId, spanId, traceFlags: 1, isRemote: true, traceState: state && { serialize: () => state } };
}

const under = (spanContext) =>
  context.active().setValue(SPAN, { spanContext: () => spanContext, isRecording: () => false });
const tracer = trace.getTracer('a.library', '1.2.3');
const parent = remote('0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331', 'vendor=1,other=a:b');
const root = tracer.startSpan('root', { kind: 1, attributes: values, startTime: at(0) }, under(parent));
const within = context.active().setValue(SPAN, root);
const links = [
  { context: remote('0102030405060708090a0b0c0d0e0f10', '1112131415161718', 'l=1'), attributes: values },
  { context: remote('0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331') },
];
const child = tracer.startSpan('größe', { kind: 2, links, startTime: at(1_000_001) }, within);
child.addEvent('first', values, at(1_500_001));
child.addEvent('größe', at(1_600_002));
child.setStatus({ code: 2, message: 'warum ☃' });
child.end(at(2_000_002));
const ids = { root: root.spanContext().spanId, größe: child.spanContext().spanId };
for (const [name, kind] of [['internal', 0], ['producer', 3], ['consumer', 4]]) {
  const span = tracer.startSpan(name, { kind, startTime: at(3_000_003) }, within);
  if (name === 'producer') span.setStatus({ code: 1 });
  span.end(at(3_000_004));
  ids[name] = span.spanContext().spanId;
}
const empty = trace.getTracer('').startSpan('', { startTime: at(3_000_003) }, within);
empty.addEvent('', {}, at(3_000_003));
empty.end(at(3_000_004));
ids[''] = empty.spanContext().spanId;
root.end(at(9_999_999));
console.log(JSON.stringify(ids));
