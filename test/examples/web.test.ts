/** examples/web: the page beside an exported tiny network, in Chromium, with a camera and with a file. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { resolveConfig } from '../../src/cfg/load.js';
import { log } from '../../src/core/log.js';
import { exportModel } from '../../src/engine/export/exporter.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { Browser, findChromium, serve } from '../helpers/chromium.js';
import { liveModel } from '../helpers/live-model.js';
import { tmpDir } from '../helpers/tmp.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const PAGE = fileURLToPath(new URL('../../examples/web/video.html', import.meta.url));
const CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
const PATIENCE = 100; // seconds
const chromium = findChromium();
const dir = tmpDir();
let server: Awaited<ReturnType<typeof serve>>;
let browser: Browser;

/** Counts the calls of the detector in `window.calls`, and lets them take so much longer. */
const SLOWED = (milliseconds: number): string => `import('./yolo.js').then(({ Yolo }) => {
  window.calls ??= { started: 0, atOnce: 0, most: 0, detect: Yolo.prototype.detect };
  Yolo.prototype.detect = async function (...args) {
    calls.started++;
    calls.most = Math.max(calls.most, ++calls.atOnce);
    await new Promise((resolve) => setTimeout(resolve, ${milliseconds}));
    return calls.detect.apply(this, args).finally(() => calls.atOnce--);
  };
})`;

describe.skipIf(!chromium)(`the page${chromium ? '' : ' (left out: no Chromium along PATH)'}`, () => {
  beforeAll(async () => {
    log.setVerbose(false);
    const model = join(dir, 'tiny.safetensors');
    saveCheckpoint(model, liveModel());
    const { files } = await exportModel(resolveConfig('export', { model, format: 'tfjs', imgsz: 96 }));
    const [folder] = files;
    copyFileSync(PAGE, join(folder, 'video.html'));
    server = await serve(folder);
    browser = await Browser.start(chromium!, join(dir, 'profile'), CAMERA);
    await browser.open(`${server.url}video.html?backend=wasm`);
    await browser.until("document.documentElement.dataset.state === 'ready'", PATIENCE);
  });
  afterAll(async () => {
    log.setVerbose(true);
    await browser?.close();
    server?.close();
  });

  it('detects in the camera, frame after frame, and draws the boxes over it', async () => {
    await browser.evaluate(SLOWED(0));
    await browser.evaluate("document.getElementById('camera').click()");
    await browser.until('calls.started > 20', PATIENCE);
    await browser.until("document.documentElement.dataset.state === 'running'", PATIENCE);
    expect(await browser.evaluate('document.getElementById("state").textContent')).toMatch(
      /^\d+ objects; [\d.]+ of [\d.]+ frames a second \(wasm\)$/,
    );
    await expectBoxesOfThisFrame();
  });

  it('skips frames while the network is slower than the camera', async () => {
    await browser.evaluate(SLOWED(250));
    await browser.evaluate("document.getElementById('video').play()");
    const rates = `(document.getElementById('state').textContent.match(/[\\d.]+ of [\\d.]+/)?.[0] ?? '0 of 0').split(' of ').map(Number)`;
    await browser.until(
      `(([predicted, seen]) => predicted > 0 && predicted <= 4 && seen > 2 * predicted)(${rates})`,
      PATIENCE,
    );
    expect(await browser.evaluate('calls.most')).toBe(1);
    await expectBoxesOfThisFrame();
  });

  it('detects in a file', async () => {
    await browser.evaluate(SLOWED(0));
    // The browser records its camera: a video file without ffmpeg.
    await browser.evaluate(`(async () => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      const recorder = new MediaRecorder(stream, { mimeType: 'video/webm' });
      const parts = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
      recorder.start();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      recorder.stop();
      await stopped;
      for (const track of stream.getTracks()) track.stop();
      const files = new DataTransfer();
      files.items.add(new File(parts, 'video.webm', { type: 'video/webm' }));
      const input = document.getElementById('file');
      input.files = files.files;
      calls.started = 0;
      input.dispatchEvent(new Event('change'));
    })()`);
    await browser.until("calls.started > 5 && document.getElementById('video').src.startsWith('blob:')", PATIENCE);
    expect(await browser.evaluate("document.getElementById('video').srcObject")).toBe(null);
    await expectBoxesOfThisFrame();
    expect(await browser.evaluate('[boxes.width, boxes.height]')).toEqual(
      await browser.evaluate('[video.videoWidth, video.videoHeight]'),
    );
  });

  it('says what it cannot play', async () => {
    await browser.evaluate(`(() => {
      const files = new DataTransfer();
      files.items.add(new File(['no video'], 'video.mp4'));
      const input = document.getElementById('file');
      input.files = files.files;
      input.dispatchEvent(new Event('change'));
    })()`);
    await browser.until("document.documentElement.dataset.state === 'error'", PATIENCE);
  });

  it('nothing was complained about on its console', () => {
    expect(browser.messages.filter((text) => /^error|exception/i.test(text))).toEqual([]);
  });
});

/** Paused: the boxes are those of the frame that is shown, though it came while the network was busy. */
async function expectBoxesOfThisFrame(): Promise<void> {
  await browser.evaluate("document.getElementById('video').pause()");
  await new Promise((resolve) => setTimeout(resolve, 200)); // for the last frame to be shown
  await browser.until('calls.atOnce === 0', PATIENCE);
  const shown = "JSON.parse(document.getElementById('result').textContent)";
  const wanted = `import('./yolo.js').then(async ({ loadYolo }) =>
    calls.detect.call(window.own ??= await loadYolo('model.json'), document.getElementById('video')))`;
  expect(await browser.evaluate(shown)).toEqual(await browser.evaluate(wanted));
  expect(await browser.evaluate(`${shown}.length`)).toBeGreaterThan(0);
  const painted = `boxes.getContext('2d').getImageData(0, 0, boxes.width, boxes.height).data.some((x) => x > 0)`;
  expect(await browser.evaluate(painted)).toBe(true);
}
