'use strict';
// Keeps calls to AWS on this machine.
//
// https requests and fetch() for *.amazonaws.com and *.api.aws go to AWS_ENDPOINT_URL over http, with the original Host
// header, so that aws-sdk v2 (which knows no AWS_ENDPOINT_URL), SDKs bundled into handlers, and clients that drop the port
// of a URL reach millrace. Whatever else tries to look such a host up (raw sockets, http2) is refused. Other hosts are left
// alone. Loaded by bootstrap.cjs; preloaded elsewhere with NODE_OPTIONS="--require FILE" (`millrace hook` writes the file).
// Without AWS_ENDPOINT_URL it takes MILLRACE_ENDPOINT: then SDKs that know AWS_ENDPOINT_URL come through here as well,
// with AWS's host names, and get addresses of AWS's form in answers.
const dns = require('dns');
const http = require('http');
const https = require('https');

const address = process.env.AWS_ENDPOINT_URL || process.env.MILLRACE_ENDPOINT;
const endpoint = address ? new URL(address) : null;
const environment = process.env.AWS_LAMBDA_RUNTIME_API ? 'from a function' : 'with the millrace hook';
const isAws = (host) => /(^|\.)(amazonaws\.com(\.cn)?|api\.aws)\.?$/i.test(String(host || ''));

const hostOf = (options) => String(options.hostname || options.host || '').replace(/:\d+$/, '');

// https.request(url[, options][, callback]) and (options[, callback]) as one options object.
function merged(args) {
  let options = {};
  if (typeof args[0] === 'string' || args[0] instanceof URL) {
    const url = new URL(String(args.shift()));
    options = {
      protocol: url.protocol, hostname: url.hostname, port: url.port || undefined, path: url.pathname + url.search,
      auth: url.username ? `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` : undefined,
    };
  }
  if (args[0] && typeof args[0] === 'object') options = Object.assign(options, args.shift());
  return { options, callback: typeof args[0] === 'function' ? args[0] : undefined };
}

const originalRequest = https.request;
function request(...args) {
  const { options, callback } = merged(args.slice());
  const host = hostOf(options);
  if (!endpoint || !isAws(host)) return originalRequest.apply(https, args);
  const redirected = Object.assign({}, options, {
    protocol: 'http:', host: endpoint.hostname, hostname: endpoint.hostname, port: endpoint.port || 80,
    agent: undefined, createConnection: undefined, defaultPort: 80, lookup: undefined, servername: undefined,
  });
  const outgoing = http.request(redirected, callback);
  if (!outgoing.headersSent) outgoing.setHeader('Host', host);
  return outgoing;
}
https.request = request;
https.get = function get(...args) {
  const outgoing = https.request(...args);
  outgoing.end();
  return outgoing;
};

// http.request for such a host (a client configured with sslEnabled=false).
const originalHttpRequest = http.request;
http.request = function httpRequest(...args) {
  const { options, callback } = merged(args.slice());
  const host = hostOf(options);
  if (!endpoint || !isAws(host)) return originalHttpRequest.apply(http, args);
  const outgoing = originalHttpRequest.call(http, Object.assign({}, options, {
    host: endpoint.hostname, hostname: endpoint.hostname, port: endpoint.port || 80, agent: undefined,
  }), callback);
  if (!outgoing.headersSent) outgoing.setHeader('Host', host);
  return outgoing;
};
http.get = function httpGet(...args) {
  const outgoing = http.request(...args);
  outgoing.end();
  return outgoing;
};

// fetch() takes no Host header: such requests go through https.request above.
const originalFetch = globalThis.fetch;
if (originalFetch) {
  globalThis.fetch = async function fetch(input, init) {
    const url = new URL(typeof input === 'object' && 'url' in input ? input.url : String(input));
    if (!endpoint || !isAws(url.hostname)) return originalFetch(input, init);
    const asked = new Request(input, init);
    const body = Buffer.from(await asked.arrayBuffer());
    const headers = Object.fromEntries(asked.headers);
    if (asked.body) headers['content-length'] = String(body.length);
    return new Promise((resolve, reject) => {
      const outgoing = https.request(url, { method: asked.method, headers, signal: asked.signal }, (incoming) => {
        const pieces = [];
        incoming.on('data', (piece) => pieces.push(piece));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const fields = new Headers();
          for (let i = 0; i < incoming.rawHeaders.length; i += 2) fields.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
          const empty = [101, 204, 205, 304].includes(incoming.statusCode);
          resolve(new Response(empty ? null : Buffer.concat(pieces), {
            status: incoming.statusCode, statusText: incoming.statusMessage, headers: fields,
          }));
        });
      });
      outgoing.on('error', (error) => reject(Object.assign(new TypeError('fetch failed'), { cause: error })));
      outgoing.end(body);
    });
  };
}

const originalLookup = dns.lookup;
dns.lookup = function lookup(hostname, options, callback) {
  if (!isAws(hostname)) return originalLookup.apply(dns, arguments);
  const done = typeof options === 'function' ? options : callback;
  const error = Object.assign(new Error(`millrace: ${hostname} is not reachable ${environment}; use AWS_ENDPOINT_URL`), {
    code: 'ENOTFOUND', errno: -3008, syscall: 'getaddrinfo', hostname,
  });
  process.nextTick(done, error);
  return {};
};

require('module').syncBuiltinESMExports();
