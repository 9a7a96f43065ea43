import { describe, expect, test } from 'vitest';
import { PyName, PyObject, unpickle } from '../../src/io/pickle.js';
import { allowedName } from '../../src/io/torch-names.js';

/** Python's pickle.dumps of one value, protocols 0 to 5, in base64. */
const DUMPS = [
  'KGRwMApWYQpwMQoobHAyCkkxCmFJLTEKYUkyNTUKYUkyNTYKYUk2NTUzNgphSS03MDAwMAphTDEwOTk1MTE2Mjc3NzZMCmFMMTE4MDU5MTYyMDcxNzQxMTMwMzQyNEwKYUwtOTIyMzM3MjAzNjg1NDc3NTgwOEwKYXNWdApwMwooSTEKSTIKKEkzClbpXHUwMDBhCnA0CnRwNQp0cDYKc1ZmCnA3CihscDgKRjAuNQphRi0xZSszMDAKYUZpbmYKYXNWbgpwOQpOc1ZiCnAxMAoobHAxMQpJMDEKYUkwMAphc1ZzCnAxMgpjX19idWlsdGluX18Kc2V0CnAxMwooKGxwMTQKSTEKYXRwMTUKUnAxNgpzVmJ5CnAxNwpjX2NvZGVjcwplbmNvZGUKcDE4CihWXHUwMDAw/wpwMTkKVmxhdGluMQpwMjAKdHAyMQpScDIyCnNWbwpwMjMKY2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnAyNAoodFJwMjUKVngKcDI2CkkxCnNWeQpwMjcKSTIKc3NJNQpWaW50IGtleQpwMjgKc1Zsb25nCnAyOQpWenp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enoKcDMwCnNWbWFueQpwMzEKKGxwMzIKSTAKYUkxCmFJMgphSTMKYUk0CmFJNQphc1ZhZ2FpbgpwMzMKZzIKcy4=',
  'fXEAKFgBAAAAYXEBXXECKEsBSv////9L/00AAUoAAAEASpDu/v9MMTA5OTUxMTYyNzc3NkwKTDExODA1OTE2MjA3MTc0MTEzMDM0MjRMCkwtOTIyMzM3MjAzNjg1NDc3NTgwOEwKZVgBAAAAdHEDKEsBSwIoSwNYAwAAAMOpCnEEdHEFdHEGWAEAAABmcQddcQgoRz/gAAAAAAAAR/435DyIAHWcR3/wAAAAAAAAZVgBAAAAbnEJTlgBAAAAYnEKXXELKEkwMQpJMDAKZVgBAAAAc3EMY19fYnVpbHRpbl9fCnNldApxDShdcQ5LAWF0cQ9ScRBYAgAAAGJ5cRFjX2NvZGVjcwplbmNvZGUKcRIoWAMAAAAAw79xE1gGAAAAbGF0aW4xcRR0cRVScRZYAQAAAG9xF2Njb2xsZWN0aW9ucwpPcmRlcmVkRGljdApxGClScRkoWAEAAAB4cRpLAVgBAAAAeXEbSwJ1SwVYBwAAAGludCBrZXlxHFgEAAAAbG9uZ3EdWAQBAAB6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enEeWAQAAABtYW55cR9dcSAoSwBLAUsCSwNLBEsFZVgFAAAAYWdhaW5xIWgCdS4=',
  'gAJ9cQAoWAEAAABhcQFdcQIoSwFK/////0v/TQABSgAAAQBKkO7+/4oGAAAAAAABigkAAAAAAAAAAECKCAAAAAAAAACAZVgBAAAAdHEDSwFLAksDWAMAAADDqQpxBIZxBYdxBlgBAAAAZnEHXXEIKEc/4AAAAAAAAEf+N+Q8iAB1nEd/8AAAAAAAAGVYAQAAAG5xCU5YAQAAAGJxCl1xCyiIiWVYAQAAAHNxDGNfX2J1aWx0aW5fXwpzZXQKcQ1dcQ5LAWGFcQ9ScRBYAgAAAGJ5cRFjX2NvZGVjcwplbmNvZGUKcRJYAwAAAADDv3ETWAYAAABsYXRpbjFxFIZxFVJxFlgBAAAAb3EXY2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnEYKVJxGShYAQAAAHhxGksBWAEAAAB5cRtLAnVLBVgHAAAAaW50IGtleXEcWAQAAABsb25ncR1YBAEAAHp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6cR5YBAAAAG1hbnlxH11xIChLAEsBSwJLA0sESwVlWAUAAABhZ2FpbnEhaAJ1Lg==',
  'gAN9cQAoWAEAAABhcQFdcQIoSwFK/////0v/TQABSgAAAQBKkO7+/4oGAAAAAAABigkAAAAAAAAAAECKCAAAAAAAAACAZVgBAAAAdHEDSwFLAksDWAMAAADDqQpxBIZxBYdxBlgBAAAAZnEHXXEIKEc/4AAAAAAAAEf+N+Q8iAB1nEd/8AAAAAAAAGVYAQAAAG5xCU5YAQAAAGJxCl1xCyiIiWVYAQAAAHNxDGNidWlsdGlucwpzZXQKcQ1dcQ5LAWGFcQ9ScRBYAgAAAGJ5cRFDAgD/cRJYAQAAAG9xE2Njb2xsZWN0aW9ucwpPcmRlcmVkRGljdApxFClScRUoWAEAAAB4cRZLAVgBAAAAeXEXSwJ1SwVYBwAAAGludCBrZXlxGFgEAAAAbG9uZ3EZWAQBAAB6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enEaWAQAAABtYW55cRtdcRwoSwBLAUsCSwNLBEsFZVgFAAAAYWdhaW5xHWgCdS4=',
  'gASVCwIAAAAAAAB9lCiMAWGUXZQoSwFK/////0v/TQABSgAAAQBKkO7+/4oGAAAAAAABigkAAAAAAAAAAECKCAAAAAAAAACAZYwBdJRLAUsCSwOMA8OpCpSGlIeUjAFmlF2UKEc/4AAAAAAAAEf+N+Q8iAB1nEd/8AAAAAAAAGWMAW6UTowBYpRdlCiIiWWMAXOUj5QoSwGQjAJieZRDAgD/lIwBb5SMC2NvbGxlY3Rpb25zlIwLT3JkZXJlZERpY3SUk5QpUpQojAF4lEsBjAF5lEsCdUsFjAdpbnQga2V5lIwEbG9uZ5RYBAEAAHp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6lIwEbWFueZRdlChLAEsBSwJLA0sESwVljAVhZ2FpbpRoAnUu',
  'gAWVCwIAAAAAAAB9lCiMAWGUXZQoSwFK/////0v/TQABSgAAAQBKkO7+/4oGAAAAAAABigkAAAAAAAAAAECKCAAAAAAAAACAZYwBdJRLAUsCSwOMA8OpCpSGlIeUjAFmlF2UKEc/4AAAAAAAAEf+N+Q8iAB1nEd/8AAAAAAAAGWMAW6UTowBYpRdlCiIiWWMAXOUj5QoSwGQjAJieZRDAgD/lIwBb5SMC2NvbGxlY3Rpb25zlIwLT3JkZXJlZERpY3SUk5QpUpQojAF4lEsBjAF5lEsCdUsFjAdpbnQga2V5lIwEbG9uZ5RYBAEAAHp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6lIwEbWFueZRdlChLAEsBSwJLA0sESwVljAVhZ2FpbpRoAnUu',
];

