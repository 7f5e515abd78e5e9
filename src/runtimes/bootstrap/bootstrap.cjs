'use strict';
// The Node.js side of the Lambda Runtime API (2018-06-01): loads the handler, then asks for one event after the other.
// Runs on Node.js 14 and newer. Rules that differ by runtime id follow AWS: nodejs24.x and newer know no callbacks.
require('./aws-redirect.cjs');

const fs = require('fs');
const http = require('http');
const path = require('path');
const util = require('util');
const { pathToFileURL } = require('url');

const environment = process.env;
const [apiHost, apiPort] = environment.AWS_LAMBDA_RUNTIME_API.split(':');
const apiRoot = '/2018-06-01/runtime';
const runtimeMajor = Number((/nodejs(\d+)/.exec(environment.AWS_EXECUTION_ENV || '') || [])[1] || 20);
const callbacksAllowed = runtimeMajor < 24;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
// Captured before the handler is loaded: what user code patches later does not reach the bootstrap.
const httpRequest = http.request;

// ---- Runtime API

function call(method, route, body, headers, done) {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const all = bytes === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': bytes.length, ...headers };
  const request = httpRequest({ host: apiHost, port: apiPort, method, path: apiRoot + route, headers: all, agent }, (response) => {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => done(response, Buffer.concat(chunks).toString('utf8')));
  });
  request.on('error', () => process.exit(1)); // the server has gone, or closed on us: nothing left to do
  if (route.endsWith('/next')) request.setTimeout(0);
  request.end(bytes);
}

// ---- console

let requestId;
const jsonLogs = (environment.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';
const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const levelMin = jsonLogs ? levels.indexOf((environment.AWS_LAMBDA_LOG_LEVEL || 'TRACE').toUpperCase()) : 0;

function describeError(error) {
  if (!(error instanceof Error)) return error;
  return { errorType: error.name, errorMessage: error.message, ...error, stack: (error.stack || '').split('\n') };
}

function writeLine(level, values) {
  if (levels.indexOf(level) < levelMin) return;
  const timestamp = new Date().toISOString();
  let line;
  if (jsonLogs) {
    const single = values.length === 1 && typeof values[0] === 'object' && !(values[0] instanceof Error);
    const record = { timestamp, level, requestId, message: single ? values[0] : util.format(...values) };
    const error = values.find((value) => value instanceof Error);
    if (error) Object.assign(record, { errorType: error.name, errorMessage: error.message, stackTrace: describeError(error).stack });
    try {
      line = JSON.stringify(record);
    } catch {
      line = JSON.stringify({ ...record, message: util.format(...values) });
    }
  } else {
    // One event per call: line ends inside a message travel as \r and are restored where output is captured.
    line = `${timestamp}\t${requestId}\t${level}\t${util.format(...values)}`.replace(/\r?\n/g, '\r');
  }
  process.stdout.write(line + '\n');
}

for (const [name, level] of [['log', 'INFO'], ['info', 'INFO'], ['debug', 'DEBUG'], ['warn', 'WARN'], ['error', 'ERROR']]) {
  console[name] = (...values) => writeLine(level, values);
}
console.trace = (...values) => writeLine('TRACE', [new Error(util.format(...values)).stack.replace(/^Error/, 'Trace')]);
process.stdout.on('error', () => {}); // a handler that closed it

// ---- errors

function errorBody(error) {
  if (error instanceof Error || (error && typeof error === 'object' && 'message' in error)) {
    return { errorType: String(error.name), errorMessage: String(error.message), trace: String(error.stack || '').split('\n') };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function logError(prefix, error) {
  writeLine('ERROR', jsonLogs ? [error] : [`${prefix} \t${JSON.stringify(describeError(error))}`]);
}

function runtimeError(name, message) {
  const error = new Error(message);
  error.name = name;
  return error;
}

function failInit(error) {
  logError('Uncaught Exception', error);
  const body = errorBody(error);
  call('POST', '/init/error', JSON.stringify(body), { 'Lambda-Runtime-Function-Error-Type': body.errorType }, () => process.exit(1));
}

function crash(error, prefix, status) {
  logError(prefix, error);
  const body = errorBody(error);
  const route = requestId ? `/invocation/${requestId}/error` : '/init/error';
  call('POST', route, JSON.stringify(body), { 'Lambda-Runtime-Function-Error-Type': body.errorType }, () => process.exit(status));
}
process.on('uncaughtException', (error) => crash(error, 'Uncaught Exception', 129));
process.on('unhandledRejection', (reason) => {
  const error = runtimeError('Runtime.UnhandledPromiseRejection', reason instanceof Error ? String(reason) : util.format(reason));
  error.reason = reason instanceof Error ? describeError(reason) : reason;
  if (reason instanceof Error) error.stack = `${error.name}: ${error.message}\n${reason.stack}`;
  crash(error, 'Unhandled Promise Rejection', 128);
});

// ---- the handler

function moduleKind(file) {
  if (file.endsWith('.mjs')) return 'module';
  if (file.endsWith('.cjs')) return 'commonjs';
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).type || 'commonjs';
    } catch { /* no readable package.json here: look further up */ }
    if (folder === path.dirname(folder)) return 'commonjs';
  }
}

