// Object detection over HTTP: node server.mjs MODEL [VIDEO]
//   POST /detect   body: an image (?conf=0.4). Answer: { width, height, detections }
//   GET  /video    detections of VIDEO (file, camera number, stream) as server-sent events, for any number of viewers
//   GET  /health   what is at work
// In the environment: PORT (8080), HOST (127.0.0.1), FPS (frames of VIDEO per second; default: as fast as they are predicted).
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeImage, Interrupted, log, UserError, YOLO } from 'yolov8-tfjs';

/** Together they bound the memory: an upload takes its bytes and three bytes for each of its pixels. */
const LIMITS = { bytes: 10e6, pixels: 25e6, uploads: 16, viewers: 200 };
const STATUS = { 'not-found': 404, 'body-too-large': 413, 'image-too-large': 413, 'broken-image': 415, busy: 503 };
const ROUTES = { 'POST /detect': detect, 'GET /video': watch, 'GET /health': health };

const { PORT = '8080', HOST = '127.0.0.1', FPS } = process.env;
const [model, video] = process.argv.slice(2);
if (!model) {
  console.error('usage: node server.mjs MODEL [VIDEO]');
  process.exit(2);
}
log.setVerbose(false); // warnings only
// Uploads and the video wait in one queue: beside the uploads it has room for the frames that are predicted ahead.
const yolo = await YOLO.load(model, { maxWaiting: LIMITS.uploads + 8 });
let uploads = 0;

async function detect(request, response, query) {
  if (uploads >= LIMITS.uploads) throw new UserError('busy', `${uploads} uploads are at work: try again later`);
  const left = new AbortController();
  response.once('close', () => left.abort()); // a prediction that nobody waits for any more leaves the queue
  uploads++;
  try {
    const image = await decodeImage(await bodyOf(request), { maxPixels: LIMITS.pixels, name: 'the body' });
    const options = query.has('conf') ? { conf: Number(query.get('conf')) } : {};
    for await (const { width, height, detections } of yolo.predict(image, { ...options, signal: left.signal }))
      answer(response, 200, { width, height, detections });
  } finally {
    uploads--;
  }
}

async function bodyOf(request) {
  const tooLarge = new UserError('body-too-large', `an image may have ${LIMITS.bytes / 1e6} MB`);
  if (Number(request.headers['content-length']) > LIMITS.bytes) throw tooLarge;
  const parts = [];
  let size = 0;
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    size += part.length;
    if (size > LIMITS.bytes) throw tooLarge;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const viewers = new Set();
let playing; // stops the prediction of the video; undefined while nobody watches
let current; // the event of the current frame, with which a late viewer starts

function watch(_request, response) {
  if (!video) throw new UserError('not-found', 'this service was started without a video');
  if (viewers.size >= LIMITS.viewers) throw new UserError('busy', `${viewers.size} viewers are watching`);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }).flushHeaders();
  response.setTimeout(60_000, () => response.destroy()); // one that reads nothing for so long has gone
  response.once('close', () => {
    viewers.delete(response);
    if (viewers.size === 0) playing?.abort();
  });
  viewers.add(response);
  if (current) response.write(current);
  if (!playing) play();
}

/** Predicts the video once for everybody, while somebody watches. */
async function play() {
  playing = new AbortController();
  try {
    end({ frames: await broadcast(playing.signal) });
  } catch (error) {
    if (!(error instanceof Interrupted)) {
      console.error(error);
      end({ error: 'the video cannot be predicted' });
    }
  }
  playing = current = undefined;
  if (viewers.size > 0) play(); // they came while the prediction was being stopped
}

/** @returns number of frames */
async function broadcast(signal) {
  const start = performance.now();
  let frames = 0;
  for await (const { frame = 1, width, height, detections } of yolo.predict(video, { signal })) {
    current = `id: ${frame}\ndata: ${JSON.stringify({ frame, width, height, detections })}\n\n`;
    // A viewer that has not taken the frame before misses this one, and nobody waits for it.
    for (const viewer of viewers) if (!viewer.writableNeedDrain) viewer.write(current);
    frames++;
    if (FPS) await sleep(start + (1000 * frames) / Number(FPS) - performance.now());
  }
  return frames;
}

function end(summary) {
  for (const viewer of viewers) viewer.end(`event: end\ndata: ${JSON.stringify(summary)}\n\n`);
  viewers.clear();
}

function health(_request, response) {
  answer(response, 200, { engine: yolo.engine, uploads, viewers: viewers.size, playing: playing !== undefined });
}

function answer(response, status, value) {
  const headers = { 'content-type': 'application/json', ...(status === 503 && { 'retry-after': '1' }) };
  response.writeHead(status, headers).end(`${JSON.stringify(value)}\n`);
}

function refuse(request, response, error) {
  if (response.destroyed) return; // nobody is there to be told
  const status = STATUS[error.code] ?? (error instanceof UserError && error.exitCode === 2 ? 400 : 500);
  if (status === 500) console.error(error);
  request.resume(); // the rest of the body is read and dropped: a client reads the answer when it has sent everything
  answer(response, status, { error: status === 500 ? 'internal error' : error.message });
}

const server = createServer(async (request, response) => {
  try {
    const [path, query] = request.url.split('?');
    const route = ROUTES[`${request.method} ${path}`];
    if (!route) throw new UserError('not-found', `there are ${Object.keys(ROUTES).join(', ')}`);
    await route(request, response, new URLSearchParams(query));
  } catch (error) {
    refuse(request, response, error);
  }
});
server.requestTimeout = 30_000; // a slow upload does not keep its place for ever
server.listen(Number(PORT), HOST, () => console.log(`http://${HOST}:${server.address().port}`));

for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    server.close(() => yolo.dispose()); // after the answers that are on their way
    playing?.abort();
    end({ error: 'the service ends' });
  });
