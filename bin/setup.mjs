/**
 * Sets up a clone: `node bin/setup.mjs` installs the dependencies, compiles src and sets up the native engine, each only if
 * it is missing or out of date (--force: builds the engine again). If there is an NVIDIA driver, it offers the GPU engine;
 * --gpu sets that up in any case, --cpu does not. Afterwards, --demo runs the demo and --test the tests (further arguments
 * are passed to vitest). In an installed package it sets up the engines only. Plain JavaScript without dependencies, since
 * it runs before they are installed.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { isClone, root } from './setup/paths.mjs';
import { say, stopPrograms } from './setup/process.mjs';

const OLDEST = [20, 19];

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  say(`Node ${OLDEST.join('.')} or newer is needed; this is ${process.versions.node}. See https://nodejs.org`);
  process.exit(1);
}
process.once('SIGINT', () => {
  stopPrograms();
  say('\nInterrupted. No incomplete files remain; the next run continues.');
  process.exit(130);
});

const [mode, ...rest] = process.argv.slice(2);
if (mode !== undefined && !['--demo', '--test', '--force', '--gpu', '--cpu'].includes(mode)) {
  say(`ERROR unknown option ${mode}: expected nothing, --force, --gpu, --cpu, --demo or --test`);
  process.exit(2);
}
try {
  await setUp();
} catch (error) {
  say(`ERROR ${error.message}`);
  process.exit(1);
}
if (mode === '--test') process.exitCode = await runNode([join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...rest]);
if (mode === '--demo') process.exitCode = await (await import('./setup/demo.mjs')).demo(rest);

/** Runs the set-up and reports the engine. A missing native engine is not an error; a missing GPU engine is, with --gpu. */
async function setUp() {
  const start = performance.now();
  if (isClone) {
    const { buildSources, installDependencies } = await import('./setup/project.mjs');
    await installDependencies();
    await buildSources();
  }
  const { setupEngine } = await import('./setup/engine.mjs');
  const { describeState } = await import('./setup/describe.mjs');
  // The set-up itself tries again what failed recently; tests and demo do not.
  const state = await setupEngine({ force: mode === '--force', retry: !['--demo', '--test'].includes(mode) });
  say(`${describeState(state)} Set-up: ${((performance.now() - start) / 1000).toFixed(1)} s.`);
  if (mode === undefined && state.ready) await (await import('./setup/offer-gpu.mjs')).offerGpu();
  if (mode === '--gpu' && !(await (await import('./setup/offer-gpu.mjs')).requireGpu())) process.exitCode = 1;
}

/** Runs a script with this terminal; the script handles Ctrl-C itself. @returns its exit code */
async function runNode(args) {
  process.removeAllListeners('SIGINT');
  process.on('SIGINT', () => {});
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 130)));
}
