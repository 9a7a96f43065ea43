// Serves this folder on localhost: node serve.mjs [port]
// (Browsers do not load modules and models into pages opened as file://.)
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
};
const folder = fileURLToPath(new URL('.', import.meta.url));

/** @returns the requested file, or undefined if it is not in this folder */
function fileOf(url) {
  try {
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
    const file = join(folder, normalize(path.endsWith('/') ? `${path}index.html` : path));
    if (!file.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return undefined;
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat?.isFile() ? { file, size: stat.size } : undefined;
  } catch {
    return undefined; // not a valid URL or path
  }
}

const server = createServer((request, response) => {
  const found = fileOf(request.url);
  if (!found) {
    response.writeHead(404).end('not here\n');
    return;
  }
  response.writeHead(200, {
    'content-type': TYPES[extname(found.file)] ?? 'application/octet-stream',
    'content-length': found.size,
    // Cross-origin isolation, which threads of the WebAssembly backend require.
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  });
  if (request.method === 'HEAD') response.end();
  else pipeline(createReadStream(found.file), response, () => {}); // an error ends the response, not the server
});
server.on('error', (error) => {
  console.error(
    error.code === 'EADDRINUSE' ? `port ${error.port} is in use; choose another: node serve.mjs PORT` : error.message,
  );
  process.exitCode = 1;
});
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`);
});