function locate(root, name) {
  const base = path.resolve(root, name);
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    try {
      if (fs.statSync(base + extension).isFile()) return base + extension;
    } catch { /* try the next one */ }
  }
  return require.resolve(name, { paths: [root] });
}

async function loadHandler() {
  const name = environment._HANDLER || '';
  const root = environment.LAMBDA_TASK_ROOT;
  if (name.includes('..')) throw runtimeError('Runtime.MalformedHandlerName', `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const match = /^((?:.*\/)?[^./][^.]*)\.(.+)$/.exec(name);
  if (!match) throw runtimeError('Runtime.MalformedHandlerName', 'Bad handler');
  let loaded;
  try {
    const file = locate(root, match[1]);
    loaded = moduleKind(file) === 'module' ? await import(pathToFileURL(file).href) : require(file);
  } catch (error) {
    if (error instanceof SyntaxError) throw Object.assign(runtimeError('Runtime.UserCodeSyntaxError', String(error)), { stack: error.stack });
    if (error && /^(ERR_)?MODULE_NOT_FOUND$/.test(error.code || '')) throw runtimeError('Runtime.ImportModuleError', String(error));
    throw error;
  }
  const find = (from) => match[2].split('.').reduce((value, part) => (value === undefined || value === null ? undefined : value[part]), from);
  const handler = find(loaded) || find(loaded.default);
  if (!handler) throw runtimeError('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw runtimeError('Runtime.HandlerNotFound', `${name} is not a function`);
  if (!callbacksAllowed && handler.length >= 3) {
    throw runtimeError('Runtime.CallbackHandlerDeprecated', 'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later.');
  }
  return handler;
}

// A streamed response is refused, not quietly buffered.
globalThis.awslambda = {
  streamifyResponse() {
    throw runtimeError('Runtime.StreamingNotSupported', 'millrace does not serve response streaming (awslambda.streamifyResponse)');
  },
};

// ---- one invocation after the other

let onLoopEmpty = null; // what to do when nothing is left in the event loop
process.on('beforeExit', () => {
  const action = onLoopEmpty;
  onLoopEmpty = null;
  if (action) action();
});

function makeContext(headers, finish) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const parsed = (text) => (text ? JSON.parse(text) : undefined);
  const context = {
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
    identity: parsed(headers['lambda-runtime-cognito-identity']),
    clientContext: parsed(headers['lambda-runtime-client-context']),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  if (!callbacksAllowed) return Object.assign(context, { xRayTraceId: headers['lambda-runtime-trace-id'] });
  return Object.assign(context, {
    callbackWaitsForEmptyEventLoop: true,
    done: finish,
    succeed: (result) => finish(null, result),
    fail: (error) => finish(error === undefined || error === null ? 'handled' : error),
  });
}

function run(handler, headers, body) {
  const id = headers['lambda-runtime-aws-request-id'];
  let finished = false;
  const finish = (error, result) => {
    if (finished) return;
    finished = true;
    onLoopEmpty = null;
    if (error !== undefined && error !== null) return sendError(error);
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result);
      if (text === undefined) text = 'null';
    } catch (reason) {
      return sendError(runtimeError('Error', `Unable to stringify response body: ${reason.message}`));
    }
    call('POST', `/invocation/${id}/response`, text, {}, () => next(handler));
  };
  const sendError = (error) => {
    logError('Invoke Error', error);
    const report = errorBody(error);
    call('POST', `/invocation/${id}/error`, JSON.stringify(report), { 'Lambda-Runtime-Function-Error-Type': report.errorType }, () => next(handler));
  };
  const context = makeContext(headers, finish);
  let called = false;
  const callback = (error, result) => {
    if (called) return;
    called = true;
    if ((error !== undefined && error !== null) || context.callbackWaitsForEmptyEventLoop === false) return finish(error, result);
    onLoopEmpty = () => setImmediate(() => finish(null, result));
  };
  onLoopEmpty = () => finish(null, null); // neither a promise that settles nor a callback
  let event;
  try {
    event = JSON.parse(body);
    const returned = callbacksAllowed ? handler(event, context, callback) : handler(event, context);
    if (returned && typeof returned.then === 'function') returned.then((result) => finish(null, result), (error) => finish(error === undefined || error === null ? runtimeError('Error', String(error)) : error));
    else if (!callbacksAllowed) finish(null, returned);
  } catch (error) {
    finish(error === undefined || error === null ? runtimeError('Error', String(error)) : error);
  }
}

function next(handler) {
  requestId = undefined;
  call('GET', '/invocation/next', undefined, {}, (response, body) => {
    if (response.statusCode !== 200) process.exit(1);
    requestId = response.headers['lambda-runtime-aws-request-id'];
    const trace = response.headers['lambda-runtime-trace-id'];
    if (trace) environment._X_AMZN_TRACE_ID = trace;
    else delete environment._X_AMZN_TRACE_ID;
    // Not inside the response's own callback: the connection must be free again before the handler runs.
    setImmediate(run, handler, response.headers, body);
  });
}

if (typeof require('module').register === 'function') {
  require('module').register('./nodepath-hook.mjs', pathToFileURL(__filename));
}
loadHandler().then(next, failInit);
