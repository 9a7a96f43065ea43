/**
 * Multi-head self-attention between the cells of a feature map, with a 3x3 depthwise convolution of the values in place of
 * an encoding of positions, and the block of it and a feed-forward part, both with residuals: the partial self-attention
 * of YOLOv10 (Wang et al. 2024, section 3.2).
 */
import type { Ops } from '../ops.js';

/** Channels of a head. */
const HEAD = 64;

/** Heads among so many channels. */
export function headsOf(channels: number): number {
  return Math.max(1, Math.floor(channels / HEAD));
}

/** @param channels of x, a multiple of its heads */
export function attentionBlock<V>(ops: Ops<V>, x: V, name: string, channels: number): V {
  const y = ops.add(x, attention(ops, x, `${name}.attn`, channels));
  const wide = ops.conv(y, `${name}.ffn.0`, { to: 2 * channels });
  return ops.add(y, ops.conv(wide, `${name}.ffn.1`, { to: channels, activation: false }));
}

function attention<V>(ops: Ops<V>, x: V, name: string, channels: number): V {
  const heads = headsOf(channels);
  const values = channels / heads;
  const keys = values >> 1; // of queries, too
  const sizes = Array.from({ length: heads }, () => [keys, keys, values]).flat();
  const qkv = ops.conv(x, `${name}.qkv`, { to: channels + 2 * heads * keys, activation: false });
  const parts = ops.split(qkv, sizes);
  const each = Array.from({ length: heads }, (_, i) => parts.slice(3 * i, 3 * i + 3));
  const seen = ops.concat(each.map(([q, k, v]) => ops.attend(q, k, v, 1 / Math.sqrt(keys))));
  const positions = { to: channels, kernel: 3, depthwise: true, activation: false };
  const y = ops.add(seen, ops.conv(ops.concat(each.map(([, , v]) => v)), `${name}.pe`, positions));
  return ops.conv(y, `${name}.proj`, { to: channels, activation: false });
}
