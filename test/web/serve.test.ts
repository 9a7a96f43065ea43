import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tmpDir } from '../helpers/tmp.js';

const SERVE = fileURLToPath(new URL('../../web/serve.mjs', import.meta.url));
const folder = join(tmpDir(), 'page');
let server: ChildProcess;
let port: number;

beforeAll(async () => {
  mkdirSync(join(folder, 'deep'), { recursive: true });
  copyFileSync(SERVE, join(folder, 'serve.mjs'));
  writeFileSync(join(folder, 'index.html'), '<title>here</title>');
  writeFileSync(join(folder, '..', 'secret'), 'not to be served');
  server = spawn(process.execPath, [join(folder, 'serve.mjs'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve) => server.stdout?.once('data', (text) => resolve(String(text))));
  port = Number(/:(\d+)\//.exec(line)?.[1]);
});
afterAll(() => void server.kill());

/** Asks as curl does, without putting the path in order. @returns status and body */
function ask(path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    });
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve({ status: Number(text.split(' ')[1]), body: text.split('\r\n\r\n')[1] }));
  });
}

describe('the server of an exported page', () => {
  it.each([
    '/%00',
    '/%',
    '/%ff',
    '//',
    `/${'x'.repeat(5000)}`,
    '/../secret',
    '/..%2fsecret',
    '/..%5csecret',
    '/deep',
    '/index.html/x',
    'http://[/',
  ])('answers %s with 404 and goes on', async (path) => {
    expect((await ask(path)).status).toBe(404);
    expect(await ask('/')).toEqual({ status: 200, body: '<title>here</title>' });
  });

  it('answers HEAD without a body', async () => {
    expect(await ask('/index.html', 'HEAD')).toEqual({ status: 200, body: '' });
  });

  it('says when its port is taken', async () => {
    const other = spawn(process.execPath, [join(folder, 'serve.mjs'), String(port)]);
    let said = '';
    other.stderr.on('data', (data) => {
      said += data;
    });
    const code = await new Promise((resolve) => other.on('close', resolve));
    expect({ code, said }).toEqual({ code: 1, said: `port ${port} is in use; choose another: node serve.mjs PORT\n` });
  });
});
