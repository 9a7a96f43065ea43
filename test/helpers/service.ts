import { type ChildProcess, spawn } from 'node:child_process';
import { get } from 'node:http';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

const SERVER = fileURLToPath(new URL('../../examples/service/server.mjs', import.meta.url));

/** What the service says of itself. */
export interface Health {
  uploads: number;
  viewers: number;
  playing: boolean;
}

/** The example service in a process of its own. */
export class Service {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
    readonly errors: () => string,
  ) {}

  /** @param args MODEL and VIDEO */
  static async start(args: string[], env: Record<string, string> = {}): Promise<Service> {
    const child = spawn(process.execPath, [SERVER, ...args], { env: { ...process.env, PORT: '0', ...env } });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding('utf8').once('data', (line: string) => resolve(line.trim()));
      child.once('exit', (code) => reject(new Error(`the service ended with code ${code}: ${errors}`)));
    });
    return new Service(child, url, () => errors);
  }

  /** Waits until the service says so of itself. */
  async until(fits: (health: Health) => boolean): Promise<void> {
    for (const end = performance.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const health = (await (await fetch(`${this.url}/health`)).json()) as Health;
      if (fits(health)) return;
      if (performance.now() > end) throw new Error(`still ${JSON.stringify(health)}\n${this.errors()}`);
    }
  }

  /** @returns exit code or signal */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    if (this.child.exitCode !== null) return Promise.resolve(this.child.exitCode);
    return new Promise((resolve) => {
      this.child.once('exit', (code, by) => resolve(code ?? by));
      this.child.kill(signal);
    });
  }
}

/** A client of server-sent events. */
export class Viewer {
  /** Events with a frame: what they hold, by frame number, in the order in which they came. */
  readonly frames = new Map<number, string>();
  /** Resolves when the answer ends, with the data of the event `end`; undefined if it was cut off. */
  readonly end: Promise<Record<string, unknown> | undefined>;
  private socket: Socket | undefined;
  private seen = (): void => {};

  constructor(url: string) {
    let last: Record<string, unknown> | undefined;
    this.end = new Promise((resolve) => {
      const request = get(`${url}/video`, { agent: false }, (response) => {
        let rest = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          const events = (rest + text).split('\n\n');
          rest = events.pop()!;
          for (const event of events) {
            const [, id, data] = /^(?:id: (\d+)|event: end)\ndata: (.*)$/.exec(event)!;
            if (id) this.frames.set(Number(id), data);
            else last = JSON.parse(data);
          }
          this.seen();
        });
        response.on('error', () => {}).on('close', () => resolve(last));
      });
      request.on('socket', (socket) => {
        this.socket = socket;
      });
      request.on('error', () => resolve(undefined));
    });
  }

  /** Waits for a frame with this number or a later one. */
  async frame(number: number): Promise<void> {
    const there = (): boolean => [...this.frames.keys()].some((frame) => frame >= number);
    while (!there())
      await new Promise<void>((resolve) => {
        this.seen = resolve;
      });
  }

  /** Reads nothing any more, until `resume`. */
  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  leave(): void {
    this.socket?.destroy();
  }
}
