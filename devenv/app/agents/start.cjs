// A program loads this file first, with `--require`. It keeps to the syntax of old versions of Node.js, so that a program
// starts on any of them: one that OpenTelemetry's agent does not support is reported, and the program runs on.
'use strict';

try {
  var version = process.versions.node.split('.').map(Number);
  if (version[0] > 20 || (version[0] === 20 && version[1] >= 6) || (version[0] === 18 && version[1] >= 19)) {
    require('./agent.cjs');
  } else {
    process.stderr.write('devenv: not traced: the agent needs Node.js 18.19 or 20.6, this is ' + process.version + '\n');
  }
} catch (error) {
  process.stderr.write('devenv: tracing did not start: ' + ((error && error.message) || error) + '\n');
}
