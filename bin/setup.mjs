/**
 * From a fresh clone to a working command: `node bin/setup.mjs` installs the dependencies, compiles src and sets up the
 * native engine, each only where it is missing or out of date (--force: the engine anew). Where an NVIDIA driver is, it
 * offers the GPU engine; --gpu sets that up in any case, --cpu leaves it out. Then, if asked: --demo shows the tool at work,
 * --test runs the tests (what follows goes to vitest). In an installed package it only sets up the engines.
 * Plain JS without dependencies: it runs before there are any.
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
  say('\nInterrupted. Nothing half-done is left; the next run goes on from here.');
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

/** Says at the end which engine runs, and why. A machine that can't have the native one is no failure; --gpu insists. */
async function setUp() {
  const start = performance.now();
  if (isClone) {
    const { buildSources, installDependencies } = await import('./setup/project.mjs');
    await installDependencies();
    await buildSources();
  }
  const { setupEngine } = await import('./setup/engine.mjs');
  const { describeState } = await import('./setup/describe.mjs');
  // Tests and demo do not wait for what failed a while ago; who asks for the set-up itself wants it tried.
  const state = await setupEngine({ force: mode === '--force', retry: !['--demo', '--test'].includes(mode) });
  say(`${describeState(state)} Set-up: ${((performance.now() - start) / 1000).toFixed(1)} s.`);
  if (mode === undefined && state.ready) await (await import('./setup/offer-gpu.mjs')).offerGpu();
  if (mode === '--gpu' && !(await (await import('./setup/offer-gpu.mjs')).requireGpu())) process.exitCode = 1;
}

/** Runs a script of Node with this terminal; Ctrl-C is the script's own business. */
async function runNode(args) {
  process.removeAllListeners('SIGINT');
  process.on('SIGINT', () => {});
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 130)));
}
