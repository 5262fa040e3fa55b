// Sends the spans that are still in memory when the program ends, while it waits.
//
// A program that calls `process.exit`, or ends by a signal or an exception, runs nothing asynchronous any more. So a
// thread of its own posts them, over OTLP/HTTP or gRPC, and the program waits for it, for a bounded time. Spans that are
// on their way by then are sent once more: a trace backend stores equal spans once.
'use strict';

const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const fs = require('node:fs');
const { isMainThread, Worker, workerData } = require('node:worker_threads');

const WAIT_MS = 2000;
const MOST_SPANS = 4096;
const BATCH = 512;
const SAMPLED = 1;
const GRPC_PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

// Follows each span of a tracer provider until it is exported. Returns what sends the others, or undefined if that
// is not possible with one of its exporters.
function watch(provider) {
  const active = provider._activeSpanProcessor || {};
  const processors = active._spanProcessors || [active];
  const batching = processors.filter((each) => each._exporter);
  const found = batching.filter((each) => each._exporter._delegate && each._exporter._delegate._serializer);
  if (!found.length || found.length < batching.length) return undefined;
  const watched = found.map(watchProcessor);
  return () => watched.forEach(sendNow);
}

function watchProcessor(processor) {
  const unsent = new Set();
  const exporter = processor._exporter;
  const onEnd = processor.onEnd;
  const onExport = exporter.export;
  processor.onEnd = function (span) {
    if (span.spanContext().traceFlags & SAMPLED) {
      if (unsent.size >= MOST_SPANS) unsent.delete(unsent.values().next().value);
      unsent.add(span);
    }
    return onEnd.call(this, span);
  };
  exporter.export = function (spans, done) {
    return onExport.call(this, spans, (result) => {
      for (const span of spans) unsent.delete(span);
      done(result);
    });
  };
  return { unsent, serializer: exporter._delegate._serializer };
}

function sendNow({ unsent, serializer }) {
  const spans = [...unsent];
  unsent.clear();
  const bodies = [];
  for (let first = 0; first < spans.length; first += BATCH) {
    const body = serializer.serializeRequest(spans.slice(first, first + BATCH));
    if (body) bodies.push(body);
  }
  if (!bodies.length) return;
  const state = new Int32Array(new SharedArrayBuffer(4));
  const environment = { ...process.env };
  delete environment.NODE_OPTIONS;
  const options = { workerData: { bodies, state, ...receiver() }, env: environment, execArgv: [] };
  new Worker(__filename, options).unref();
  Atomics.wait(state, 0, 0, WAIT_MS);
}

// Where to, and with which headers, by the environment variables of OTLP exporters: the agent has no other settings.
function receiver() {
  const protocol = setting('PROTOCOL') || 'http/protobuf';
  const grpc = protocol === 'grpc';
  const own = process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  let url = own || process.env.OTEL_EXPORTER_OTLP_ENDPOINT || `http://localhost:${grpc ? 4317 : 4318}`;
  if (!/^https?:\/\//.test(url)) url = `${setting('INSECURE') === 'true' ? 'http' : 'https'}://${url}`;
  if (!grpc && !own) url = `${url.replace(/\/$/, '')}/v1/traces`;
  const headers = {};
  for (const pair of setting('HEADERS').split(',')) {
    const [name, ...value] = pair.split('=');
    if (value.length) headers[name.trim().toLowerCase()] = decodeURIComponent(value.join('=').trim());
  }
  headers['content-type'] = grpc ? 'application/grpc' : protocol === 'http/json' ? 'application/json' : 'application/x-protobuf';
  const files = { ca: setting('CERTIFICATE'), key: setting('CLIENT_KEY'), cert: setting('CLIENT_CERTIFICATE') };
  return { grpc, url, headers, files };
}

function setting(name) {
  return process.env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || process.env[`OTEL_EXPORTER_OTLP_${name}`] || '';
}

// --- in the thread ---

async function deliver({ bodies, state, grpc, url, headers, files }) {
  const options = { autoSelectFamily: true };
  for (const [name, file] of Object.entries(files)) if (file) options[name] = fs.readFileSync(file);
  try {
    await (grpc ? overGrpc : overHttp)(bodies, new URL(url), headers, options);
  } finally {
    Atomics.store(state, 0, 1);
    Atomics.notify(state, 0);
  }
}

function overHttp(bodies, url, headers, options) {
  const client = url.protocol === 'https:' ? https : http;
  return Promise.all(bodies.map((body) => new Promise((resolve, reject) => {
    const given = { ...options, method: 'POST', headers: { ...headers, 'content-length': body.length } };
    const request = client.request(url, given, (response) => response.on('end', resolve).resume());
    request.on('error', reject).end(body);
  })));
}

function overGrpc(bodies, url, headers, options) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url.origin, options);
    session.on('error', reject);
    const sent = bodies.map((body) => new Promise((resolve) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(body.length, 1);
      const stream = session.request({ ...headers, ':method': 'POST', ':path': GRPC_PATH, te: 'trailers' });
      stream.on('close', resolve).on('error', () => {}).resume();
      stream.end(Buffer.concat([prefix, body]));
    }));
    Promise.all(sent).then(() => session.close(resolve));
  });
}

if (isMainThread) module.exports = { watch };
else deliver(workerData).catch(() => {}); // as when the SDK cannot export: the program has ended by itself
