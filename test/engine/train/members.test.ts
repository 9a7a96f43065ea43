import { describe, expect, it } from 'vitest';
import { membersOf } from '../../../src/engine/train/cluster/members.js';

const config = (cluster: object, task?: object): string => JSON.stringify({ cluster, task, environment: 'cloud' });
const workers = ['a.ns.svc:2222', 'b.ns.svc:2222', '10.0.0.3:2222'];

describe('TF_CONFIG', () => {
  it('names the workers and which of them this process is', () => {
    expect(membersOf(config({ worker: workers }, { type: 'worker', index: 1 }))).toEqual({
      addresses: workers,
      index: 1,
    });
    expect(membersOf(config({ worker: workers }, { type: 'worker', index: '2' }))?.index).toBe(2); // Kubernetes: text
  });

  it('has the chief, if there is one, as first worker', () => {
    const cluster = { chief: ['c:1'], worker: ['w:1', 'w:2'] };
    expect(membersOf(config(cluster, { type: 'chief', index: 0 }))).toEqual({
      addresses: ['c:1', 'w:1', 'w:2'],
      index: 0,
    });
    expect(membersOf(config(cluster, { type: 'worker', index: 1 }))?.index).toBe(2);
  });

  it('of one worker, or none, is no cluster', () => {
    expect(membersOf(undefined)).toBeUndefined();
    expect(membersOf(' ')).toBeUndefined();
    expect(membersOf(config({ worker: ['a:1'] }, { type: 'worker', index: 0 }))).toBeUndefined();
  });

  it.each([
    ['nonsense', 'no JSON object'],
    ['[]', 'no JSON object'],
    ['{}', 'names no worker'],
    [config({ worker: 'a:1' }), "'worker' is no list"],
    [config({ worker: ['a:1', 'b'] }), "'b' is not host:port"],
    [config({ worker: ['a:1', 'a:1'] }, { type: 'worker', index: 0 }), 'a:1 twice'],
    [config({ worker: ['a:1', 'b:1'] }, { type: 'worker', index: 2 }), '"index":2'],
    [config({ worker: ['a:1', 'b:1'] }), 'its task is {}'],
    [config({ worker: ['a:1', 'b:1'] }, { type: 'chief', index: 0 }), '"chief"'],
    [config({ worker: ['a:1', 'b:1'], ps: ['c:1'] }, { type: 'worker', index: 0 }), "the job 'ps'"],
  ])('%s is refused', (text, why) => {
    expect(() => membersOf(text)).toThrow(
      expect.objectContaining({ code: 'bad-cluster', message: expect.stringContaining(why) }),
    );
  });
});