/** {'best': numpy.float64(0.25)}, protocol 2. */
const NUMPY =
  'gAJ9cQBYBAAAAGJlc3RxAWNudW1weS5fY29yZS5tdWx0aWFycmF5CnNjYWxhcgpxAmNudW1weQpkdHlwZQpxA1gCAAAAZjhxBImIh3EFUnEGKEsDWAEAAAA8cQdOTk5K/////0r/////SwB0cQhiY19jb2RlY3MKZW5jb2RlCnEJWAkAAAAAAAAAAADDkD9xClgGAAAAbGF0aW4xcQuGcQxScQ2GcQ5ScQ9zLg==';

const options = { where: 'x.pt', allow: (name: string) => allowedName(name, 'x.pt') };
const read = (data: Uint8Array): unknown => unpickle(data, options);
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('unpickle', () => {
  DUMPS.forEach((dump, protocol) => {
    test(`values that Python wrote with protocol ${protocol}`, () => {
      const value = read(Buffer.from(dump, 'base64')) as Map<unknown, unknown>;
      expect(value.get('a')).toEqual([1, -1, 255, 256, 65536, -70000, 2 ** 40, 2n ** 70n, -(2n ** 63n)]);
      expect(value.get('t')).toEqual([1, 2, [3, 'é\n']]);
      expect(value.get('f')).toEqual([0.5, -1e300, Number.POSITIVE_INFINITY]);
      expect(value.get('n')).toBe(null);
      expect(value.get('b')).toEqual([true, false]);
      expect(value.get('s')).toEqual(new Set([1]));
      expect([...(value.get('by') as Uint8Array)]).toEqual([0, 255]);
      expect(new Map(value.get('o') as Map<string, number>)).toEqual(
        new Map([
          ['x', 1],
          ['y', 2],
        ]),
      );
      expect(value.get(5)).toBe('int key');
      expect(value.get('long')).toBe('z'.repeat(260));
      expect(value.get('many')).toEqual([0, 1, 2, 3, 4, 5]);
      expect(value.get('again')).toBe(value.get('a'));
    });
  });

  test('a numpy scalar is its number', () => {
    expect(read(Buffer.from(NUMPY, 'base64'))).toEqual(new Map([['best', 0.25]]));
  });

  test('classes of ultralytics and torch.nn become plain objects with attributes', () => {
    const value = read(bytes('\x80\x02cultralytics.nn.modules.conv\nConv\n)\x81}(U\x01iK\x03ub.')) as PyObject;
    expect(value).toBeInstanceOf(PyObject);
    expect(value.className).toBe('ultralytics.nn.modules.conv.Conv');
    expect(value.attributes.get('i')).toBe(3);
    expect(read(bytes('\x80\x02ctorch.nn.modules.activation\nSiLU\n.'))).toBeInstanceOf(PyName);
  });

  const attacks: [string, string][] = [
    ['os.system', 'cos\nsystem\n(U\x02idtR.'],
    ['posix.system', '\x80\x02cposix\nsystem\nU\x02id\x85R.'],
    ['os.system', '\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.'],
    ['os.system', '(S"id"\nios\nsystem\n.'],
    ['os.system', '(cos\nsystem\nS"id"\no.'],
    ['builtins.eval', '\x80\x02cbuiltins\neval\nU\x011\x85R.'],
    // A method of a represented class is represented (YOLOv8 8.0 pickles some); whatever else getattr could reach is not.
    ['builtins.getattr', '\x80\x02cbuiltins\ngetattr\ncbuiltins\nset\nU\x03pop\x86R.'],
    ['builtins.getattr', '\x80\x02cbuiltins\ngetattr\ncultralytics.nn.tasks\nDetectionModel\nU\x09__class__\x86R.'],
    ['subprocess.Popen', '\x80\x02csubprocess\nPopen\n)\x81.'],
    ['ultralytics.utils.os.system', '\x80\x04\x8c\x11ultralytics.utils\x8c\x09os.system\x93.'],
    ['torch.load', '\x80\x02ctorch\nload\n.'],
    ['torch.storage._load_from_bytes', '\x80\x02ctorch.storage\n_load_from_bytes\n.'],
    ['torch.hub.load', '\x80\x02ctorch.hub\nload\n.'],
    ['__main__.Model', '\x80\x02c__main__\nModel\n)\x81.'],
    ['constructor.x', '\x80\x02cconstructor\nx\n.'],
  ];
  for (const [name, program] of attacks) {
    test(`a pickle that names ${name} is refused by name (${JSON.stringify(program.slice(0, 12))}…)`, () => {
      expect(() => read(bytes(program))).toThrow(
        expect.objectContaining({ code: 'unsafe-pickle', message: expect.stringContaining(`'${name}'`) }),
      );
    });
  }

  test('a pickle cut anywhere is one message', () => {
    for (const dump of DUMPS) {
      const whole = Buffer.from(dump, 'base64');
      for (let n = 0; n < whole.length; n += 3)
        expect(() => read(whole.subarray(0, n)), `${n} bytes`).toThrow(expect.objectContaining({ name: 'UserError' }));
    }
  });

  test('programs without sense are one message', () => {
    for (const program of [
      '.',
      't.',
      '0.',
      'a.',
      '}K\x01s.',
      'K\x01K\x02a.',
      ']K\x01K\x02s.',
      '(.',
      'h\x05.',
      'K\x01)R.',
      '\xff.',
      '\x80\x09.',
      'Ix\n.',
      'K\x01Q.',
      '\x8b\xff\xff\xff\x7f.',
      'B\xff\xff\xff\xffx.',
    ])
      expect(() => read(bytes(program)), JSON.stringify(program)).toThrow(
        expect.objectContaining({ code: 'bad-pickle' }),
      );
  });

  test('random changes never end in anything but a value or a UserError', () => {
    const whole = Buffer.from(DUMPS[4], 'base64');
    for (let i = 0; i < whole.length; i++) {
      for (const bit of [1, 0x80, 0xff]) {
        const bad = Buffer.from(whole);
        bad[i] ^= bit;
        try {
          read(bad);
        } catch (error) {
          expect((error as Error).name, `byte ${i}: ${(error as Error).stack}`).toBe('UserError');
        }
      }
    }
  });
});
