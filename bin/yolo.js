#!/usr/bin/env node
// The command. Without newer syntax: it must report an old version of Node and a missing build.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
const main = new URL('../dist/cli/main.js', import.meta.url);
if (major < 20 || (major === 20 && minor < 19)) {
  refuse(`yolo needs Node 20.19 or newer; this is ${process.versions.node}. See https://nodejs.org`);
} else if (!existsSync(main)) {
  refuse('yolo is not built yet. Run "npm run setup" in its folder.');
} else {
  import(main.href).then((command) => command.main()).then((code) => process.exit(code));
}

function refuse(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
