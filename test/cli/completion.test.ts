import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { keysOf } from '../../src/cfg/schema.js';
import { complete, completionScript } from '../../src/cli/completion.js';
import { EXPORT_FORMATS, LABEL_FORMATS, OPTIMIZER_NAMES } from '../../src/core/choices.js';

describe('complete', () => {
  it.each<[string[], string[]]>([
    [['tr'], ['train', 'track']],
    [['c'], ['check', 'convert', 'checks', 'cfg', 'copy-cfg', 'completion']],
    [['train', 'epo'], ['epochs=']],
    [['predict', 'save_'], keysOf('predict').flatMap((key) => (key.startsWith('save_') ? `${key}=` : []))],
    [['train', 'optimizer='], ['auto', ...OPTIMIZER_NAMES].map((name) => `optimizer=${name}`)],
    [['predict', 'save=t'], ['save=true']],
    [['export', 'format='], EXPORT_FORMATS.map((name) => `format=${name}`)],
    [['convert', 'format='], LABEL_FORMATS.map((name) => `format=${name}`)],
    [['train', 'data='], [':files']],
    [['train', 'cfg=x'], [':files']],
    [['train', 'epochs='], []],
    [['help', 'pre'], ['predict']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['report', 'runs/'], [':files']],
    [['train', 'qqq'], []],
    [['train', '--epo'], ['--epochs=']],
    [['predict', '--save-fr'], ['--save-frames=']],
    [['predict', '--save_fr'], ['--save_frames=']],
    [['predict', '--save=t'], ['--save=true']],
    [['train', '--optimizer', 'S'], ['SGD']],
    [['train', '--data', ''], [':files']],
    [['predict', '--save', 'con'], ['conf=']],
    [['train', '--epochs=3', '--epo'], []],
  ])('%j → %j', (words, want) => {
    expect(complete(words)).toEqual(want);
  });
  it('does not offer a key twice', () => {
    expect(complete(['train', 'epochs=3', 'epo'])).toEqual([]);
  });
});

describe('completionScript', () => {
  it.each(['bash', 'zsh', 'fish'])('%s asks the command itself', (shell) => {
    expect(completionScript(shell)).toContain('yolo --complete');
  });
  it('refuses another shell', () => {
    expect(() => completionScript('tcsh')).toThrow(/no completion for 'tcsh'/);
  });
  it('is correct bash', () => {
    execFileSync('bash', ['-n'], { input: completionScript('bash') });
  });
});
