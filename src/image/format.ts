/**
 * Recognition of file formats by their first bytes: only formats with safe decoders are passed to the imaging library.
 * Signatures are from the standards of the formats (T.81, ISO 15948, RFC 9649, ISO 14496-12 …).
 */

/** Extensions of files that are read as images. */
export const IMAGE_EXTENSIONS = ['avif', 'bmp', 'gif', 'jpeg', 'jpg', 'mpo', 'png', 'tif', 'tiff', 'webp'] as const;

/** Extensions of images of other formats, which are skipped with a warning when a folder is listed. */
const OTHER_EXTENSIONS =
  'arw cr2 cr3 dds dng exr hdr heic heif hif ico j2c j2k jfif jp2 jpe jpf jpx jxl jxr nef orf pbm pcx pfm pgm pnm ppm psd qoi raf raw rw2 sgi svg tga wdp xcf';
const OTHERS = new Set(OTHER_EXTENSIONS.split(' '));

/** Whether an extension (without the dot) is that of an unsupported image format. */
export function isUnsupportedExtension(extension: string): boolean {
  return OTHERS.has(extension.toLowerCase());
}

/** A recognized format. */
export interface ImageFormat {
  /** For messages. */
  name: string;
  supported: boolean;
}

/** Number of bytes at the start of a file that `imageFormat` examines. */
export const FORMAT_BYTES = 1024;

/** @returns the format, or undefined if it is not recognized */
export function imageFormat(head: Uint8Array): ImageFormat | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, FORMAT_BYTES)).toString('latin1');
  const brand = text.slice(4, 8) === 'ftyp' ? isoBrand(text) : undefined;
  if (brand) return brand;
  const known = SIGNATURES.find(([, , ...starts]) => starts.some((start) => text.startsWith(start)));
  if (known) return { name: known[0], supported: known[1] };
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return { name: 'WebP', supported: true };
  if (/^P[1-7Ff]\s/.test(text)) return { name: 'PNM (PPM, PGM, PBM, PFM)', supported: false };
  if (/<svg[\s>]/.test(text)) return { name: 'SVG', supported: false };
  return /^\s*[<{]/.test(text) ? { name: 'a text', supported: false } : undefined;
}

const SIGNATURES: [name: string, supported: boolean, ...starts: string[]][] = [
  ['JPEG', true, '\xff\xd8'],
  ['PNG', true, '\x89PNG\r\n\x1a\n'],
  ['GIF', true, 'GIF8'],
  ['BMP', true, 'BM'],
  ['TIFF', true, 'II*\0', 'II+\0', 'MM\0*', 'MM\0+'],
  ['JPEG 2000', false, '\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'],
  ['JPEG XL', false, '\0\0\0\x0cJXL ', '\xff\x0a'],
  ['Photoshop', false, '8BPS'],
  ['OpenEXR', false, '\x76\x2f\x31\x01'],
  ['Radiance HDR', false, '#?RADIANCE', '#?RGBE'],
  ['an icon (ICO)', false, '\0\0\x01\0'],
  ['QOI', false, 'qoif'],
  ['PDF', false, '%PDF'],
  ['compressed with gzip', false, '\x1f\x8b'],
  ['a zip archive', false, 'PK\x03\x04'],
  ['a pointer of Git LFS', false, 'version https://git-lfs'],
];

/** AVIF, HEIC and videos share a container format (ISO 14496-12) and are distinguished by their brands. */
function isoBrand(text: string): ImageFormat | undefined {
  const size = Math.min(text.charCodeAt(2) * 256 + text.charCodeAt(3), text.length);
  const brands = new Set<string>([text.slice(8, 12)]);
  for (let at = 16; at + 4 <= size; at += 4) brands.add(text.slice(at, at + 4));
  const has = (...names: string[]): boolean => names.some((name) => brands.has(name));
  if (has('avif', 'avis')) return { name: 'AVIF', supported: true };
  if (has('heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'msf1')) return { name: 'HEIC', supported: false };
  if (has('crx ')) return { name: 'a raw image (CR3)', supported: false };
  return { name: 'a video (MP4 or QuickTime)', supported: false };
}
