/**
 * Checks of compiled addons that no machine of their system is needed for: format, processor, the libraries they are linked
 * to, the oldest glibc, macOS's signature. Formats: ELF (System V gABI), Mach-O (Apple's loader.h), PE (Microsoft's PE
 * format).
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** What an addon may be linked to: the C library, the system's own libraries and Node. */
const ALLOWED = {
  linux: /^(lib(c|m|dl|pthread|rt)\.so\.\d+|ld-linux-(x86-64|aarch64)\.so\.\d)$/,
  darwin: /^\/usr\/lib\/lib(System\.B|c\+\+\.1)\.dylib$/,
  win32: /^(node\.exe|(kernel32|ntdll|user32|advapi32|ws2_32)\.dll|api-ms-win-crt-.*\.dll)$/i,
};
const GLIBC = [2, 28];
const REGISTER = 'napi_register_module_v1';

/**
 * @param {string} platform of Node, e.g. linux-arm64
 * @throws Error that says what is wrong with the file
 */
export function checkAddon(platform, file) {
  const [system] = platform.split('-');
  const bytes = readFileSync(file);
  const found = describeBinary(bytes);
  const fail = (what) => {
    throw new Error(`${platform}/${basename(file)}: ${what}`);
  };
  if (found.platform !== platform) fail(`is for ${found.platform}`);
  for (const library of found.libraries) if (!ALLOWED[system].test(library)) fail(`is linked to ${library}`);
  if (!bytes.includes(REGISTER)) fail(`exports no ${REGISTER}`);
  if (system === 'darwin' && !found.signed) fail('has no signature');
  const glibc = found.versions?.find(([major, minor]) => major > GLIBC[0] || (major === GLIBC[0] && minor > GLIBC[1]));
  if (glibc) fail(`needs glibc ${glibc.join('.')}`);
}

/**
 * Reads the headers of a shared library.
 * @param {Buffer} bytes
 * @returns {{ platform: string, libraries: string[], versions?: number[][], signed?: boolean }} platform as Node names it;
 *   libraries it is linked to; versions of glibc it refers to (ELF); whether it is signed (Mach-O)
 */
export function describeBinary(bytes) {
  if (bytes.length < 64) return { platform: 'none', libraries: [] };
  if (bytes.readUInt32BE(0) === 0x7f454c46) return readElf(bytes);
  if (bytes.readUInt32LE(0) === 0xfeedfacf) return readMachO(bytes);
  if (bytes.toString('latin1', 0, 2) === 'MZ') return readPe(bytes);
  return { platform: 'none', libraries: [] };
}

function textAt(bytes, at) {
  return bytes.toString('utf8', at, bytes.indexOf(0, at));
}

function readElf(bytes) {
  const machine = { 62: 'x64', 183: 'arm64' }[bytes.readUInt16LE(18)];
  const size = (at) => Number(bytes.readBigUInt64LE(at));
  const [table, entry, count] = [size(40), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
  const sections = Array.from({ length: count }, (_, i) => {
    const at = table + i * entry;
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: size(at + 24),
      bytes: size(at + 32),
      link: bytes.readUInt32LE(at + 40),
    };
  });
  const libraries = [];
  const dynamic = sections.find(({ type }) => type === 6);
  const strings = sections[dynamic.link].offset;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.bytes; at += 16)
    if (size(at) === 1) libraries.push(textAt(bytes, strings + size(at + 8)));
  const versions = [...bytes.toString('latin1').matchAll(/\0GLIBC_(\d+)\.(\d+)/g)].map(([, a, b]) => [
    Number(a),
    Number(b),
  ]);
  return { platform: `linux-${machine}`, libraries, versions };
}

function readMachO(bytes) {
  const machine = { 16777228: 'arm64', 16777223: 'x64' }[bytes.readUInt32LE(4)];
  const libraries = [];
  let signed = false;
  for (let i = 0, at = 32; i < bytes.readUInt32LE(16); i++, at += bytes.readUInt32LE(at + 4)) {
    const command = bytes.readUInt32LE(at) & 0x7fffffff;
    if (command === 0x0c || command === 0x18) libraries.push(textAt(bytes, at + bytes.readUInt32LE(at + 8)));
    // LC_CODE_SIGNATURE: an embedded signature, whose first word is its magic number
    if (command === 0x1d) signed = bytes.readUInt32BE(bytes.readUInt32LE(at + 8)) === 0xfade0cc0;
  }
  return { platform: `darwin-${machine}`, libraries, signed };
}

function readPe(bytes) {
  const header = bytes.readUInt32LE(0x3c);
  const machine = { 34404: 'x64', 43620: 'arm64' }[bytes.readUInt16LE(header + 4)];
  const optional = header + 24;
  const sections = Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, i) => {
    const at = optional + bytes.readUInt16LE(header + 20) + 40 * i;
    return {
      address: bytes.readUInt32LE(at + 12),
      bytes: bytes.readUInt32LE(at + 16),
      offset: bytes.readUInt32LE(at + 20),
    };
  });
  const offsetOf = (address) => {
    const section = sections.find((s) => address >= s.address && address < s.address + s.bytes);
    return address - section.address + section.offset;
  };
  const libraries = [];
  const imports = bytes.readUInt32LE(optional + 112 + 8);
  for (let at = offsetOf(imports); bytes.readUInt32LE(at + 12) !== 0; at += 20)
    libraries.push(textAt(bytes, offsetOf(bytes.readUInt32LE(at + 12))));
  return { platform: `win32-${machine}`, libraries };
}
