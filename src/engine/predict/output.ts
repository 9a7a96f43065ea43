/**
 * The files of a prediction: annotated images and videos, labels, crops, frames. They are written while the network runs on
 * the next images; a few are pending at any time.
 */
import { mkdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { labelText, xywhToXyxy, xyxyToXywh } from '../../core/boxes.js';
import { log } from '../../core/log.js';
import type { Box, Detection, PredictResult, RgbImage } from '../../core/types.js';
import { fileIdentity } from '../../core/written-path.js';
import type { Frame, Moving } from '../../data/sources.js';
import { encodeAnimation, encodeImage } from '../../image/codec.js';
import { cropImage } from '../../image/crop.js';
import { hasFfmpeg } from '../../image/ffmpeg.js';
import { resize } from '../../image/resize.js';
import { createVideo } from '../../image/video.js';
import { writeFileAtomic } from '../../io/files.js';
import { type AnnotateOptions, annotate } from '../../render/annotate.js';
import type { Polyline } from '../../render/polyline.js';
import type { PredictObserver } from './observer.js';
import { OutputNames, safeName } from './output-names.js';

/** What is written, and how it is drawn. */
export interface OutputOptions extends Omit<AnnotateOptions, 'lines'> {
  /** Annotated images and videos. */
  save?: boolean;
  /** labels/<stem>.txt: class cx cy w h, normalised to the image; of tracked objects the last column is the track. */
  saveTxt?: boolean;
  /** Confidence as the sixth column there. */
  saveConf?: boolean;
  /** crops/<class>/<stem>.jpg, of tracked objects crops/<class>/<track>/<stem>.jpg */
  saveCrop?: boolean;
  /** <stem>_frames/<stem>_<n>.jpg, annotated. */
  saveFrames?: boolean;
}

/** Images that are encoded and written at the same time as the next ones are predicted. */
const MAX_PENDING = 4;
/** Crops show a little more than the box: its sides times this, plus this many pixels (as in Ultralytics 8.4, save_one_box). */
const CROP_GAIN = 1.02;
const CROP_PAD = 10;
/** An animation that is written without ffmpeg is collected in memory first: at most this many bytes. */
const MAX_ANIMATION_BYTES = 400_000_000;

/** Writes the results of a prediction. */
export class PredictOutput implements PredictObserver {
  private readonly pending = new Set<Promise<void>>();
  private readonly names: OutputNames;
  private failure: unknown;
  /** Videos in the making, by source: one, or all of the streams that are read together. */
  private readonly clips = new Map<number, Promise<Clip | undefined>>();
  /** Files of labels that were written. */
  labels = 0;

  /** @param listed path or name of each source; undefined where they arrive one after the other */
  constructor(
    readonly dir: string,
    private readonly options: OutputOptions,
    listed?: readonly { path: string }[],
  ) {
    this.names = new OutputNames(listed);
  }

  /** Resolves when there is room for the next image. @throws what an earlier image failed with */
  async onResult(result: PredictResult, _place: unknown, frame: Frame, lines: readonly Polyline[] = []): Promise<void> {
    const { detections, frame: number } = result;
    const { save, saveTxt, saveCrop, saveFrames } = this.options;
    const stem = this.names.stemOf(frame.source, frame.path);
    const numbered = number === undefined ? stem : this.names.ofFrame(stem, number);
    if (saveTxt) this.writeLabels(numbered, frame.image, detections);
    if (saveCrop) this.start(this.writeCrops(numbered, frame.image, detections));
    const moving = frame.moving;
    if (moving && (save || saveFrames)) {
      const drawn = await annotate(frame.image, detections, { ...this.options, lines });
      if (saveFrames) this.start(this.writeFrame(stem, numbered, drawn));
      if (save) await this.addToClip(frame.source, stem, moving, drawn);
    } else if (save) this.start(this.writeAnnotated(stem, frame, detections, lines));
    while (this.pending.size >= MAX_PENDING) await Promise.race(this.pending);
    this.throwFailure();
  }

  /** Waits for everything that is being written and finishes the videos. @throws what went wrong in writing */
  async onEnd(): Promise<void> {
    await Promise.all(this.pending);
    await this.finishClips();
    this.throwFailure();
  }

  private throwFailure(): void {
    if (!this.failure) return;
    const failure = this.failure;
    this.failure = undefined;
    throw failure;
  }

  private start(work: Promise<void>): void {
    const tracked = work
      .catch((error) => {
        this.failure ??= error;
      })
      .finally(() => this.pending.delete(tracked));
    this.pending.add(tracked);
  }

  private writeLabels(name: string, image: RgbImage, detections: readonly Detection[]): void {
    if (detections.length === 0) return;
    const { saveConf } = this.options;
    const rows = detections.map((d) => labelText(d.class, d.box, image, saveConf ? d.confidence : undefined, d.id));
    writeFileAtomic(join(this.dir, 'labels', `${name}.txt`), `${rows.join('\n')}\n`);
    this.labels++;
  }

  private async writeAnnotated(
    stem: string,
    frame: Frame,
    detections: readonly Detection[],
    lines: readonly Polyline[],
  ): Promise<void> {
    const drawn = await annotate(frame.image, detections, { ...this.options, lines });
    const extension = extname(frame.path).toLowerCase();
    if (extension === '.png') writeFileAtomic(join(this.dir, `${stem}.png`), await encodeImage(drawn, 'png'));
    else if (extension === '.webp') writeFileAtomic(join(this.dir, `${stem}.webp`), await encodeImage(drawn, 'webp'));
    else {
      const name = extension === '.jpeg' ? `${stem}.jpeg` : `${stem}.jpg`;
      writeFileAtomic(join(this.dir, name), await encodeImage(drawn, 'jpg'));
    }
  }

  private async writeFrame(stem: string, name: string, drawn: RgbImage): Promise<void> {
    writeFileAtomic(join(this.dir, `${stem}_frames`, `${name}.jpg`), await encodeImage(drawn, 'jpg'));
  }

  private async writeCrops(name: string, image: RgbImage, detections: readonly Detection[]): Promise<void> {
    const numbers = new Map<string, number>();
    for (const { name: className, box, id } of detections) {
      const folder = join(this.dir, 'crops', safeName(className), id === undefined ? '' : String(id));
      const place = fileIdentity(folder); // classes may differ in case only
      const last = numbers.get(place);
      const number = last === undefined ? 1 : this.names.nextNumber(name, last);
      numbers.set(place, number);
      const bytes = await encodeImage(crop(image, box), 'jpg');
      writeFileAtomic(join(folder, `${name}${number === 1 ? '' : `-${number}`}.jpg`), bytes);
    }
  }

  private async addToClip(source: number, stem: string, moving: Moving, drawn: RgbImage): Promise<void> {
    let clip = this.clips.get(source);
    if (!clip) {
      if (moving.kind !== 'stream') await this.finishClips();
      clip = openClip(join(this.dir, stem), moving, drawn);
      this.clips.set(source, clip);
    }
    await (await clip)?.write(drawn);
  }

  private async finishClips(): Promise<void> {
    const clips = [...this.clips.values()];
    this.clips.clear();
    for (const clip of clips) await (await clip)?.close();
  }
}

/** A video in the making. */
interface Clip {
  write(frame: RgbImage): Promise<void>;
  close(): Promise<void>;
}

/** MP4 where there is ffmpeg; an animation becomes a WebP where not. @returns undefined when neither is possible */
async function openClip(path: string, moving: Moving, { width, height }: RgbImage): Promise<Clip | undefined> {
  mkdirSync(join(path, '..'), { recursive: true });
  if (await hasFfmpeg()) {
    const video = await createVideo(`${path}.mp4`, width, height, moving.fps);
    // A stream may change its resolution; a file can't.
    return { write: (frame) => video.write(resize(frame, width, height)), close: () => video.close() };
  }
  const frames: RgbImage[] = [];
  const limit = Math.floor(MAX_ANIMATION_BYTES / (width * height * 3));
  return {
    async write(frame) {
      if (frames.length < limit) frames.push(frame);
      else log.warnOnce(`${path}.webp ends after ${limit} frames: longer ones need ffmpeg, which is not installed`);
    },
    async close() {
      writeFileAtomic(`${path}.webp`, await encodeAnimation(frames, moving.fps));
    },
  };
}

/** The object with a margin, within the image. */
export function crop(image: RgbImage, box: Box): RgbImage {
  const [cx, cy, w, h] = xyxyToXywh(box);
  const [x1, y1, x2, y2] = xywhToXyxy([cx, cy, w * CROP_GAIN + CROP_PAD, h * CROP_GAIN + CROP_PAD]).map(Math.floor);
  const [left, top] = [Math.max(0, x1), Math.max(0, y1)];
  const width = Math.max(1, Math.min(image.width, x2) - left);
  const height = Math.max(1, Math.min(image.height, y2) - top);
  return cropImage(image, { left, top, width, height });
}
