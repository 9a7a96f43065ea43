/**
 * Recognition of video containers by their first bytes (ISO/IEC 14496-12 and QuickTime, Matroska's EBML, RIFF AVI, MPEG
 * transport and program streams, FLV, Ogg, ASF, YUV4MPEG2).
 */

/** Brands of still images and image sequences in the container of MP4. */
const IMAGE_BRANDS = /^(avi[fs]|hei[cfms]|hev[cmsx]|mif1|msf1)/;

/**
 * @param head the first bytes of the file, at least 200 if it has so many
 * @returns 'seekable' if a reader needs random access, 'stream' if it can be read from a pipe, undefined if it is no video
 */
export function videoContainer(head: Uint8Array): 'seekable' | 'stream' | undefined {
  const text = Buffer.from(head.subarray(0, 400)).toString('latin1');
  const type = text.slice(4, 8);
  if (type === 'ftyp') return IMAGE_BRANDS.test(text.slice(8, 12)) ? undefined : 'seekable';
  if (/^(moov|mdat|wide|free|skip)$/.test(type)) return 'seekable';
  const isStream =
    text.startsWith('\x1a\x45\xdf\xa3') ||
    (text.startsWith('RIFF') && text.slice(8, 12) === 'AVI ') ||
    (text[0] === 'G' && text[188] === 'G') ||
    text.startsWith('\0\0\x01\xba') ||
    text.startsWith('\0\0\x01\xb3') ||
    text.startsWith('FLV\x01') ||
    text.startsWith('OggS') ||
    text.startsWith('\x30\x26\xb2\x75\x8e\x66\xcf\x11') ||
    text.startsWith('YUV4MPEG2');
  return isStream ? 'stream' : undefined;
}
