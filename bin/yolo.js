#!/usr/bin/env node
// The command. Plain JS and tiny: it must be able to say what is missing on an old Node and before anything was built.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
const main = new URL('../dist/cli/main.js', import.meta.url);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`yolo needs Node 20.19 or newer; this is ${process.versions.node}. See https://nodejs.org\n`);
  process.exitCode = 1;
} else if (!existsSync(main)) {
  process.stderr.write('yolo is not built yet. Run "npm run setup" in its folder.\n');
  process.exitCode = 1;
} else {
  process.exitCode = await (await import(main.href)).main();
}
