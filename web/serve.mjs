// Serves this folder to browsers of this machine: node serve.mjs [port]
// (A page opened as file:// may load neither modules nor models.)
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
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

const server = createServer((request, response) => {
  let file;
  try {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    file = join(folder, normalize(path.endsWith('/') ? `${path}index.html` : path));
  } catch {
    file = '';
  }
  const inside = file.startsWith(folder.endsWith(sep) ? folder : folder + sep);
  const stat = inside ? statSync(file, { throwIfNoEntry: false }) : undefined;
  if (!stat?.isFile()) {
    response.writeHead(404).end('not here\n');
    return;
  }
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-length': stat.size,
    // With these two a page may use threads, and so may the WebAssembly backend.
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  });
  createReadStream(file).pipe(response);
});
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`);
});
