import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

const dist = (file: string) => JSON.stringify(new URL(`../../dist/image/${file}`, import.meta.url).href);

it('the codec opens no library after it', ({ skip }) => {
  const script = `
    const { loadCodecAddon } = await import(${dist('codec-addon.js')});
    const loaded = loadCodecAddon();
    process.dlopen = (_, file) => { throw new Error('opens ' + file); };
    const { decodeImage, encodeImage } = loaded ? await import(${dist('codec.js')}) : {};
    const image = { data: Uint8Array.of(1, 2, 3), width: 1, height: 1 };
    console.log(loaded && [...(await decodeImage(await encodeImage(image, 'png'))).data].join());`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim();
  if (printed === 'false') skip('sharp has another addon for this system');
  expect(printed).toBe('1,2,3');
});
