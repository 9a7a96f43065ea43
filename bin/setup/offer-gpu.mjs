/** Offers the GPU engine, asks for confirmation and reports the result. */
import { createInterface } from 'node:readline/promises';
import { describeDownload, noGpuReason, setupGpu } from './gpu.mjs';
import { gpuPins, gpuReady, gpuSetupCommand } from './gpu-paths.mjs';
import { setupCommand } from './paths.mjs';
import { say } from './process.mjs';

/** If there is an NVIDIA driver but no GPU engine: describes the download and sets it up unless the user declines. */
export async function offerGpu() {
  if (gpuReady() || noGpuReason()) return;
  const download = describeDownload() ?? 'everything is downloaded, only the test is missing';
  say(`An NVIDIA driver was found. The GPU engine: ${download}.`);
  if (await declined()) say(`Skipped. To install it later: ${gpuSetupCommand}`);
  else await setUp();
}

/** Sets it up without asking. @returns whether it is ready */
export async function requireGpu() {
  const download = describeDownload();
  if (download) say(`The GPU engine: ${download}.`);
  return setUp();
}

/** Asks on a terminal; without one it only reports how to skip the GPU engine. @returns whether the user declines */
async function declined() {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    say(
      `Installing it; to skip it: ${setupCommand.startsWith('npm') ? `${setupCommand} -- --cpu` : `${setupCommand} cpu`}`,
    );
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.emit('SIGINT'));
  try {
    return /^\s*n/i.test(await terminal.question('Install it now? [Y/n] '));
  } finally {
    terminal.close();
  }
}

async function setUp() {
  const start = performance.now();
  const { ready, why, faster } = await setupGpu();
  const time = `Set-up: ${((performance.now() - start) / 1000).toFixed(1)} s.`;
  if (!ready) {
    say(`The GPU engine is not installed: ${why}. Remedy: ${faster}.`);
    return false;
  }
  const unused = noGpuReason();
  const use = unused ? `it is currently not used: ${unused}` : 'device=0 uses it, and device=auto';
  say(`GPU engine: TensorFlow ${gpuPins.tensorflow} for CUDA is installed; ${use}. ${time}`);
  return true;
}
