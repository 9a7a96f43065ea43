import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** A Chromium of this machine: CHROMIUM names it, else it is looked for along PATH. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM;
  if (named) return named;
  const folders = (process.env.PATH ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

/** Starts the server of an exported folder. @returns its address, and what ends it */
export async function serve(folder: string): Promise<{ url: string; close(): void }> {
  const server = spawn(process.execPath, [join(folder, 'serve.mjs'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    server.stdout.setEncoding('utf8').once('data', (line: string) => resolve(line.trim()));
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`${join(folder, 'serve.mjs')} ended with code ${code}`)));
  });
  return { url, close: () => server.kill() };
}

interface Answer {
  id?: number;
  result?: unknown;
  error?: { message: string };
  method?: string;
  params?: { type?: string; args?: { value?: unknown; description?: string }[]; exceptionDetails?: object };
}

/** A headless browser with one page, driven over DevTools' pipe (file descriptors 3 and 4, messages end in a zero byte). */
export class Browser {
  /** What the page wrote on its console, and its uncaught errors. */
  readonly messages: string[] = [];
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private next = 1;
  private session: string | undefined;

  private constructor(path: string, profile: string, flags: readonly string[]) {
    const args = ['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${profile}`, '--no-first-run'];
    // As root there is no sandbox; WebGL is computed by SwiftShader.
    args.push('--no-sandbox', '--disable-dev-shm-usage', '--use-gl=angle', '--use-angle=swiftshader');
    args.push('--enable-unsafe-swiftshader', '--disable-extensions', '--disable-background-networking');
    args.push('--disable-component-update', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost');
    args.push(...flags, 'about:blank');
    this.child = spawn(path, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    let text = '';
    (this.child.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (text + chunk).split('\0');
      text = parts.pop()!;
      for (const part of parts) this.receive(JSON.parse(part));
    });
    (this.child.stdio[3] as Writable).on('error', () => {});
    this.child.on('exit', (code) => {
      for (const answer of this.waiting.values()) answer({ error: { message: `the browser ended with code ${code}` } });
    });
  }

  /** @param flags further ones of its command line */
  static async start(path: string, profile: string, flags: readonly string[] = []): Promise<Browser> {
    const browser = new Browser(path, profile, flags);
    const { targetId } = await browser.send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
    const attached = await browser.send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
    browser.session = attached.sessionId;
    await browser.send('Runtime.enable');
    await browser.send('Page.enable');
    return browser;
  }

  async open(url: string): Promise<void> {
    await this.send('Page.navigate', { url });
  }

  /** The window of a phone, or of another size. */
  async resize(width: number, height: number): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.send('Emulation.setDeviceMetricsOverride', metrics);
  }

  /** Value of an expression in the page; promises are awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const answer = await this.send<{
      result: { value: T };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    }>('Runtime.evaluate', params);
    const failed = answer.exceptionDetails;
    if (failed) throw new Error(`in the page: ${failed.exception?.description ?? failed.text}`);
    return answer.result.value;
  }

  /** Opens the exported page with these settings in its address. @returns what it shows when it is done */
  async openPage(
    url: string,
    settings: Record<string, string>,
    seconds: number,
  ): Promise<{ state: string; result: string }> {
    await this.open(`${url}?${new URLSearchParams(settings)}`);
    const here = Object.values(settings).map((value) => `location.search.includes('${value}')`);
    const state = "['done', 'error'].includes(document.documentElement.dataset.state)";
    await this.until([...here, state].join(' && '), seconds);
    const text = (id: string) => this.evaluate<string>(`document.getElementById('${id}').textContent`);
    return { state: await text('state'), result: await text('result') };
  }

  /** Waits until an expression is true. */
  async until(expression: string, seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1000;
    while (!(await this.evaluate<boolean>(expression).catch(() => false))) {
      if (performance.now() > end)
        throw new Error(`still not true after ${seconds} s: ${expression}\n${this.messages.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.session = undefined;
    this.send('Browser.close').catch(() => {});
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }

  private send<T>(method: string, params: object = {}): Promise<T> {
    const id = this.next++;
    const message = { id, method, params, ...(this.session ? { sessionId: this.session } : {}) };
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ result, error }) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result as T);
      });
      (this.child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    });
  }

  private receive(answer: Answer): void {
    if (answer.id !== undefined) {
      this.waiting.get(answer.id)?.(answer);
      this.waiting.delete(answer.id);
    } else if (answer.method === 'Runtime.consoleAPICalled') {
      const { type, args = [] } = answer.params!;
      this.messages.push(`${type}: ${args.map((arg) => arg.value ?? arg.description).join(' ')}`);
    } else if (answer.method === 'Runtime.exceptionThrown') {
      this.messages.push(JSON.stringify(answer.params!.exceptionDetails));
    }
  }
}
