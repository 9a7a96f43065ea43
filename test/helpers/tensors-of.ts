import { readSafetensors } from '../../src/io/safetensors.js';

/** Bytes of every tensor of a checkpoint, in base64: equal strings are equal bits. */
export function tensorsOf(path: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, { data: values }] of readSafetensors(path).tensors) {
    out[name] = Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
  }
  return out;
}
