/** What `yolo checks` tells: the engine that would run, versions, the machine, and what is missing with its remedy. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { cacheDir, pins } from '../../../bin/setup/paths.mjs';
import { describeEngine, type Engine, selectEngine } from '../../backend/select-engine.js';
import { describeMachine, type Machine, machineRows } from '../machine.js';

const require = createRequire(import.meta.url);

export interface ChecksReport extends Machine {
  engine: Engine;
  tfjs: string;
  /** Versions of what is used where it is there. */
  optional: { sharp?: string; ffmpeg?: string; onnxruntime?: string };
  cache: string;
  missing: Missing[];
}

export interface Missing {
  what: string;
  /** What can't be done without it. */
  needed: string;
  remedy: string;
}

/** Starts the engine (a second) and looks around; never throws for what is not there. */
export async function collectChecks(version: string): Promise<ChecksReport> {
  const engine = await selectEngine();
  const optional = {
    sharp: packageVersion('sharp'),
    ffmpeg: ffmpegVersion(),
    onnxruntime: packageVersion('onnxruntime-node'),
  };
  const missing = whatIsMissing(engine, optional);
  return { ...describeMachine(version), engine, tfjs: pins.tfjs, optional, cache: cacheDir(), missing };
}

/** The report as lines for a terminal. */
export function formatChecks(report: ChecksReport): string[] {
  const { optional } = report;
  const rows: [string, string][] = [
    ...machineRows(report),
    ['GPU', describeGpu(report.engine)],
    ['TensorFlow.js', report.tfjs],
    ['sharp', optional.sharp ?? 'not installed'],
    ['ffmpeg', optional.ffmpeg ?? 'not installed'],
    ['ONNX Runtime', optional.onnxruntime ?? 'not installed'],
    ['Cache', report.cache],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(15)}${value}`);
  lines.push(describeEngine(report.engine));
  for (const { what, needed, remedy } of report.missing) lines.push(`Missing: ${what}, for ${needed}. ${remedy}`);
  if (report.missing.length === 0) lines.push('Nothing is missing.');
  return lines;
}

function describeGpu({ gpu, noGpu }: Engine): string {
  if (gpu) return `${gpu.name}, used`;
  return noGpu ? `not used: ${noGpu.why}` : 'no NVIDIA driver seen';
}

function whatIsMissing(engine: Engine, optional: ChecksReport['optional']): Missing[] {
  const missing: Missing[] = [];
  if (!engine.canTrain) {
    missing.push({
      what: 'the native engine',
      needed: 'training and speed',
      remedy: `To get it: ${engine.faster ?? 'leave out YOLO_ENGINE'}.`,
    });
  }
  if (!optional.ffmpeg) {
    missing.push({
      what: 'ffmpeg',
      needed: 'video and cameras',
      remedy: 'Install it (Debian, Ubuntu: apt-get install ffmpeg).',
    });
  }
  if (!optional.onnxruntime) {
    missing.push({
      what: 'onnxruntime-node',
      needed: 'predicting and validating with .onnx models',
      remedy: 'npm install onnxruntime-node',
    });
  }
  return missing;
}

/** Of an installed package; its package.json is looked for upwards of its main file, as not every package exports it. */
function packageVersion(name: string): string | undefined {
  try {
    for (let folder = dirname(require.resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
      const manifest = join(folder, 'package.json');
      if (!existsSync(manifest)) continue;
      const found = JSON.parse(readFileSync(manifest, 'utf8'));
      if (found.name === name) return found.version;
    }
  } catch {
    // not installed
  }
  return undefined;
}

function ffmpegVersion(): string | undefined {
  const { status, stdout } = spawnSync('ffmpeg', ['-version'], { encoding: 'utf8', timeout: 5000 });
  return status === 0 ? (/version (\S+)/.exec(stdout)?.[1] ?? 'yes') : undefined;
}
