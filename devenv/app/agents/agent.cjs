// Starts OpenTelemetry's Node.js agent; start.cjs has checked that this version of Node.js can run it.
//
// The agent's modules are in one file, `agent.pack`, whose first line is an index: one read in place of two thousand.
// The SDK and the spans of HTTP start at once; the instrumentation of a library starts when the program requires the
// library, so that a program pays for what it uses. Whatever goes wrong here is reported and the program runs on.
'use strict';

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const vm = require('node:vm');
const { isMainThread } = require('node:worker_threads');

const SCOPE = '@opentelemetry/instrumentation-';
const AT_ONCE = ['http', 'undici'];
// Spans of each DNS lookup, connection and file hide those of the program; OTEL_NODE_ENABLED_INSTRUMENTATIONS asks for
// them.
const ON_REQUEST = ['dns', 'net', 'fs', 'host-metrics', 'cucumber', 'aws-lambda'];
const METRICS_ONLY = ['runtime-node'];
// Libraries by instrumentation, if its name is not the library's; a name that ends in / stands for a scope.
const LIBRARIES = {
  'aws-sdk': ['aws-sdk', '@aws-sdk/', '@smithy/'],
  grpc: ['@grpc/grpc-js'],
  hapi: ['@hapi/hapi'],
  koa: ['koa', '@koa/router', 'koa-router'],
  'nestjs-core': ['@nestjs/core'],
  pg: ['pg', 'pg-pool'],
  redis: ['redis', '@redis/client', '@node-redis/client'],
};
const PER_LIBRARY = new Set([
  ...Object.keys(LIBRARIES), 'amqplib', 'bunyan', 'cassandra-driver', 'connect', 'dataloader', 'express',
  'generic-pool', 'graphql', 'ioredis', 'kafkajs', 'knex', 'lru-memoizer', 'memcached', 'mongodb', 'mongoose', 'mysql',
  'mysql2', 'openai', 'oracledb', 'pino', 'restify', 'router', 'socket.io', 'tedious', 'winston',
]);
// Signals that end a program which does not listen to them.
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];
// Programs that only start the one that serves.
const LAUNCHERS = new Set([
  'npm', 'npm-cli.js', 'npx', 'npx-cli.js', 'yarn', 'yarn.js', 'yarnpkg', 'pnpm', 'pnpm.cjs', 'pnpm.mjs', 'corepack',
  'corepack.js', 'nodemon', 'nodemon.js', 'concurrently', 'concurrently.js', 'cross-env', 'cross-env.js', 'dotenv',
  'run-p', 'run-s', 'npm-run-all', 'tsc', 'wait-on', 'node-gyp', 'node-gyp.js',
]);
const OWN_TRACING = /^@opentelemetry\/(sdk-node|sdk-trace-node|sdk-trace-base|auto-instrumentations-node)$/;

function nearestPackage(file) {
  for (let folder = path.dirname(file), last = ''; folder !== last; last = folder, folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) || {};
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') return {};
    }
  }
  return {};
}

function realFile(file) {
  try {
    return fs.realpathSync(file);
  } catch {
    return file;
  }
}

// Why a program is left alone: it traces itself. Empty if it does not.
function ownTracing(description) {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS || ''].join(' ');
  if (flags.includes('@opentelemetry/')) return 'its flags load OpenTelemetry';
  const own = Object.keys({ ...description.dependencies, ...description.optionalDependencies });
  const found = own.find((name) => OWN_TRACING.test(name));
  return found ? `its package.json has ${found}` : '';
}

// The modules of the pack, each compiled when it is first required.
function openPack(file) {
  const data = fs.readFileSync(file);
  const end = data.indexOf(10);
  const index = JSON.parse(data.toString('utf8', 0, end));
  const outside = Module.createRequire(__filename);
  const loaded = new Map();

  function load(name) {
    let module = loaded.get(name);
    if (module) return module.exports;
    const [begin, length, links] = index.modules[name];
    const filename = path.join(__dirname, name);
    module = { id: filename, filename, exports: {}, loaded: false, children: [], paths: [] };
    loaded.set(name, module);
    const text = data.toString('utf8', end + 1 + begin, end + 1 + begin + length);
    if (name.endsWith('.json')) {
      module.exports = JSON.parse(text);
    } else {
      const require = (request) => (links[request] ? linked(request, links[request]) : outside(request));
      require.resolve = (request, options) =>
        !options && links[request] ? path.join(__dirname, links[request]) : outside.resolve(request, options);
      require.cache = {};
      require.main = undefined;
      // A compiled function has no `import()` of its own, so the pack's texts call this one.
      const dynamic = async (request) => (links[request] ? namespace(load(links[request])) : import(request));
      const names = ['exports', 'require', 'module', '__filename', '__dirname', '__import'];
      const run = vm.compileFunction(text, names, { filename });
      run.call(module.exports, module.exports, require, module, filename, path.dirname(filename), dynamic);
    }
    module.loaded = true;
    return module.exports;
  }

  function namespace(exported) {
    return exported && exported.__esModule ? exported : { ...exported, default: exported };
  }

  // Most of the SDK serves other exporters and signals: OpenTelemetry's packages load when something of them is used.
  function linked(request, name) {
    if (loaded.has(name) || !index.lazy.includes(request)) return load(name);
    const real = () => load(name);
    return new Proxy({}, {
      get: (_, key) => real()[key],
      has: (_, key) => key in real(),
      ownKeys: () => Reflect.ownKeys(real()),
      getOwnPropertyDescriptor: (_, key) => {
        const found = Reflect.getOwnPropertyDescriptor(real(), key);
        return found && { ...found, configurable: true };
      },
    });
  }

  return { names: Object.keys(index.roots), load: (name) => load(index.roots[name]) };
}

function chosen(names) {
  const listed = (variable) => (process.env[variable] || '').split(',').map((name) => name.trim()).filter(Boolean);
  const enabled = listed('OTEL_NODE_ENABLED_INSTRUMENTATIONS');
  const disabled = listed('OTEL_NODE_DISABLED_INSTRUMENTATIONS');
  const metrics = process.env.OTEL_METRICS_EXPORTER !== 'none';
  return names.filter((name) => {
    if (disabled.includes(name)) return false;
    if (enabled.length) return enabled.includes(name);
    return !ON_REQUEST.includes(name) && (metrics || !METRICS_ONLY.includes(name));
  });
}

function instrumentation(pack, name) {
  const exported = pack.load(SCOPE + name);
  const key = Object.keys(exported).find((each) => /Instrumentation$/.test(each) && typeof exported[each] === 'function');
  return key ? [new exported[key]()] : [];
}

// Starts the instrumentation of a library just before the program loads it.
function watchRequires(pack, names) {
  const pending = new Map();
  for (const name of names) for (const library of LIBRARIES[name] || [name]) pending.set(library, name);
  const original = Module.prototype.require;
  Module.prototype.require = function (id) {
    if (pending.size && typeof id === 'string' && id[0] !== '.' && id[0] !== '/') {
      const parts = id.split('/');
      const scope = id[0] === '@' ? `${parts[0]}/` : '';
      const library = pending.has(scope) ? scope : scope + (scope ? parts[1] : parts[0]);
      const name = pending.get(library);
      if (name !== undefined) {
        for (const [key, value] of pending) if (value === name) pending.delete(key);
        guarded(() => instrumentation(pack, name));
      }
    }
    return original.apply(this, arguments);
  };
}

// Spans that are still in memory are sent at the end, however the program ends. A signal then has the effect that it has
// without this listener, and libraries that look at the listeners of signals do not see it.
function flushAtEnd(pack) {
  const provider = pack.load('@opentelemetry/api').trace.getTracerProvider();
  const own = provider.getDelegate ? provider.getDelegate() : provider;
  const flush = async () => {
    if (own.forceFlush) await own.forceFlush().catch(() => {});
  };
  const sendLast = require('./last_spans.cjs').watch(own);
  const onSignal = (signal) => {
    if (process.listeners(signal).length) return; // the program ends by itself, and then the spans are sent
    const again = () => {
      process.removeListener(signal, onSignal);
      process.kill(process.pid, signal);
    };
    if (!sendLast) flush().finally(again);
    else {
      guarded(sendLast);
      again();
    }
  };
  hide(onSignal);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.once('beforeExit', flush);
  if (sendLast) process.on('exit', () => guarded(sendLast));
}

// Node.js itself asks `listenerCount`, by which it stops to listen to a signal.
function hide(listener) {
  const listeners = process.listeners;
  process.listeners = function (event) {
    return listeners.call(this, event).filter((each) => each !== listener);
  };
}

function start() {
  const main = realFile(process.argv[1] || path.join(process.cwd(), 'index.js'));
  if (!isMainThread || LAUNCHERS.has(path.basename(process.argv[1] || '')) || LAUNCHERS.has(path.basename(main))) return;
  const description = nearestPackage(main);
  const own = ownTracing(description);
  if (own) {
    say(`left alone, because ${own}`);
    return;
  }
  const pack = openPack(path.join(__dirname, 'agent.pack'));
  const modules = main.endsWith('.mjs') || (description.type === 'module' && !main.endsWith('.cjs'));
  const names = chosen(pack.names.filter((name) => name.startsWith(SCOPE)).map((name) => name.slice(SCOPE.length)));
  const later = modules ? [] : names.filter((name) => PER_LIBRARY.has(name) && !AT_ONCE.includes(name));
  const { NodeSDK } = pack.load('@opentelemetry/sdk-node');
  const first = names.filter((name) => !later.includes(name));
  const sdk = new NodeSDK({ instrumentations: first.flatMap((name) => guarded(() => instrumentation(pack, name)) || []) });
  sdk.start();
  watchRequires(pack, later);
  if (modules) Module.register('import-in-the-middle/hook.mjs', pathToFileURL(__filename));
  flushAtEnd(pack);
}

function guarded(action) {
  try {
    return action();
  } catch (error) {
    say(`tracing is not complete: ${(error && error.message) || error}`);
    return undefined;
  }
}

function say(text) {
  process.stderr.write(`devenv: ${text}\n`);
}

guarded(start);
